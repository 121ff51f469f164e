"""What tests of the API share: a server with what the demo did, and requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from demo_store import demo_database
from server_kit import Reply, send, store_all
from spans import Bot, drifts
from sqlalchemy import event

from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.story.reader import Reader

__all__ = ["demo_server", "get", "plans", "statements", "told"]


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with what the demo did, and an episode of drift, which it has only after some years of its market."""
    database = demo_database(tmp_path_factory.mktemp("demo"))
    store_all(database, [drifts(Bot().decision())])
    with EmbeddedServer(database) as running:
        yield running


def get(server: EmbeddedServer, path: str, **headers: str) -> Reply:
    """Ask for a path."""
    return send(server.url, None, path=path, method="GET", content_type=None, **headers)


def told(server: EmbeddedServer, path: str) -> Any:
    """Return an answer that has to be there."""
    reply = get(server, path)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def plans(reader: Reader, question: Callable[[Reader], Any]) -> list[str]:
    """Return how SQLite looks each table up while a question is answered."""
    found = []
    for statement, parameters in statements(reader, question):
        rows = reader.db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        found += [str(row[3]) for row in rows]
    return found


def statements(reader: Reader, question: Callable[[Reader], Any]) -> list[tuple[str, Any]]:
    """Return the statements, with their parameters, by which a question is answered."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(reader.db.engine, "before_cursor_execute", note)
    try:
        question(reader)
    finally:
        event.remove(reader.db.engine, "before_cursor_execute", note)
    return asked
