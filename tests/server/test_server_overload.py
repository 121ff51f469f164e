"""A server that is asked for too much says so, and our own sender keeps its data until it is taken."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from api_kit import get
from server_kit import content, fresh, send, until
from spans import Bot, body

from ares_otel.config import Limits, Server
from ares_otel.pipeline.http import HttpTransport
from ares_otel.pipeline.model import Batch
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.store import writer
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

TOKEN = "writer-0123456789"


def batches(number: int) -> list[Batch]:
    """Return batches of 8 spans each."""
    bot = Bot()
    return [Batch(body(bot.decision().all), 8) for _ in range(number)]


def test_a_sender_waits_out_an_overload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the queue is full, and then while it asks too often, a sender keeps everything, and all is stored."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} write\n")
    tokens.chmod(0o600)
    settings = Server(token_file=str(tokens), limits=Limits(writes=3))
    database = fresh(tmp_path)
    with EmbeddedServer(database, settings=settings) as server, monkeypatch.context() as patch:
        patch.setattr(writer, "QUEUE_LIMIT", 0)
        transport = HttpTransport(f"{server.url}/v1/traces", headers={"authorization": f"Bearer {TOKEN}"})
        sender = Sender(transport, Spool(tmp_path / "spool"))
        for batch in batches(10):
            sender.submit(batch)
        until(lambda: sender.accounts().failures.get("http_503"))
        patch.undo()

        assert sender.flush(60)
        accounts = sender.accounts()
        assert sender.shutdown(20)

    assert accounts.exported == 80
    assert accounts.dropped == {}
    assert accounts.failures["http_429"] > 0
    assert len(content(database)["span"]) == 80


def test_memory_is_bounded_by_refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is committed, many senders at once fill the queue and no more; each is answered, none is lost."""
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 4)
    monkeypatch.setattr(writer, "GROUP_LIMIT", 1)
    gate = threading.Event()
    write = Store.write

    def slow(self: Store, *args: object) -> int:
        gate.wait(30)
        return write(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write", slow)
    database, found = fresh(tmp_path), list[int]()
    with EmbeddedServer(database) as server:
        data = [batch.body for batch in batches(20)]
        threads = [threading.Thread(target=lambda d=d: found.append(send(server.url, d).status)) for d in data]
        for thread in threads:
            thread.start()
        until(lambda: len(found) >= 15)
        held = server._app.ingest.held
        gate.set()
        for thread in threads:
            thread.join(20)
        stored = server.stored

    assert set(found) == {200, 503}
    assert found.count(200) <= 5
    assert held <= 5 * max(map(len, data))
    assert stored == 8 * found.count(200)


def test_too_many_readers_at_once(tmp_path: Path) -> None:
    """More readers at the same time than may be are told to come again; senders are not among them."""
    with EmbeddedServer(fresh(tmp_path), settings=Server(limits=Limits(concurrent=1))) as server:
        port = urlsplit(server.url).port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as slow, server._app._busy.one():
            slow.request("GET", "/metrics")
            late = slow.getresponse()
            late.read()
            taken = send(server.url, batches(1)[0].body)

    assert (late.status, late.getheader("retry-after"), taken.status) == (503, "1", 200)


def test_too_many_connections(tmp_path: Path) -> None:
    """Beyond the limit of connections senders and readers are told to come again, and are let in when there is room."""
    with EmbeddedServer(fresh(tmp_path), settings=Server(limits=Limits(connections=1))) as server:
        data = batches(1)[0].body
        with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=20)) as first:
            first.request("GET", "/healthz")
            alone = first.getresponse()
            alone.read()
            late = send(server.url, data), send(server.url, None, path="/healthz", method="GET")
        until(lambda: send(server.url, data).status == 200)

    assert alone.status == 200
    assert [(reply.status, reply.headers["retry-after"]) for reply in late] == [(503, "1")] * 2


def endless(begun: threading.Event, ended: threading.Event) -> Callable[[Reader, str], list[Story]]:
    """Return a question that walks rows until its time is over, and says when it begins and ends."""

    def find(reader: Reader, text: str) -> list[Story]:
        begun.set()
        try:
            assert any(str(number) == text for number in reader.walk(itertools.count(1)))
        finally:
            ended.set()
        return []

    return find


def test_an_answer_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets a problem, a person a page, and both are told to ask again for less."""
    with EmbeddedServer(fresh(tmp_path), settings=Server(limits=Limits(answer_seconds=0.2))) as server:
        monkeypatch.setattr(Reader, "find", endless(threading.Event(), threading.Event()))
        told, shown = (get(server, path) for path in ("/api/v1/stories/x", "/decisions/x"))

        assert (told.status, told.headers["retry-after"]) == (503, "1")
        assert json.loads(told.body)["detail"] == "this takes longer than 0.2 s; a shorter time or more filters help"
        assert (shown.status, b"That took too long" in shown.body) == (503, True)
        assert server.stop()


@pytest.mark.parametrize("path", ["/api/v1/stories/x", "/decisions/x"])
def test_a_client_that_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What was asked by one who has hung up is asked no longer; the reader answers the next one."""
    begun, ended = threading.Event(), threading.Event()
    with EmbeddedServer(fresh(tmp_path)) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Reader, "find", endless(begun, ended))
            place = urlsplit(server.url)
            with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
                connection.request("GET", path)
                assert begun.wait(20)
            assert ended.wait(20)

        assert get(server, path).status == 404
