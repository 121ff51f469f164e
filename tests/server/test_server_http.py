"""The server over real HTTP: what it takes, what it refuses, how it starts and stops."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from server_kit import Reply, content, fresh, rows, send, store_all, until
from spans import Bot, body, span

from ares_otel.config import Limits, Server
from ares_otel.guard import GUARD
from ares_otel.server.http import health, ingest
from ares_otel.server.http.serve import EmbeddedServer, StartError, serve
from ares_otel.server.otlp.wire import JSON
from ares_otel.server.store import writer
from ares_otel.server.store.lock import DatabaseLock
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.store.schema import REVISION
from ares_otel.server.store.store import Store

LIMIT = 1 << 20


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database, made already."""
    return fresh(tmp_path)


@pytest.fixture
def server(database: Path) -> Iterator[EmbeddedServer]:
    """A running server with a small limit for bodies."""
    with EmbeddedServer(database, settings=Server(max_body_bytes=LIMIT)) as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path) -> Server:
    """Settings with a file of tokens."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-many-letters\n")
    tokens.chmod(0o600)
    return Server(token_file=str(tokens))


def reason(reply: Reply) -> str:
    """Return what an error says, as the official runtime reads it."""
    if reply.headers["content-type"] == JSON:
        return str(json.loads(reply.body)["message"])
    return str(Status.FromString(reply.body).message)


def is_free(database: Path) -> bool:
    """Tell that no server has the database."""
    lock = DatabaseLock(database)
    lock.acquire()
    lock.release()
    return True


# --- what is taken -----------------------------------------------------------------------------------------------


def test_protobuf_gzip_and_json(server: EmbeddedServer, database: Path) -> None:
    """Bodies in each encoding are stored when they are acknowledged, answered in kind, and counted."""
    bot = Bot()
    plain, packed = (body(bot.decision().all) for _ in range(2))
    said = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "x"}]}]}]}
    said["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"] = "1700000000000000000"

    replies = [
        send(server.url, plain),
        send(server.url, gzip.compress(packed), content_encoding="gzip"),
        send(server.url, json.dumps(said).encode(), content_type="application/json; charset=utf-8"),
    ]

    assert [(reply.status, reply.headers["content-type"], reply.body) for reply in replies] == [
        (200, "application/x-protobuf", b""),
        (200, "application/x-protobuf", b""),
        (200, "application/json", b"{}"),
    ]
    assert len(content(database)["span"]) == server.stored == 17


def test_a_span_twice_over_http(server: EmbeddedServer, database: Path) -> None:
    """A request that is sent again, as after a lost answer, is acknowledged and stored once."""
    data = body(Bot().decision().all)

    assert [send(server.url, data).status for _ in range(3)] == [200, 200, 200]

    assert len(content(database)["span"]) == 8


def test_partial_success(server: EmbeddedServer, database: Path) -> None:
    """Spans that cannot be stored are told by number and reason, in the encoding of the request."""
    bad = span("bad", own=b"bad span")
    bad.span_id = b"short"

    reply = send(server.url, body([span("good"), bad]))

    partial = ExportTraceServiceResponse.FromString(reply.body).partial_success
    assert (reply.status, partial.rejected_spans) == (200, 1)
    assert partial.error_message == "1 with a span id that is not 8 bytes or all zero"
    assert len(content(database)["span"]) == 1


# --- what is refused ---------------------------------------------------------------------------------------------


def test_wrong_requests(server: EmbeddedServer) -> None:
    """Each kind of wrong request has its status and says what was wrong, in the encoding of the request."""
    good = body([span("x")])
    replies = {
        "bytes": send(server.url, b"nonsense"),
        "json": send(server.url, b"{", content_type=JSON),
        "gzip": send(server.url, b"nonsense", content_encoding="gzip"),
        "type": send(server.url, good, content_type="text/plain"),
        "no type": send(server.url, good, content_type=None),
        "packing": send(server.url, good, content_encoding="br"),
        "method": send(server.url, None, method="GET"),
        "path": send(server.url, good, path="/v1/metrics"),
    }

    assert {what: reply.status for what, reply in replies.items()} == {
        "bytes": 400,
        "json": 400,
        "gzip": 400,
        "type": 415,
        "no type": 415,
        "packing": 415,
        "method": 405,
        "path": 404,
    }
    assert reason(replies["bytes"]).startswith("the body is no ExportTraceServiceRequest")
    assert reason(replies["json"]).startswith("the body is no OTLP/JSON trace request")
    assert reason(replies["gzip"]).startswith("the body is no gzip")
    assert reason(replies["type"]) == "the content type has to be application/x-protobuf or application/json"
    assert replies["method"].headers["allow"] == "POST"
    assert send(server.url, good).status == 200


@pytest.mark.parametrize("length", [True, False], ids=["with length", "chunked"])
def test_a_body_too_large(server: EmbeddedServer, length: bool) -> None:  # noqa: FBT001  pytest passes it by name
    """A body beyond the limit is refused, whether it says its length or not, and the next request is served."""
    data = bytes(LIMIT + 1)
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=20)) as connection:
        headers = {"content-type": "application/x-protobuf"}
        pieces = iter([data[:LIMIT], data[LIMIT:]])
        connection.request("POST", "/v1/traces", data if length else pieces, headers, encode_chunked=not length)
        status = connection.getresponse().status

    assert status == 413
    assert send(server.url, body([span("x")])).status == 200


def test_a_gzip_bomb(server: EmbeddedServer) -> None:
    """A small body that unpacks to much is refused without being unpacked."""
    bomb = gzip.compress(bytes(50_000_000), 9)

    reply = send(server.url, bomb, content_encoding="gzip")

    assert len(bomb) < LIMIT
    assert (reply.status, reason(reply)) == (413, "the body has more than 1,048,576 bytes once unpacked")


def test_a_body_that_never_ends(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops in the middle of its body is answered 408 after a while."""
    monkeypatch.setattr(ingest, "BODY_SECONDS", 0.1)
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=20) as connection:
        connection.sendall(head)
        answer = connection.recv(1_000)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_goes_away(server: EmbeddedServer, database: Path) -> None:
    """A connection that breaks within a body costs nothing and stores nothing."""
    head = b"POST /v1/traces HTTP/1.1\r\nhost: [::1]\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=20) as connection:
        connection.sendall(head)

    assert send(server.url, body([span("x")])).status == 200
    assert len(content(database)["span"]) == 1
    assert GUARD.counts() == {}


def test_too_much_at_once(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit the queue or the memory is answered 503 with `Retry-After`, and taken later."""
    data = body([span("x")])
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 0)
    full = send(server.url, data)
    monkeypatch.undo()
    monkeypatch.setattr(server._app.ingest, "_memory", 10)
    large = send(server.url, data)
    monkeypatch.undo()

    assert [(reply.status, reply.headers["retry-after"]) for reply in (full, large)] == [(503, "1")] * 2
    assert reason(full) == "too many requests wait to be stored"
    assert send(server.url, data).status == 200
    assert server._app.ingest.held == 0


def test_a_database_that_takes_nothing(
    server: EmbeddedServer, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the database is locked by others senders are told to try again, and readiness says why."""
    data = body([span("x")])
    server.writer._store.db.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused, ready = send(server.url, data), send(server.url, method="GET", path="/readyz")
        other.execute("ROLLBACK")

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert (ready.status, ready.body) == (503, b"database is locked\n")
    said = "telemetry failed in store write (database is locked)"
    assert any(message.startswith(said) for message in caplog.messages)  # a chore may have found it locked first
    assert send(server.url, data).status == 200
    assert send(server.url, method="GET", path="/readyz").status == 200


def test_one_request_that_cannot_be_stored(
    server: EmbeddedServer, database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that no try can store is refused for good, and costs the others of its group nothing."""
    write = Store.write

    def choosy(self: Store, requests: list[dict[bytes, object]], logs: object) -> int:
        del logs
        given = list(requests)
        if any(b"poison is 16 by!" in traces for traces in given):
            raise OverflowError("too large")
        return write(self, given)  # type: ignore[arg-type]

    gate = threading.Event()
    gather = writer.Writer._gather

    def held(self: writer.Writer, job: writer.Job | None) -> object:
        gate.wait(20)
        return gather(self, job)

    monkeypatch.setattr(Store, "write", choosy)
    monkeypatch.setattr(writer.Writer, "_gather", held)
    bodies = [body([span("x", trace=trace)]) for trace in (b"a" * 16, b"poison is 16 by!", b"b" * 16)]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda data=data: found.append(send(server.url, data).status)) for data in bodies
    ]
    for thread in threads:
        thread.start()
    until(lambda: server.writer._queue.qsize() >= 2)
    gate.set()
    for thread in threads:
        thread.join(20)

    assert sorted(found) == [200, 200, 500]
    assert len(content(database)["span"]) == 2
    assert "too large" in caplog.text


def test_a_fault_in_decoding(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of our own while decoding is answered 500, logged, and does not end the server."""

    def broken(data: bytes) -> None:
        raise RuntimeError(f"a bug with {len(data)} bytes")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "decode", broken)
        reply = send(server.url, body([span("x")]))

    assert (reply.status, "a bug with" in reason(reply), "a bug with" in caplog.text) == (500, True, True)
    assert send(server.url, body([span("x")])).status == 200


# --- start and stop ----------------------------------------------------------------------------------------------


def test_health(server: EmbeddedServer) -> None:
    """Liveness and readiness answer while the server runs."""
    replies = [send(server.url, method="GET", path=path) for path in ("/healthz", "/readyz")]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b"ok\n")] * 2


def test_readiness_without_room(database: Path) -> None:
    """A disk that is nearly full makes the server unready before it is full; liveness does not care."""
    with EmbeddedServer(database, settings=Server(limits=Limits(free_bytes=1 << 60))) as running:
        ready, alive = (send(running.url, method="GET", path=path) for path in ("/readyz", "/healthz"))

    assert (ready.status, alive.status) == (503, 200)
    assert ready.body.endswith(b" bytes are free on the disk of the database\n")
    assert ready.headers["retry-after"] == "1"


def test_readiness_with_another_schema(database: Path, server: EmbeddedServer) -> None:
    """A database that another version migrated under a running server is not written, and the server is not ready."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    ready, refused = send(server.url, method="GET", path="/readyz"), send(server.url, body([span("x")]))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (REVISION,))
    again = send(server.url, body([span("x")]))

    assert (ready.status, refused.status, again.status) == (503, 503, 200)
    assert ready.body.decode() == f"the database has schema 9999 by now, this program needs {REVISION}; restart it\n"
    assert send(server.url, method="GET", path="/readyz").status == 200


def test_readiness_of_a_writer_that_hangs(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not commit makes the server unready; however many ask, one transaction is tried."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
    gate, tried = threading.Event(), []
    write = Store.write

    def slow(self: Store, *args: Any) -> Any:
        tried.append(1)
        gate.wait(20)
        return write(self, *args)

    monkeypatch.setattr(Store, "write", slow)
    replies = [send(server.url, method="GET", path="/readyz") for _ in range(3)]
    gate.set()

    assert [reply.body for reply in replies] == [b"the database did not commit within 0.05 s\n"] * 3
    assert len(tried) == 1
    until(lambda: send(server.url, method="GET", path="/readyz").status == 200)


def test_readiness_of_a_busy_server(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue is no reason to be taken out of service: it is being worked on."""
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 0)

    assert send(server.url, method="GET", path="/readyz").status == 200


def test_readiness_while_it_stops(server: EmbeddedServer) -> None:
    """A server that was asked to stop is not ready, though it still answers."""
    server._health.stopping = True

    assert send(server.url, method="GET", path="/readyz").body == b"the server stops\n"


def test_many_senders_while_it_stops(database: Path) -> None:
    """Whatever was acknowledged before a stop is stored, the log is written back, and the stop is quick."""
    server = EmbeddedServer(database).start()
    bot, acknowledged, lock = Bot(), [], threading.Lock()

    def work() -> None:
        while True:
            with lock:
                made = bot.decision()
            try:
                reply = send(server.url, body(made.all))
            except (OSError, http.client.HTTPException):
                return
            if reply.status == 200:
                acknowledged.append(made.ids.trace)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) >= 20)

    assert server.stop()
    for thread in threads:
        thread.join(20)

    assert not server.running
    assert {*acknowledged} <= {trace for (trace,) in rows(database, "SELECT trace FROM decision")}
    assert not database.with_name("ares.db-wal").exists()
    assert server.stop()


def test_an_idle_connection_does_not_hold_the_stop(server: EmbeddedServer) -> None:
    """A connection kept alive by its client is closed by the stop."""
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=20)) as connection:
        connection.request("GET", "/healthz")
        connection.getresponse().read()

        assert server.stop()


def test_a_stalled_upload_does_not_hold_the_stop(server: EmbeddedServer, caplog: pytest.LogCaptureFixture) -> None:
    """A sender that never ends its body is cut off by the stop."""
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=20) as connection:
        connection.sendall(head)
        until(lambda: server._app.ingest.held == 1)

        assert server.stop(timeout=5)


def test_a_second_server_is_refused(server: EmbeddedServer, database: Path) -> None:
    """Two servers cannot write one database; the message names the process that has it."""
    assert server.running
    with pytest.raises(StartError, match=f"db is served already, by process {os.getpid()}"):
        EmbeddedServer(database).start()


def test_a_port_that_is_taken(server: EmbeddedServer, tmp_path: Path) -> None:
    """A port in use gives a message with the address, and the database is free again."""
    port = urlsplit(server.url).port or 0
    other = fresh(tmp_path, "other.db")

    with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{port}: the port is taken; is another"):
        EmbeddedServer(other, port=port).start()

    with EmbeddedServer(other) as second:
        assert send(second.url, method="GET", path="/healthz").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid", ""])  # noqa: S104  refused
def test_beyond_loopback_is_refused(database: Path, host: str) -> None:
    """Without access control the server does not listen to the network, and says how to make it."""
    with pytest.raises(StartError, match=r"name it by server\.token_file or ARES_SERVER_TOKEN_FILE"):
        EmbeddedServer(database, host).start()


def test_beyond_loopback_with_tokens(database: Path, guarded: Server) -> None:
    """With tokens it listens to everybody."""
    with EmbeddedServer(database, "0.0.0.0", settings=guarded) as server:  # noqa: S104  wanted here
        port = urlsplit(server.url).port
        assert send(f"http://127.0.0.1:{port}", method="GET", path="/healthz").status == 200


def test_addresses(database: Path) -> None:
    """`localhost` is IPv4's loopback; an address of IPv6 is written in brackets."""
    with EmbeddedServer(database, "localhost") as server:
        assert server.url.startswith("http://127.0.0.1:")
    assert EmbeddedServer(database, "::1", 4318).url == "http://[::1]:4318"


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_addresses_that_cannot_be(database: Path, guarded: Server, host: str, port: int) -> None:
    """A port out of range and an address of another machine give a message."""
    with pytest.raises(StartError, match=f"cannot listen on {host}:{port}"):
        EmbeddedServer(database, host, port, settings=guarded).start()


def test_a_server_that_does_not_start(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the HTTP server ends at once, the start fails and gives the database back."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("uvicorn.Server.run", lambda _, sockets: sockets[0].close())

    with pytest.raises(StartError, match="did not start"):
        EmbeddedServer(database).start()

    assert is_free(database)


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A directory that cannot be made gives a message."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DatabaseError, match=r"ares\.db\.lock cannot be written"):
        DatabaseLock(tmp_path / "file" / "ares.db").acquire()


def test_a_store_that_cannot_be_opened(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that breaks between migration and opening gives a message and leaves nothing behind."""

    def broken(path: Path) -> Store:
        raise sqlite3.OperationalError(f"disk I/O error in {path.name}")

    monkeypatch.setattr(writer, "Store", broken)
    server = EmbeddedServer(database)

    with pytest.raises(StartError, match="disk I/O error in ares"):
        server.start()

    assert server.stop()
    assert is_free(database)


def test_a_database_without_tables(tmp_path: Path) -> None:
    """A database whose tables are missing is closed again before the error is raised."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        Store(tmp_path / "empty.db")


def test_a_closed_store_is_not_ready(server: EmbeddedServer) -> None:
    """When only the writer has ended, requests are refused and readiness says so."""
    server.writer.stop(5)

    assert send(server.url, body([span("x")])).status == 503
    assert send(server.url, method="GET", path="/readyz").body == b"the store is closed\n"


# --- the process -------------------------------------------------------------------------------------------------

SERVE = """
import sys
from pathlib import Path
from ares_otel.server.http.serve import serve
sys.exit(serve(Path(sys.argv[1]), port=0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(database: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the process with code 0, everything stored and the log written back."""
    with subprocess.Popen([sys.executable, "-c", SERVE, str(database)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[2]
        reply = send(url, body(Bot().decision().all))
        process.send_signal(number)
        code = process.wait(20)

    assert line == f"ares-otel serves {url} and stores into {database}\n"
    assert (reply.status, code) == (200, 0)
    assert not database.with_name("ares.db-wal").exists()
    assert len(content(database)["span"]) == 8


def test_serve_says_why_it_cannot(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that cannot start gives code 1 and leaves the signals as they were."""
    before = signal.getsignal(signal.SIGTERM)

    code = serve(database, "192.0.2.1", 0)

    assert (code, signal.getsignal(signal.SIGTERM)) == (1, before)
    assert capsys.readouterr().err.startswith("ares-otel serve: 192.0.2.1 is not a loopback address")


def test_serve_notices_its_own_end(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the HTTP server ends by itself, the command ends with code 1."""
    start = EmbeddedServer.start

    def short(self: EmbeddedServer) -> EmbeddedServer:
        start(self)
        assert self._server is not None
        self._server.should_exit = True
        until(lambda: not self.running)
        return self

    monkeypatch.setattr(EmbeddedServer, "start", short)

    assert serve(database, port=0) == 1


def test_stored_stays_after_restart(database: Path) -> None:
    """What was stored is there for the next server, which goes on beside it."""
    bot = Bot()
    store_all(database, [bot.decision().all])
    with EmbeddedServer(database) as server:
        assert send(server.url, body(bot.decision().all)).status == 200

    assert len(content(database)["decision"]) == 2
