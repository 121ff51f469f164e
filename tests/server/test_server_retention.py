"""Retention: what is old goes, in small steps; what belongs together stays together; no clock deletes everything."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import content, fresh, put, rows, send
from spans import START, Bot, Whole, event, span

from ares_otel.config import Retention
from ares_otel.guard import GUARD
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep import retention, standing
from ares_otel.server.keep.groups import DAY, GROUPS, HOUR, tables
from ares_otel.server.keep.notes import note, remember
from ares_otel.server.keep.retention import BETWEEN_RUNS, REFERENCE, STEP_ROWS, Pruner
from ares_otel.server.store.sqlite import SqliteDriver
from ares_otel.server.store.store import Store
from ares_otel.server.story.explain import explain
from ares_otel.server.story.remains import KEPT_SINCE

NOON = START // HOUR * HOUR
FOREVER = Retention(spans=0, decisions=0, outcomes=0, equity=0, rollups=0, logs=0)


class Server:
    """A store whose clock is set."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    def put(self, *requests: Sequence[Span]) -> None:
        """Store at the present time."""
        put(self.store, *requests)

    def bot(self, seed: int = 1) -> Bot:
        """Return a bot that begins to decide now."""
        return Bot(seed=seed, start=self.now)

    def settle(self, settings: Retention) -> None:
        """Prune until the reference has come up with the clock."""
        for _ in range(120):
            self.prune(settings)

    def prune(self, settings: Retention, pruner: Pruner | None = None) -> Pruner:
        """Run until the next run is an hour away."""
        pruner = pruner or self.pruner(settings)
        pruner(self.store)  # says when the first run is due
        steps = 0
        while pruner(self.store) < BETWEEN_RUNS:
            steps += 1
            assert steps < 10_000
        return pruner

    def pruner(self, settings: Retention) -> Pruner:
        """Return a pruner at this clock."""
        return Pruner(settings, lambda: self.now, first=0.0)


@contextmanager
def serving(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Open the database as a server does."""
    with closing(Store(database)) as store:
        server = Server(store)
        monkeypatch.setattr("time.time_ns", lambda: server.now)
        yield server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server with a new database."""
    with serving(fresh(tmp_path), monkeypatch) as made:
        yield made


def count(server: Server, table: str) -> int:
    """Return the number of rows of a table."""
    return int(server.store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  own names


def kept(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return what belongs to decisions and orders."""
    found = content(database)
    return {table: found[table] for table in ("decision", "vote", "orders", "order_update", "span", "lookup")}


def aged(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return everything but notes, and regimes by market time, which is a replay's here and has no age."""
    return {table: found for table, found in content(database).items() if not table.startswith(("meta", "regime_"))}


def test_what_is_old_goes(server: Server, tmp_path: Path) -> None:
    """After pruning the database holds what one holds that only ever had the rest."""
    old, young = server.bot(1), server.bot(2)
    server.put(*(old.decision().all for _ in range(40)))
    server.now += 40 * DAY
    young.start = server.now
    recent = [young.decision().all for _ in range(30)]
    server.put(*recent)
    pruner = server.prune(Retention(spans=30, decisions=30, outcomes=30, equity=30, rollups=30, logs=30))
    with closing(Store(fresh(tmp_path, "other.db"))) as other:
        put(other, *recent)

    assert aged(tmp_path / "ares.db") == aged(tmp_path / "other.db")
    assert pruner.pruned["decision"] == pruner.pruned["orders"] == 40
    assert note(server.store.db, KEPT_SINCE) == str((server.now - 30 * DAY) // HOUR * HOUR)


def test_each_group_has_its_own_time(server: Server) -> None:
    """Rows outlive their spans, and roll-ups the rows."""
    bot = server.bot()
    server.put(*(bot.decision().all for _ in range(10)))
    server.now += 40 * DAY
    bot.start = server.now
    server.put(*(bot.decision().all for _ in range(10)))
    server.prune(Retention(spans=30, decisions=60, rollups=0))

    assert (count(server, "segment"), count(server, "lookup")) == (1, 10)
    assert (count(server, "decision"), count(server, "orders")) == (20, 20)

    server.now += 30 * DAY
    server.put([span("tick", start=server.now)], bot.decision().all)
    server.now += DAY
    bot.start = server.now
    server.put(bot.decision().all)
    server.settle(Retention(spans=0, decisions=60, rollups=0))

    assert server.store.db.execute("SELECT sum(n) FROM hourly").fetchone() == (22,)
    assert count(server, "decision") == 12


def test_roll_ups_and_rows_end_at_the_same_hour(server: Server) -> None:
    """An hour has either all its decisions or none, so that its count stays exact."""
    bot = Bot(start=NOON, gap=HOUR // 6 + 1)
    made = [bot.decision(order=False).all for _ in range(300)]
    server.now = NOON + 3 * DAY
    server.put(*made)
    server.prune(Retention(spans=0, decisions=1, rollups=1))
    hours = f"SELECT id / {HOUR}, count(*) FROM decision GROUP BY 1 ORDER BY 1"  # noqa: S608  a number
    found = server.store.db.execute(hours).fetchall()

    assert found == server.store.db.execute("SELECT hour, sum(n) FROM hourly GROUP BY 1 ORDER BY 1").fetchall()
    assert 100 < sum(number for _, number in found) < 160


def test_for_ever(server: Server) -> None:
    """With 0 nothing goes, and nothing is even looked at."""
    server.put(server.bot().decision().all)
    server.now += 4_000 * DAY
    server.put(server.bot(2).decision().all)
    pruner = server.prune(FOREVER)

    assert pruner.pruned == {}
    assert count(server, "decision") == 2
    assert note(server.store.db, REFERENCE) is None


@pytest.mark.parametrize("implied", [False, True])
def test_a_decision_without_its_spans(server: Server, tmp_path: Path, *, implied: bool) -> None:
    """It is still found by its ids, and says that its spans are gone and from when on they are kept."""
    made = Bot(start=server.now, implied=implied).decision()
    server.put(made.all)
    server.now += 40 * DAY
    server.put(Bot(seed=2, start=server.now, made=9).decision().all)
    server.prune(Retention(spans=30, decisions=365))

    trace, database = made.ids.trace.hex(), tmp_path / "ares.db"
    for text in (made.client_id, trace, made.ids.correlation, made.ids.correlation.replace("-", ""), made.ids.decision):
        out = io.StringIO()
        assert explain(database, text, out) == 0
        told = out.getvalue()
        assert (
            "swing decided buy on NASDAQ; its spans are pruned (as are those from before 2023-11-24 22:00 UTC)" in told
        )
        assert f"decision    {made.ids.decision}\n" in told
        assert "buy   0.55  weight 0.30  logistic" in told
        assert f"order {made.client_id}: buy 12 NASDAQ limit" in told
    out = io.StringIO()
    assert explain(database, trace, out, json=True) == 0
    (story,) = json.loads(out.getvalue())["stories"]
    assert (story["trace_id"], story["span_id"], story["correlation_id"]) == (
        *(trace, made.ids.root.hex(), made.ids.correlation),
    )
    assert (story["orders"][0]["status"], story["orders"][0]["cum_quantity"], len(story["decision"]["votes"])) == (
        *("filled", 12.0),
        5,
    )
    for unknown in ("nope", "f" * 32, "0" * 28, trace[:-1] + "x"):
        assert explain(database, unknown, io.StringIO()) == 1


def test_a_late_word_of_an_order_without_its_spans(server: Server) -> None:
    """It belongs to the order's row, which stays one and stays where it is."""
    made = server.bot().decision(statuses=("new", "filled", "filled"))
    server.put([*made.spans, *made.updates[:2]])
    before = server.store.db.execute("SELECT id, decision, side, quantity FROM orders").fetchall()
    server.now += 40 * DAY
    server.put(Bot(seed=2, start=server.now, made=9).decision(order=False).all)
    server.prune(Retention(spans=30, decisions=365))
    assert count(server, "segment") == 1
    server.put([made.updates[2]])

    assert server.store.db.execute("SELECT id, decision, side, quantity FROM orders").fetchall() == before
    assert server.store.db.execute("SELECT DISTINCT order_id FROM order_update").fetchall() == [before[0][:1]]


# --- orders that are open ----------------------------------------------------------------------------------------


def late(made: Whole) -> list[Span]:
    """Return the last update of an order, heard 100 days later."""
    update = made.updates[-1]
    update.start_time_unix_nano = update.end_time_unix_nano = START + 100 * DAY
    return [update]


def test_an_open_order_is_not_torn_apart(server: Server, tmp_path: Path) -> None:
    """Its decision, votes, updates and segments stay, so that what is heard of it later is booked as ever."""
    bot = server.bot()
    made = bot.decision()
    done = [bot.decision().all for _ in range(20)]
    server.put([*made.spans, made.updates[0]])
    server.put(*done)
    server.now += 50 * DAY
    fill = late(made)
    newest = [span(s.DECISION, {a.STRATEGY: "x"}, start=server.now, trace=b"n" * 16, own=b"n" * 8)]
    server.put(newest)
    settings = Retention(spans=10, decisions=20)
    server.prune(settings)

    assert (count(server, "decision"), count(server, "orders")) == (2, 1)
    server.now += 50 * DAY
    server.put(fill)
    with closing(Store(fresh(tmp_path, "other.db"))) as other:
        put(other, made.spans, made.updates[:1], newest)
        put(other, fill)
    assert kept(tmp_path / "ares.db") == kept(tmp_path / "other.db")

    # it has ended, but only now: the rows stay together until all of them are old
    server.now += DAY
    server.put([span(s.DECISION, {a.STRATEGY: "x"}, start=server.now, trace=b"m" * 16, own=b"m" * 8)])
    server.settle(settings)
    assert (count(server, "decision"), count(server, "order_update")) == (2, 2)
    server.now += 40 * DAY
    server.put([span(s.DECISION, {a.STRATEGY: "x"}, start=server.now, trace=b"l" * 16, own=b"l" * 8)])
    server.settle(settings)
    assert (count(server, "orders"), count(server, "order_update")) == (0, 0)


def test_an_order_that_nothing_is_heard_of(server: Server) -> None:
    """Counts as lost after its time and goes like any other."""
    made = server.bot().decision(statuses=("new",))
    server.put(made.all)
    server.now += 50 * DAY
    server.put(server.bot(2).decision().all)
    server.prune(Retention(spans=10, decisions=20, open_orders=49))

    assert (count(server, "orders"), count(server, "segment")) == (1, 1)


def test_memory_for_open_orders_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the orders that began last are kept."""
    monkeypatch.setattr("ares_otel.server.keep.live.MOST", 3)
    bot = server.bot()
    made = [bot.decision(statuses=("new",)) for _ in range(5)]
    server.put(*(each.all for each in made))
    server.now += 50 * DAY
    server.put(Bot(seed=2, start=server.now, made=9).decision().all)
    server.prune(Retention(spans=10, decisions=20))

    found = server.store.db.execute("SELECT client_id FROM orders ORDER BY id").fetchall()
    assert found == [("C-3",), ("C-4",), ("C-5",), ("C-10",)]


# --- clocks ------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead(server: Server) -> None:
    """Neither the clock alone nor a bot that shares it deletes more than a day's worth a run."""
    settings = Retention(spans=10, decisions=10, rollups=10)
    for day in range(20):
        server.now = NOON + day * DAY
        server.put(Bot(seed=day, start=server.now).decision().all)
    server.prune(settings)
    before = count(server, "decision")

    server.now += 3_650 * DAY
    server.prune(settings)
    assert count(server, "decision") == before, "the newest row does not justify it"
    server.put(Bot(seed=99, start=server.now).decision().all)
    server.prune(settings)
    assert before - 2 <= count(server, "decision") - 1 <= before

    server.now = NOON + 20 * DAY
    for _ in range(5):
        server.prune(settings)
    assert before - 2 <= count(server, "decision") - 1 <= before


def test_what_stopped_growing(server: Server) -> None:
    """Its last days stay, however long ago they are."""
    for day in range(20):
        server.now = NOON + day * DAY
        server.put(Bot(seed=day, start=server.now).decision().all)
    for _ in range(40):
        server.now += DAY
        server.prune(Retention(spans=10, decisions=10))

    assert count(server, "decision") == 11


# --- steps -------------------------------------------------------------------------------------------------------


def test_steps_are_small(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step deletes more than its limit; each is followed by a pause in proportion."""
    monkeypatch.setattr(retention, "STEP_ROWS", 7)
    monkeypatch.setattr(retention, "READ_ROWS", 20)
    bot = server.bot()
    server.put(*(bot.decision().all for _ in range(50)))
    server.now += 50 * DAY
    server.put(server.bot(2).decision().all)
    pruner = server.pruner(Retention(spans=10, decisions=10, rollups=10))
    assert pruner(server.store) == 0.0
    pauses, before = [], _changes(server)
    while (pause := pruner(server.store)) < BETWEEN_RUNS:
        pauses.append(pause)
        notes = 3
        assert _changes(server) - before <= 7 + notes
        before = _changes(server)

    assert pruner.pruned["lookup"] == 50
    assert len(pauses) > 40
    assert min(pauses) >= 0.005


def test_restarted_in_the_middle(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk goes on where it was; at the end all is as if nothing had happened."""
    monkeypatch.setattr(retention, "READ_ROWS", 5)
    bot = server.bot()
    server.put(*(bot.decision().all for _ in range(30)))
    server.now += 50 * DAY
    bot.start = server.now
    recent = [bot.decision().all for _ in range(3)]
    server.put(*recent)
    settings = Retention(spans=10, decisions=10, rollups=10)
    pruner = server.pruner(settings)
    while note(server.store.db, "retention.walked.lookup") is None:
        assert pruner(server.store) < BETWEEN_RUNS
    server.prune(settings)
    with closing(Store(fresh(tmp_path, "other.db"))) as other:
        put(other, *recent)

    assert aged(tmp_path / "ares.db") == aged(tmp_path / "other.db")
    assert note(server.store.db, "retention.walked.lookup") is None


def test_a_step_that_fails(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is undone; the run begins anew."""
    bot = server.bot()
    server.put(*(bot.decision().all for _ in range(10)))
    server.now += 50 * DAY
    server.put(server.bot(2).decision().all)
    pruner = server.pruner(Retention(spans=10, decisions=10))
    delete = Pruner._delete

    def broken(self: Pruner, *given: object) -> None:
        delete(self, *given)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Pruner, "_delete", broken)
    with pytest.raises(sqlite3.OperationalError):
        server.prune(Retention(spans=10, decisions=10), pruner)
    assert count(server, "segment") == 2
    failed = standing.read(server.store.db, "retention")
    monkeypatch.setattr(Pruner, "_delete", delete)
    server.prune(Retention(), pruner)
    ended = standing.read(server.store.db, "retention")

    assert (count(server, "segment"), count(server, "decision")) == (1, 1)
    assert (failed.problem, failed.failed, failed.failures) == ("disk I/O error", server.now, 1)
    assert (ended.problem, ended.ended, ended.failures, pruner.failures) == (None, server.now, 1, 1)
    assert GUARD.counts() == {}


def test_what_a_run_says(server: Server) -> None:
    """Steps are timed, a run that has ended says when, how long it took and how much went, by group, too."""
    bot, seconds = server.bot(), Seconds()
    server.put(*(bot.decision().all for _ in range(10)))
    server.now += 50 * DAY
    server.put(server.bot(2).decision().all)
    settings = Retention(spans=10, decisions=0, outcomes=0, equity=0, logs=0)
    pruner = server.prune(settings, Pruner(settings, lambda: server.now, 0.0, seconds))

    assert pruner.by_group == {("spans",): 11.0}
    assert pruner.last == standing.read(server.store.db, "retention")
    assert (pruner.last.ended, pruner.last.amount, pruner.last.failures) == (server.now, 11, 0)
    assert pruner.last.seconds is not None
    assert len(seconds.observed) > 3
    assert min(seconds.observed) > 0.0


class Seconds:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.observed: list[float] = []

    def observe(self, amount: float, /) -> None:
        """Remember a value."""
        self.observed.append(amount)


def test_the_first_run_waits(server: Server) -> None:
    """A server that has just started has better things to do."""
    server.put(server.bot().decision().all)
    pruner = Pruner(Retention(), lambda: server.now)

    assert pruner(server.store) == retention.FIRST_RUN
    assert note(server.store.db, REFERENCE) is None
    pruner(server.store)
    assert note(server.store.db, REFERENCE) is not None


# --- market time -------------------------------------------------------------------------------------------------


def bar(server: Server, time: int) -> list[Span]:
    """Return a decision that saw a bar of some market time."""
    facts = {a.SYMBOL: "SP500", a.CHANNEL: "bars", a.MARKET_CLOSE: 1.0, a.EVENT_TIME: time}
    own = (time % 2**64).to_bytes(8, "big")
    said = [event(s.MARKET_DATA, server.now, facts)]
    return [span(s.DECISION, {a.STRATEGY: "x"}, start=server.now, trace=own + own, own=own, events=said)]


def test_bars_of_a_replay_have_no_age(server: Server) -> None:
    """Market time that is far from the clock's says nothing; where it is the clock's, old bars go."""
    replayed = [bar(server, NOON - (5_000 + at) * DAY) for at in range(20)]
    server.put(*replayed)
    settings = Retention(equity=10)
    server.prune(settings)
    assert count(server, "bar") == 20

    server.put(bar(server, NOON - DAY))
    server.prune(settings)
    assert count(server, "bar") == 1


def test_every_table_that_grows_is_in_a_group(tmp_path: Path) -> None:
    """A new table has to be given a time, unless it holds names, the newest of each kind, or notes."""
    bounded = {"name", "resource", "dictionary", "meta", "checkpoint", "alembic_version"}
    found = {name for (name,) in rows(fresh(tmp_path), "SELECT name FROM sqlite_master WHERE type = 'table'")}
    grouped = {kept.table for group in GROUPS for kept in tables(group)}

    assert {name for name in found - grouped - bounded if not name.endswith("_now")} == set()


def test_notes(server: Server) -> None:
    """A note is written, changed and forgotten; quotes are text."""
    db = server.store.db
    for value in ("it's", 'a"b', "%s"):
        remember(db, "o'clock", value)
        assert note(db, "o'clock") == value
    remember(db, "o'clock", None)

    assert note(db, "o'clock") is None
    assert STEP_ROWS == 500


def _changes(server: Server) -> int:
    found = server.store.db
    assert isinstance(found, SqliteDriver)
    return found.total_changes


def test_pages_and_api_tell_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision without its spans has a page and an answer, which say so."""
    made = Bot().decision()
    with serving(fresh(tmp_path), monkeypatch) as server:
        server.put(made.all)
        server.now += 40 * DAY
        server.put(Bot(seed=2, start=server.now, made=9).decision().all)
        server.prune(Retention(spans=30, decisions=365))
    monkeypatch.undo()
    with EmbeddedServer(tmp_path / "ares.db") as running:
        for path in (f"/decisions/{made.ids.decision}", f"/api/v1/decisions/{made.ids.decision}"):
            answer = send(running.url, None, path=path, method="GET", content_type=None)
            assert answer.status == 200
            assert b"its spans are pruned" in answer.body
