"""What bots say of their own telemetry: the newest word of each process, its sums, and when it is forgotten."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pages_kit import Taken
from server_kit import fresh, put, send
from spans import START, span
from test_server_retention import Server, serving

from ares_otel.config import Retention
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep.groups import DAY
from ares_otel.server.query.delivery import delivered, deliveries
from ares_otel.server.store.store import Store
from ares_otel.server.store.told import TOLD, Told
from ares_otel.server.story.reader import Reader

SECOND = 10**9


def word(instance: str, recorded: int, lost: int, start: int = START) -> Span:
    """Return what a process says."""
    facts: dict[Attribute, Any] = {
        a.INSTANCE_ID: instance,
        a.SERVICE_NAME: "ares-demo",
        a.RECORDED: recorded,
        a.ACKNOWLEDGED: recorded - lost - 1,
        a.LOST: lost,
        a.WAITING: 1,
    }
    own = f"{instance[:2]}{start // SECOND % 10**6:06}".encode()
    return span(s.TELEMETRY.name, facts, trace=own + own, own=own, start=start)


def test_the_newest_word_counts(tmp_path: Path) -> None:
    """Each process has its own sums, the newest ones; those that have long been silent are not in the whole."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        put(store, [word("old", 1_000, 1, START - 2 * DAY), word("one", 10, 0)])
        put(store, [word("one", 20, 0, START + SECOND), word("two", 7, 3, START + 2), span(s.TELEMETRY.name)])
        store.db.execute(f"INSERT INTO meta VALUES ('{TOLD}other', 'of another version')")  # noqa: S608  own name
    with Reader(database) as reader:
        found = deliveries(reader)

    told = [(each.instance, each.service, each.recorded, each.delivered, each.lost) for each in found]
    assert told == [
        ("one", "ares-demo", 20, 20, 0),
        ("two", "ares-demo", 7, 4, 3),
        ("old", "ares-demo", 1_000, 999, 1),
    ]
    whole = delivered(found)
    assert whole is not None
    assert (whole.processes, whole.recorded, whole.delivered, whole.lost) == (2, 27, 24, 3)
    assert delivered(()) is None


def test_where_it_is_shown(tmp_path: Path) -> None:
    """Tile, system page and the answer on health say the same; before the first word they say that none came."""
    database = fresh(tmp_path)
    with EmbeddedServer(database) as server:

        def text(path: str) -> str:
            return Taken(send(server.url, None, path=path, method="GET").body.decode()).text

        def health() -> dict[str, Any]:
            reply = send(server.url, None, path="/api/v1/metrics/system-health", method="GET")
            found: dict[str, Any] = json.loads(reply.body)
            return found

        before = text("/system"), health()
        with closing(Store(database)) as store:
            put(store, [word("01a2-process", 12_345, 0)])
        tile, page, after = text("/"), text("/system"), health()

    assert "No bot has said what it recorded" in before[0]
    assert (before[1]["telemetry"], before[1]["reasons"]["telemetry"]) == (None, "no bot has said what it recorded")
    assert "12,345 recorded, 12,345 delivered, 0 lost" in tile
    assert "ares-demo" in page
    assert {key: after["telemetry"][key] for key in ("processes", "recorded", "delivered", "lost")} == {
        "processes": 1,
        "recorded": 12_345,
        "delivered": 12_345,
        "lost": 0,
    }
    assert "telemetry" not in after["reasons"]


def test_silent_processes_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has said nothing for as long as spans are kept is in no list any more."""
    with serving(fresh(tmp_path), monkeypatch) as server:
        server.put([word("old", 5, 0, server.now)])
        server.now += 40 * DAY
        server.put([word("new", 6, 0, server.now)])
        _settle(server)
        kept = server.store.db.execute("SELECT key, value FROM meta WHERE key LIKE 'telemetry.%'").fetchall()

    assert [(key, Told.read(value).recorded) for key, value in kept] == [("telemetry.new", 6)]


def _settle(server: Server) -> None:
    server.settle(Retention(spans=30))
