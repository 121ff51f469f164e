"""The live stream: what is said, to whom, and that a slow client costs nobody anything."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from server_kit import fresh, send, until
from spans import START, Bot, body, event, span
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ares_otel.config import Limits, Server
from ares_otel.guard import GUARD
from ares_otel.semconv import attributes as a
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.http.vitals import Vitals
from ares_otel.server.otlp.decode import Decoded, decode
from ares_otel.server.push import feed, hub, streams
from ares_otel.server.push.events import Decision, Equity, Health, moment
from ares_otel.server.push.feed import Feed
from ares_otel.server.push.hub import Client, FullError, Hub, Wanted
from ares_otel.server.store.writer import Writer

FAST = Server(push_interval=0.05, limits=Limits(streams=3))
EVERYTHING = Wanted()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that pushes often."""
    with EmbeddedServer(fresh(tmp_path), settings=FAST) as running:
        yield running


def decided(number: int, strategy: str = "swing", symbol: str = "SP500") -> Decoded:
    """Return a request with one decision, whose confidence is its number."""
    facts = {a.STRATEGY: strategy, a.SYMBOL: symbol, a.CONFIDENCE: number / 1_000.0, a.ACTION: "buy"}
    return decode(body([span("decision", facts, trace=(number + 1).to_bytes(16, "big"))]))


def listening(interval: float = 0.001, limit: int = 9) -> Hub:
    """Return a hub that takes what is committed, without a loop."""
    made = Hub(interval, limit)
    made.feed.listening = True
    return made


# --- events ------------------------------------------------------------------------------------------------------


def test_events_of_a_decision_and_its_order() -> None:
    """A decision, its equity, its order and its updates become events; what is unknown is left out, not zero."""
    known = Feed()
    known.listening = True
    made = Bot().decision()
    equity = event("equity", START + 1, {a.STRATEGY: "swing", a.CURRENCY: "USD", a.EQUITY: 10.5})
    regime = event("regime", START + 1, {a.REGIME: "sideways"})
    lone = span("decision", {a.SYMBOL: "X", a.EVENT_TIME: START}, own=b"lonelone", events=[equity, regime])
    lone.status.code = Status.STATUS_CODE_ERROR
    known.committed([decode(body([*made.all, lone, span("equity", {a.EQUITY: 1.0}, own=b"equityeq")]))])
    found = {(topic, key): told for topic, key, told in known.take()}

    assert {topic for topic, _ in found} == {"decision", "order", "update", "equity"}
    assert found["decision", "|X"] == Decision(
        time="2023-11-14T22:13:20.000000Z",
        trace_id=(b"T" * 16).hex(),
        symbol="X",
        market_time="2023-11-14T22:13:20.000000Z",
        regime="sideways",
        duration_seconds=0.001,
        error=True,
    )
    assert found["equity", "swing|USD"] == Equity(
        time="2023-11-14T22:13:20.000000Z",
        trace_id=(b"T" * 16).hex(),
        strategy="swing",
        currency="USD",
        equity=10.5,
    )
    assert found["equity", "|"] == Equity(time="2023-11-14T22:13:20.000000Z", trace_id=(b"T" * 16).hex(), equity=1.0)


def test_moments() -> None:
    """Times are ISO 8601 in UTC to the µs; one that no calendar has is left out."""
    assert moment(1_234_567_891) == "1970-01-01T00:00:01.234567Z"
    assert moment(1 << 70) is None


def test_nothing_is_done_while_nobody_listens() -> None:
    """Without listeners commits are not looked at."""
    known = Feed()
    known.committed([decided(1)])

    assert known.take() == []


def test_the_feed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood the newest states remain, and a backlog is not looked through to its end."""
    monkeypatch.setattr(feed, "KEYS", 2)
    known = Feed()
    known.listening = True
    known.committed([decided(number, symbol=str(number)) for number in range(5)])
    known.committed([decided(9, symbol="9")])
    kept = [key for _, key, _ in known.take()]
    monkeypatch.setattr(feed, "LOOKED_AT", 1)
    known.committed([decided(number, symbol=str(number)) for number in range(5)])

    assert kept == ["swing|4", "swing|9"]
    assert [key for _, key, _ in known.take()] == ["swing|4"]


def test_what_the_feed_holds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks so much is held as will be looked at, and no more bytes than the bound, but the newest."""
    requests = [decided(number, symbol=str(number)) for number in range(9)]
    known = Feed()
    known.listening = True
    held = []
    for spans, size in ((4, 1 << 20), (99, 3 * requests[0].size), (99, 1), (99, 1 << 20)):
        monkeypatch.setattr(feed, "LOOKED_AT", spans)
        monkeypatch.setattr(feed, "HELD_BYTES", size)
        for request in requests:
            known.committed([request])
        held.append(len(known._held))
        assert [key for _, key, _ in known.take()] == [f"swing|{number}" for number in range(9 - held[-1], 9)]

    assert held == [4, 3, 1, 9]
    known.committed([*requests, Decoded({}, 0, "")])
    assert len(known._held) == 9
    known.rest()
    known.committed(requests)
    assert known.take() == []


def test_the_newest_state_counts() -> None:
    """Of two states of one thing the one that was committed last is told."""
    known = Feed()
    known.listening = True
    known.committed([decided(1), decided(2)])
    known.committed([decided(3)])

    assert [told.confidence for _, _, told in known.take() if isinstance(told, Decision)] == [0.003]


# --- the hub -----------------------------------------------------------------------------------------------------


def in_hub(work: Callable[[Hub], Any], made: Hub | None = None) -> Any:
    """Do something with a hub in a loop."""

    async def run() -> Any:
        return work(made or listening())

    return asyncio.run(run())


def test_a_slow_client_gets_the_newest_state_of_each_thing() -> None:
    """What a client has not taken is replaced by what is newer; one that keeps up gets everything."""

    def work(made: Hub) -> tuple[list[list[tuple[str, str]]], list[tuple[str, str]], dict[str, int]]:
        slow, quick = Client(EVERYTHING, counted), Client(EVERYTHING, counted)
        made._listeners = {slow, quick}
        got = []
        for number in range(3):
            made.feed.committed([decided(number), decided(number + 100, symbol=f"N{number}")])
            made.publish()
            got.append(_taken(quick))
        return got, _taken(slow), counted.counts

    counted = Counts()
    quick, slow, dropped = in_hub(work)

    assert quick == [[("decision", "swing|SP500"), ("decision", f"swing|N{number}")] for number in range(3)]
    assert slow == [
        ("decision", "swing|N0"),
        ("decision", "swing|N1"),
        ("decision", "swing|SP500"),
        ("decision", "swing|N2"),
    ]
    assert dropped == {"decision": 2}


def test_slots_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a client does not read, what waits for it is bounded, and so is what a new one is told."""
    monkeypatch.setattr(hub, "STATES", 3)

    def work(made: Hub) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        slow = Client(EVERYTHING, None)
        made._listeners = {slow}
        for number in range(10):
            made.feed.committed([decided(number, symbol=str(number))])
            made.publish()
        return _taken(slow), json.loads(made.begin(slow, ""))

    waiting, snapshot = in_hub(work)

    assert waiting == [("decision", f"swing|{number}") for number in (7, 8, 9)]
    assert [state["data"]["symbol"] for state in snapshot["data"]["states"]] == ["7", "8", "9"]


def test_filters() -> None:
    """A client hears the topics, strategies and symbols it asks for; health has neither and is for everybody."""

    def work(made: Hub) -> list[list[tuple[str, str]]]:
        made.health = lambda clients: Health(time="", status="ok", spans_stored=0, queue_length=0, clients=clients)
        wanted = (Wanted(frozenset({"health"})), Wanted(strategies=frozenset({"a"})), Wanted(symbols=frozenset({"Y"})))
        clients = [Client(each, None) for each in wanted]
        made._listeners = {*clients}
        made.feed.committed([decided(1, "a", "X"), decided(2, "b", "Y")])
        made.publish()
        return [_taken(client) for client in clients]

    assert in_hub(work) == [
        [("health", "")],
        [("decision", "a|X"), ("health", "")],
        [("decision", "b|Y"), ("health", "")],
    ]


def test_resuming(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that comes back gets what it missed; one that missed more than is kept gets the state and is told so."""
    monkeypatch.setattr(hub, "RING", 2)

    def work(made: Hub) -> list[tuple[str, int, int]]:
        for number in range(5):
            made.feed.committed([decided(number, symbol=str(number))])
            made.publish()
        found = []
        for last in ("", f"{made._life}-5", f"{made._life}-3", f"{made._life}-2", f"{made._life}-9", "other-5", "x"):
            client = Client(EVERYTHING, None)
            snapshot = json.loads(made.begin(client, last))["data"]
            found.append((snapshot["reason"], len(snapshot["states"]), len(_taken(client))))
        return found

    assert in_hub(work) == [
        ("connected", 5, 0),
        ("resumed", 0, 0),
        ("resumed", 0, 2),
        ("gap", 5, 0),
        ("gap", 5, 0),
        ("gap", 5, 0),
        ("gap", 5, 0),
    ]


def test_what_nobody_heard_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without listeners nothing is collected; who comes back later is told that there is a gap."""
    monkeypatch.setattr(hub, "LINGER_SECONDS", 0.0)

    async def run() -> tuple[bool, bool, str]:
        made = Hub(0.001, 9)
        with made.listener(EVERYTHING, "sse") as client:
            last = json.loads(made.begin(client, ""))["id"]
            first = made.feed.listening
        assert made._task is not None
        await made._task
        quiet = made.feed.listening
        with made.listener(EVERYTHING, "sse") as client:
            return first, quiet, str(json.loads(made.begin(client, last))["data"]["reason"])

    assert asyncio.run(run()) == (True, False, "gap")


def test_too_many_listeners() -> None:
    """Beyond the limit nobody more may listen, until one leaves; after the end nobody."""

    async def run() -> None:
        made = Hub(1.0, 1)
        with made.listener(EVERYTHING, "sse"):
            with pytest.raises(FullError), made.listener(EVERYTHING, "sse"):
                pass
            assert made.clients == {"sse": 1}
        with made.listener(EVERYTHING, "websocket"):
            assert made.clients["sse"] == 0
        made.stop()
        with pytest.raises(FullError), made.listener(EVERYTHING, "sse"):
            pass

    asyncio.run(run())


def test_a_fault_while_publishing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A fault in making messages is counted and logged, and the stream goes on."""

    async def run() -> list[str]:
        made = Hub(0.001, 9)
        broken = iter([True])

        def health(clients: int) -> Health:
            if next(broken, False):
                raise RuntimeError("a bug")
            return Health(time="", status="ok", spans_stored=0, queue_length=0, clients=clients)

        monkeypatch.setattr(hub, "HEALTH_SECONDS", 0.0)
        made.health = health
        with made.listener(EVERYTHING, "sse") as client:
            return [message.topic for message in (await client.next()).chosen(EVERYTHING)]

    assert asyncio.run(run()) == ["health"]
    assert "a bug" in caplog.text
    assert GUARD.counts() == {"push": 1}


def test_vitals(tmp_path: Path) -> None:
    """The rate is known from the second time on, a problem when there is one."""
    now = iter([1.0, 3.0, 3.0])
    writer = Writer(tmp_path / "x.db", 1)
    vitals = Vitals(writer, lambda: next(now))
    first = vitals(0)
    writer.stored, writer.problem = 10, "disk full"
    second, third = vitals(1), vitals(1)

    assert (first.status, first.spans_per_second) == ("ok", None)
    assert (second.status, second.problem, second.spans_per_second) == ("failing", "disk full", 5.0)
    assert third.spans_per_second is None


class Counts:
    """Counts by label."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._label = ""

    def labels(self, topic: str, /) -> Counts:
        """Return the counter of a label."""
        self._label = topic
        return self

    def inc(self, amount: float = 1, /) -> None:
        """Count."""
        self.counts[self._label] = self.counts.get(self._label, 0) + int(amount)


def _taken(client: Client) -> list[tuple[str, str]]:
    """Return topic and key of what waits for a client, within a loop."""
    batch = client._batch or hub.Batch(client._slots.values())
    client._batch, client._slots = None, {}
    return [(message.topic, message.key) for message in batch.chosen(client.wanted)]


# --- SSE ---------------------------------------------------------------------------------------------------------


class Stream:
    """A client of the stream of server-sent events."""

    def __init__(self, server: EmbeddedServer, query: str = "", **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=20)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", f"/api/v1/stream{query}", headers=given)
        self.response: HTTPResponse = self._connection.getresponse()

    def next(self, topic: str = "") -> dict[str, Any]:
        """Return the next message, or the next one of a topic; each has to be JSON."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                raise EOFError
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
            elif "data" in fields:
                message: dict[str, Any] = json.loads(fields["data"])
                assert message["topic"] == fields["event"]
                assert message.get("id") == fields.get("id", message.get("id"))
                if message["topic"] == (topic or message["topic"]):
                    return message
                fields = {}

    def close(self) -> None:
        """Go away."""
        self._connection.close()


def test_server_sent_events(server: EmbeddedServer) -> None:
    """Who listens hears of decisions, orders and updates after they are stored, and of the server's health."""
    with closing(Stream(server)) as stream:
        first = stream.next()
        send(server.url, body(Bot().decision().all))
        heard: dict[str, dict[str, Any]] = {}
        while not {"health", "decision"} <= {*heard}:
            message = stream.next()
            heard[message["topic"]] = message
        metrics = send(server.url, None, path="/metrics", method="GET").body.decode()

    assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (first["topic"], first["data"]["reason"], first["data"]["states"]) == ("snapshot", "connected", [])
    assert heard["decision"]["data"]["strategy"] == "swing"
    assert heard["health"]["data"]["status"] == "ok"
    assert 'ares_server_stream_clients{transport="sse"} 1.0' in metrics
    assert 'ares_server_stream_messages_total{topic="decision"} 1.0' in metrics
    until(lambda: server._hub.clients["sse"] == 0)


def test_coming_back(server: EmbeddedServer) -> None:
    """A client that was away gets what it missed, by header or by query."""
    with closing(Stream(server)) as stream:
        send(server.url, body(Bot().decision().all))
        last = stream.next("decision")["id"]
    send(server.url, body(Bot(seed=2).decision().all))
    until(lambda: server._hub._number > int(last.partition("-")[2]) + 2)
    with closing(Stream(server, last_event_id=last)) as stream:
        resumed, missed = stream.next(), stream.next("decision")
    with closing(Stream(server, "?last_event_id=0-1&topics=decision,update&symbol=SP500")) as stream:
        gap = stream.next()

    assert resumed["data"]["reason"] == "resumed"
    assert int(missed["id"].partition("-")[2]) > int(last.partition("-")[2])
    assert gap["data"]["reason"] == "gap"
    assert {state["topic"] for state in gap["data"]["states"]} <= {"decision", "update"}


def test_heartbeats(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is nothing to say that is said, so that both sides notice a dead connection."""
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 0.01)
    with closing(Stream(server, "?topics=order")) as stream:
        assert stream.next("heartbeat")["data"]["time"].startswith("20")


def test_a_topic_that_is_none(server: EmbeddedServer) -> None:
    """A wrong topic is refused with the right ones."""
    reply = send(server.url, None, path="/api/v1/stream?topics=orders", method="GET")

    assert (reply.status, json.loads(reply.body)["detail"]) == (
        400,
        "topics: expected some of decision, order, update, equity, health",
    )


def test_too_many_streams(server: EmbeddedServer) -> None:
    """One more than may listen is told to come later, and the others hear on."""
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(Stream(server))).next()
        late = send(server.url, None, path="/api/v1/stream", method="GET")
        with connect(f"{server.url.replace('http', 'ws')}/api/v1/ws") as late_socket, pytest.raises(ConnectionClosed):
            late_socket.recv(20)

    assert (late.status, late.headers["retry-after"]) == (503, "5")
    assert late_socket.close_code == 1013


def test_no_streams(tmp_path: Path) -> None:
    """Where the stream is switched off nobody may listen."""
    with EmbeddedServer(fresh(tmp_path), settings=Server(push=False)) as server:
        assert send(server.url, None, path="/api/v1/stream", method="GET").status == 503


def test_streams_end_with_the_server(server: EmbeddedServer) -> None:
    """A stop says good-bye to those who listen and does not wait for them."""
    with closing(Stream(server)) as stream, connect(f"{server.url.replace('http', 'ws')}/api/v1/ws") as websocket:
        stream.next()
        json.loads(websocket.recv(20))
        stopped = server.stop()

        assert stopped
        assert stream.next("end")["data"]["reason"] == streams.REASON
        assert _rest(websocket)[-1]["topic"] == "end"
    assert websocket.close_code == 1001


def test_streams_end_with_their_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a token has opened ends when the token does."""
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 0.01)
    file = tmp_path / "tokens"
    file.write_text("reader-0123456789 read\n")
    file.chmod(0o600)
    with EmbeddedServer(fresh(tmp_path), settings=Server(token_file=str(file))) as server:
        with closing(Stream(server, authorization="Bearer reader-0123456789")) as stream:
            stream.next("heartbeat")
            file.write_text("another-0123456789\n")
            server.reload()
            stream.next("end")
        with pytest.raises(InvalidStatus, match="401"):
            connect(f"{server.url.replace('http', 'ws')}/api/v1/ws")


def test_a_client_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of both kinds that never read are cut off after a while; until then what waits for them is bounded."""
    monkeypatch.setattr(feed, "LONGEST", 50_000)
    upgrade = (
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    stop = threading.Event()

    def flood(url: str) -> None:
        for number in itertools.count(1):
            if stop.is_set():
                return
            facts = {a.STRATEGY: "x" * 40_000, a.SYMBOL: "y" * 40_000}
            send(url, body([span("decision", facts, trace=number.to_bytes(16, "big"))]))

    with ExitStack() as stack:
        impatient = Server(push_interval=0.05, limits=Limits(slow_seconds=1.0))
        server = stack.enter_context(EmbeddedServer(fresh(tmp_path), settings=impatient))
        place = ("127.0.0.1", urlsplit(server.url).port or 0)
        for path, more in (("stream", ""), ("ws", upgrade)):
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(place)
            deaf.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n".encode())
        until(lambda: sum(server._hub.clients.values()) == 2)
        thread = threading.Thread(target=flood, args=(server.url,))
        thread.start()
        until(lambda: sum(server._hub.clients.values()) == 0)
        stop.set()
        thread.join(20)


def test_two_hundred_clients(tmp_path: Path) -> None:
    """With 200 clients, of whom 20 never read, all that is sent is stored and all who read hear of the newest state."""
    settings = Server(push_interval=0.05)
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedServer(fresh(tmp_path), settings=settings))
        place = ("127.0.0.1", urlsplit(server.url).port or 0)
        clients = [stack.enter_context(socket.create_connection(place, timeout=20)) for _ in range(200)]
        for client in clients:
            client.sendall(b"GET /api/v1/stream?topics=decision HTTP/1.1\r\nhost: localhost\r\n\r\n")
        until(lambda: server._hub.clients["sse"] == 200)
        bot = Bot()
        for _ in range(30):
            assert send(server.url, body(bot.decision().all)).status == 200
        data = body([span("decision", {a.STRATEGY: "last", a.SYMBOL: "one"})])
        assert send(server.url, data).status == 200
        for client in clients[20:]:
            heard = b""
            while b'"strategy":"last"' not in heard:
                heard = heard[-64:] + client.recv(65_536)
        assert server.stored == 8 * 30 + 1


# --- WebSocket ---------------------------------------------------------------------------------------------------


def _rest(websocket: ClientConnection) -> list[dict[str, Any]]:
    found = []
    try:
        while True:
            found.append(json.loads(websocket.recv(20)))
    except ConnectionClosed:
        return found


def test_websocket(server: EmbeddedServer) -> None:
    """By WebSocket come the same messages; what a client says is not read, and it may leave at any time."""
    with connect(f"{server.url.replace('http', 'ws')}/api/v1/ws?topics=decision") as websocket:
        first = json.loads(websocket.recv(20))
        websocket.send("hello")
        send(server.url, body(Bot().decision().all))
        second = json.loads(websocket.recv(20))

    assert (first["topic"], second["topic"], second["data"]["strategy"]) == ("snapshot", "decision", "swing")
    until(lambda: server._hub.clients["websocket"] == 0)


def test_heartbeats_by_websocket(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in a browser sees no ping, so heartbeats are messages."""
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 0.01)
    with connect(f"{server.url.replace('http', 'ws')}/api/v1/ws?topics=order") as websocket:
        websocket.recv(20)
        assert json.loads(websocket.recv(20))["topic"] == "heartbeat"


def test_websocket_with_a_topic_that_is_none(server: EmbeddedServer) -> None:
    """A wrong topic closes the connection with the reason."""
    with connect(f"{server.url.replace('http', 'ws')}/api/v1/ws?topics=x") as websocket:
        assert _rest(websocket) == []

    assert websocket.close_code == 1008


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", "403"), (None, "")])
def test_websocket_from_a_foreign_page(server: EmbeddedServer, origin: str | None, status: str) -> None:
    """A page of another site cannot listen: browsers allow it to try, whatever the site."""
    url = f"{server.url.replace('http', 'ws')}/api/v1/ws"
    if not status:
        with connect(url) as websocket:
            assert json.loads(websocket.recv(20))["topic"] == "snapshot"
        return
    with pytest.raises(InvalidStatus, match=status):
        connect(url, origin=origin)  # type: ignore[arg-type]  # a plain text is one
