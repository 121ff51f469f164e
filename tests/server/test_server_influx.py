"""Forwarding to InfluxDB: lines that read back, points of what happened, a cursor that misses nothing."""

from __future__ import annotations

import base64
import contextlib
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from server_kit import fresh, put, rows, send, store_all, until
from spans import START, Bot, body, event, span

from ares_otel.config import Influx, Server, load, render
from ares_otel.guard import GUARD
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.http.serve import EmbeddedServer, StartError
from ares_otel.server.keep import standing
from ares_otel.server.keep.forward import CURSOR, Forwarder
from ares_otel.server.keep.influx import BusyError, Client, RefusedError, SetupError
from ares_otel.server.keep.line import FieldValue, line, tag_text
from ares_otel.server.keep.notes import note
from ares_otel.server.keep.standing import Standing
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader

# --- lines -------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
FIELDS: st.SearchStrategy[FieldValue] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"]))
)


KEY = r"(?:\\[,= ]|[^,= \\])+"
VALUE = r'"(?:[^"\\]|\\.)*"|[^, "]+'
POINT = re.compile(rf"({KEY})((?:,{KEY}={KEY})*) ((?:{KEY}=(?:{VALUE}),?)+) (-?\d+)", re.DOTALL)


def parsed(point: str) -> tuple[str, dict[str, str], dict[str, FieldValue], int]:
    """Read a line as InfluxDB's documentation says it is read."""
    found = POINT.fullmatch(point)
    assert found, point
    measurement, tags, fields, time = found.groups()
    told = {unescaped(key): unescaped(value) for key, value in re.findall(f",({KEY})=({KEY})", tags)}
    values = re.findall(rf"({KEY})=({VALUE})(?:,|$)", fields, re.DOTALL)
    return unescaped(measurement), told, {unescaped(key): value_of(text) for key, text in values}, int(time)


def unescaped(text: str) -> str:
    """Take the backslashes of separators away."""
    return re.sub(r"\\([,= ])", r"\1", text)


def value_of(text: str) -> FieldValue:
    """Return a field's value."""
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in {"true", "false"}:
        return text == "true"
    return int(text[:-1]) if text.endswith("i") else float(text)


@given(
    TEXTS,
    st.dictionaries(TEXTS, TEXTS, max_size=4),
    st.dictionaries(TEXTS, FIELDS, max_size=4),
    st.integers(0, 2**63 - 1),
)
def test_lines_read_back(measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time: int) -> None:
    """Law: whatever the texts hold, a line says what was meant, in one line."""
    assume(len({*map(tag_text, tags)}) == len(tags) and len({*map(tag_text, fields)}) == len(fields))
    point = line(measurement, tags, fields, time).decode()
    known = {tag_text(name): value for name, value in fields.items() if storable(value)}
    named = {tag_text(name): tag_text(value) for name, value in tags.items()}
    if known:
        assert parsed(point) == (tag_text(measurement), named, known, time)
        # only a field's text may hold a break
        assert point.count("\n") == sum(value.count("\n") for value in known.values() if isinstance(value, str))
    else:
        assert point == ""


def storable(value: FieldValue) -> bool:
    """Whether a field can have a value."""
    if isinstance(value, bool | str):
        return True
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is not None and math.isfinite(value)


def test_a_line() -> None:
    """Tags in order, texts quoted, whole numbers marked; what is unknown is left out."""
    fields: dict[str, FieldValue] = {"c": 0.5, "n": 3, "ok": True, "why": 'a "b" \\ c', "x": None, "y": math.nan}
    assert line("m n", {"b": "x y,z=1", "a": None, "c": ""}, fields, 7) == (
        b'm\\ n,b=x\\ y\\,z\\=1 c=0.5,n=3i,ok=true,why="a \\"b\\" \\\\ c" 7'
    )
    assert line("m", {"a": "x"}, {"x": None}, 7) == b""
    assert tag_text("a\nb\\c\0") == "a b/c "


# --- a fake InfluxDB ---------------------------------------------------------------------------------------------


class Fake:
    """Takes points and answers as it is told; of a point that comes again it keeps one."""

    def __init__(self) -> None:
        self.points: dict[str, str] = {}
        self.requests: list[tuple[str, str | None, int]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.poison = "\0"
        self.limit = 1 << 30
        self.hang = threading.Event()
        self.hang.set()
        self.hanging = False

    def answer(self, path: str, authorization: str | None, body: str) -> tuple[int, dict[str, str], bytes]:
        """Answer one request."""
        lines = body.split("\n")
        self.hanging = not self.hang.is_set()
        self.hang.wait(20)
        self.requests.append((path, authorization, len(lines)))
        if self.answers:
            return (*self.answers.pop(0), b"told so")
        if len(lines) > self.limit:
            return 413, {}, b"too large"
        if any(self.poison in each for each in lines):
            return 400, {}, b'{"error":"partial write: field type conflict dropped=1"}'
        for each in lines:
            head, rest = each.split(" ", 1)
            self.points[head + rest.rsplit(" ", 1)[1]] = each
        return 204, {}, b""

    def named(self, measurement: str) -> list[str]:
        """Return the points of a measurement."""
        return [point for point in self.points.values() if point.startswith(measurement + ",")]


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    """Serve a fake; give its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, headers, said = fake.answer(self.path, self.headers["Authorization"], data)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(said)))
            with contextlib.suppress(OSError):
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def fake() -> Fake:
    """Return a fake that takes everything."""
    return Fake()


@pytest.fixture
def url(fake: Fake) -> Iterator[str]:
    """Return its address."""
    with serving(fake) as address:
        yield address


def settings(url: str, **given: Any) -> Influx:
    """Return settings that do not wait long."""
    return Influx(url=url, **{"interval": 0.01, "backoff_limit": 0.05, **given})


@contextmanager
def forwarding(database: Path, chosen: Influx) -> Iterator[Forwarder]:
    """Forward without a server; the chore runs whenever it is looked."""
    forwarder = Forwarder(chosen, database, {})
    forwarder.start()
    with closing(Store(database)) as store:
        forwarder.chore(store)
    try:
        yield forwarder
    finally:
        assert forwarder.stop(20)
        with closing(Store(database)) as store:
            forwarder.chore(store)


def stands(database: Path) -> Standing:
    """Return what is noted of how it stands."""
    with closing(Store(database)) as store:
        return standing.read(store.db, "influx")


def cursor(database: Path) -> int:
    """Return the noted cursor."""
    with closing(Store(database)) as store:
        return int(note(store.db, CURSOR) or 0)


# --- what is forwarded -------------------------------------------------------------------------------------------


def test_points_of_a_decision(tmp_path: Path, fake: Fake, url: str) -> None:
    """Decisions, votes, orders and updates; tags have few values, ids are fields."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision() for _ in range(4)]
    store_all(database, [each.all for each in made])
    with forwarding(database, settings(url, version="2")) as forwarder:
        until(lambda: len(fake.points) >= 4 * 9)

    assert forwarder.points == 36
    measurements = ("ares_decision", "ares_vote", "ares_order", "ares_order_update")
    assert [len(fake.named(each)) for each in measurements] == [4, 20, 4, 8]
    first = min(fake.named("ares_decision"), key=lambda point: int(point.rsplit(" ", 1)[1]))
    name, tags, fields, time = parsed(first)
    assert tags == {"strategy": "swing", "symbol": "NASDAQ", "venue": "paper", "action": "buy", "regime": "bull_trend"}
    assert (fields["confidence"], fields["price"], fields["error"]) == (0.66, 1_431.2, False)
    assert fields["decision_id"] == made[0].ids.decision
    assert fields["correlation_id"] == made[0].ids.correlation
    assert (name, time // 1_024) == ("ares_decision", START // 1_024)
    assert rows(database, "SELECT min(id) FROM decision") == [(time,)]
    _, tags, fields, _ = parsed(fake.named("ares_vote")[0])
    assert {"model", "action", "strategy", "symbol"} == {*tags}
    filled = [parsed(point)[2] for point in fake.named("ares_order_update") if ",status=filled" in point]
    assert [each["fill_quantity"] for each in filled] == [12.0] * 4
    assert {"client_order_id", "trace_id", "fee", "slippage_bp"} <= filled[0].keys()


def test_equity_and_positions(tmp_path: Path, fake: Fake, url: str) -> None:
    """Told in a decision they have its strategy; what says no number is no point."""
    database = fresh(tmp_path)
    told = [
        event(s.EQUITY, START, {a.EQUITY: 100.5, a.CURRENCY: "USD"}),
        event(s.POSITION, START, {a.POSITION_QUANTITY: -2.0, a.SYMBOL: "DAX"}),
        event(s.POSITION, START, {a.SYMBOL: "DAX"}),
        event(s.POSITION, 0, {a.POSITION_QUANTITY: 7}),
    ]
    decision = span(s.DECISION, {a.STRATEGY: "x", a.SYMBOL: "SPX"}, events=told)
    alone = span(s.EQUITY, {a.STRATEGY: "y", a.EQUITY: 3.0}, own=b"another1")
    foreign = span(s.DECISION, {"policy": "allow"}, own=b"another2")
    store_all(database, [[decision, alone, foreign]])
    with forwarding(database, settings(url)):
        until(lambda: cursor_reached(database))

    assert sorted(point.split(" ")[0] for point in fake.points.values()) == [
        "ares_decision,strategy=x,symbol=SPX",
        "ares_equity,currency=USD,strategy=x",
        "ares_equity,strategy=y",
        "ares_position,strategy=x,symbol=DAX",
        "ares_position,strategy=x,symbol=SPX",
    ]


def cursor_reached(database: Path) -> bool:
    """Whether there is anything; the forwarder's own end brings the rest."""
    return rows(database, "SELECT count(*) FROM segment") != [(0,)] and threading.Event().wait(0.2) is False


def test_it_goes_on_where_it_was(tmp_path: Path, fake: Fake, url: str) -> None:
    """After a restart nothing is missed, however late it began; what goes out again replaces itself."""
    database, bot = fresh(tmp_path), Bot()
    store_all(database, [bot.decision().all])
    with forwarding(database, settings(url)):
        until(lambda: len(fake.points) >= 9)
    first = cursor(database)
    assert first > 0

    store_all(database, [Bot(seed=7, start=START - 10**15).decision().all])
    with forwarding(database, settings(url)):
        until(lambda: len(fake.points) >= 18)
    assert cursor(database) > first
    assert sum(lines for _, _, lines in fake.requests) == 18

    with closing(Store(database)) as store, store.transaction() as db:
        db.execute(f"DELETE FROM meta WHERE key = '{CURSOR}'")  # noqa: S608  own name
    with forwarding(database, settings(url)) as again:
        until(lambda: again.points >= 18)
    assert len(fake.points) == 18


def test_an_outage(tmp_path: Path, fake: Fake, url: str) -> None:
    """Errors that pass are waited for; nothing is lost, nothing is doubled, and it is said once."""
    database, bot = fresh(tmp_path), Bot()
    store_all(database, [bot.decision().all])
    fake.answers = [(503, {"Retry-After": "0"}), (500, {}), (401, {}), (429, {"Retry-After": "0"})]
    with forwarding(database, settings(url)) as forwarder:
        until(lambda: len(fake.points) >= 9)
        until(lambda: forwarder.problem is None)

    assert len(fake.requests) == 5
    assert GUARD.counts()["influx"] == forwarder.failures == 4
    assert stands(database).failures == 4


def test_nobody_there(tmp_path: Path) -> None:
    """Without InfluxDB it stands still, says why, and ends when it is told to."""
    database = fresh(tmp_path)
    store_all(database, [Bot().decision().all])
    with forwarding(database, settings("http://127.0.0.1:9", timeout=1.0)) as forwarder:
        until(lambda: forwarder.problem is not None)
        assert "InfluxDB at 127.0.0.1:9" in str(forwarder.problem)
        assert forwarder.lag is not None
        assert forwarder.lag > 0.0
        with closing(Store(database)) as store:
            forwarder.chore(store)
        told = stands(database)

    assert cursor(database) == 0
    assert "InfluxDB at 127.0.0.1:9" in str(told.problem)
    assert (told.ended, told.amount, told.waiting_since) == (None, 0, forwarder.waiting_since)
    assert told.failed is not None


def test_a_point_that_is_refused(tmp_path: Path, fake: Fake, url: str) -> None:
    """It alone is left out."""
    database, bot = fresh(tmp_path), Bot()
    store_all(database, [bot.decision().all for _ in range(8)])
    fake.poison = 'client_order_id="C-5"'
    with forwarding(database, settings(url)) as forwarder:
        until(lambda: len(fake.points) >= 8 * 9 - 3)
        until(lambda: forwarder.refused == 3)

    assert len(fake.points) == 69
    assert forwarder.points == 69
    assert (stands(database).amount, stands(database).lost, stands(database).waiting_since) == (69, 3, None)


def test_too_much_at_once(tmp_path: Path, fake: Fake, url: str) -> None:
    """Batches are as long as the settings say, and shorter where InfluxDB wants them so."""
    database, bot = fresh(tmp_path), Bot()
    store_all(database, [bot.decision().all for _ in range(8)])
    fake.limit = 5
    with forwarding(database, settings(url, batch_points=20)):
        until(lambda: len(fake.points) >= 72)

    assert max(lines for _, _, lines in fake.requests) == 20


# --- who asks ----------------------------------------------------------------------------------------------------


def test_secrets(tmp_path: Path, fake: Fake, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """They come from a file or the environment, go into a header, and are shown nowhere."""
    (tmp_path / "secret").write_text(" s3cret\n")
    file = str(tmp_path / "secret")
    cases: Sequence[tuple[dict[str, Any], dict[str, str], str, str | None]] = (
        ({"token_file": file, "organization": "o&o"}, {}, "/api/v2/write?org=o%26o&bucket=ares", "Token s3cret"),
        ({}, {"INFLUX_TOKEN": "t0k"}, "/api/v2/write?org=ares&bucket=ares", "Token t0k"),
        ({"version": "1", "username": "u", "password_file": file}, {}, "/write?db=ares", "Basic dTpzM2NyZXQ="),
        ({"version": "1", "username": "u"}, {"INFLUX_PASSWORD": "s3cret"}, "/write?db=ares", "Basic dTpzM2NyZXQ="),
        ({"version": "1"}, {"INFLUX_PASSWORD": "s3cret"}, "/write?db=ares", None),
    )
    for given_, environ, path, authorization in cases:
        client = Client(settings(url, **given_), environ)
        fake.answers = [(403, {})]
        with pytest.raises(BusyError) as error:
            client.write([b"m x=1 1"])
        client.close()
        assert fake.requests[-1][:2] == (f"{path}&precision=ns", authorization)
        assert "s3cret" not in f"{error.value!r} {client!r} {caplog.text}"
    assert base64.b64decode("dTpzM2NyZXQ=") == b"u:s3cret"


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"\xff", "it is no text"), (b"a\nb", "no HTTP header")]
)
def test_a_secret_that_cannot_be_read(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """The message names the file and not what is in it."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SetupError, match=problem):
        Client(settings("http://h", token_file=str(file)), {})


def test_a_secret_in_the_configuration_is_refused(tmp_path: Path) -> None:
    """There is no key for one."""
    (tmp_path / "a.yaml").write_text("server:\n  influx:\n    token: s3cret\n")
    loaded = load(tmp_path / "a.yaml", {"HOME": "/"})

    assert "unknown key" in loaded.problems[0].message
    assert "s3cret" not in render(loaded)


def test_a_path_before(fake: Fake, url: str) -> None:
    """InfluxDB may live below a path of its host."""
    client = Client(settings(url + "/influx/", version="1"), {})
    client.write([b"m x=1 1"])
    client.close()

    assert fake.requests[0][0].startswith("/influx/write?db=ares")


def test_refused(fake: Fake, url: str) -> None:
    """What can never be taken is told from what can be later."""
    client = Client(settings(url), {})
    for status, large in ((400, False), (413, True), (422, False)):
        fake.answers = [(status, {})]
        with pytest.raises(RefusedError) as error:
            client.write([b"x"])
        assert error.value.large is large
    client.close()


# --- in a server -------------------------------------------------------------------------------------------------


def test_in_a_server(tmp_path: Path, fake: Fake, url: str) -> None:
    """A server forwards what it stores; a hanging request does not keep it from ending."""
    database, bot = tmp_path / "ares.db", Bot()
    with EmbeddedServer(database, settings=Server(influx=settings(url))) as server:
        assert send(server.url, body(bot.decision().all)).status == 200
        until(lambda: len(fake.points) >= 9)
        until(lambda: rows(database, "SELECT count(*) FROM meta") != [(0,)])
        metrics = send(server.url, None, path="/metrics", method="GET").body.decode()
        fake.hang.clear()
        assert send(server.url, body(bot.decision().all)).status == 200
        until(lambda: fake.hanging)
        assert server.stop(5.0)
        fake.hang.set()
    assert cursor(database) > 0
    for said in ('forwarded_points_total{storage_result="stored"} 9.0', "forward_failures_total 0.0"):
        assert f"ares_server_{said}" in metrics
    for said in ("forward_lag_seconds", "forward_last_success_timestamp_seconds", "forward_duration_seconds_count"):
        assert re.search(rf"^ares_server_{said} \d", metrics, re.MULTILINE)


def test_a_server_that_cannot_start(tmp_path: Path, url: str) -> None:
    """Nothing of the forwarding is left running; a secret that cannot be read is named."""
    (tmp_path / "ares.db").write_text("no database" * 1_000)
    with pytest.raises(StartError):
        EmbeddedServer(tmp_path / "ares.db", settings=Server(influx=settings(url))).start()
    broken = Server(influx=settings(url, token_file=str(tmp_path / "no")))
    with pytest.raises(StartError, match="the secret for InfluxDB cannot be read"):
        EmbeddedServer(tmp_path / "other.db", settings=broken).start()

    assert "ares-influx" not in {thread.name for thread in threading.enumerate()}


def test_stopped_before_the_writer_said_where_to_begin(tmp_path: Path, url: str) -> None:
    """It does not wait for ever."""
    forwarder = Forwarder(settings(url), fresh(tmp_path), {})
    assert forwarder.stop(0.1)
    forwarder = Forwarder(settings(url), tmp_path / "ares.db", {})
    forwarder.start()

    assert forwarder.stop(20)


def test_a_database_that_cannot_be_read(tmp_path: Path, fake: Fake, url: str) -> None:
    """It is tried again."""
    database = tmp_path / "later.db"
    forwarder = Forwarder(settings(url), database, {})
    forwarder._cursor, forwarder._noted = 0, 0
    forwarder._ready.set()
    forwarder.start()
    until(lambda: GUARD.counts().get("influx"))
    fresh(tmp_path, "later.db")
    store_all(database, [Bot().decision().all])
    until(lambda: len(fake.points) >= 9)
    assert forwarder.stop(20)
    with Reader(database) as reader, closing(Store(database)) as store:
        put(store, [span("x")])
        assert len(reader.segments_after(0, 10)) == 2
