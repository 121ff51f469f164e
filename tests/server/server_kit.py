"""What tests of the server share: databases, their content without numbers that depend on the order, requests."""

from __future__ import annotations

import http.client
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from spans import body

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import decode
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.frames import Unpacker, raw_spans
from ares_otel.server.store.ids import decision_id, text_key, trace_key
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.schema import METADATA
from ares_otel.server.store.store import Store

__all__ = ["Reply", "Row", "content", "fresh", "put", "rows", "segments_of", "send", "store_all", "until"]

Row: TypeAlias = tuple[Any, ...]
INTERNAL = {"name", "resource", "dictionary", "segment", "lookup"}
TABLES = tuple(table.name for table in METADATA.sorted_tables if table.name not in INTERNAL)
NAMED = (
    *(
        "strategy",
        "symbol",
        "venue",
        "action",
        "regime",
        "model",
        "side",
        "type",
        "status",
        "fee_currency",
        "liquidity",
    ),
    *("reject_reason", "result", "currency", "component", "check", "limit_name", "outcome", "channel", "operation"),
    *("prediction", "actual"),
)


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "empty.db"
        migrate(database)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return database.read_bytes()


def fresh(directory: Path, name: str = "ares.db") -> Path:
    """Return a new, migrated database."""
    database = directory / name
    for old in directory.glob(f"{name}*"):
        old.unlink()
    database.write_bytes(_template())
    return database


def put(store: Store, *requests: Iterable[Span]) -> int:
    """Store requests in one transaction."""
    return store.write([decode(body(spans)).traces for spans in requests])


def store_all(database: Path, *groups: Iterable[Iterable[Span]]) -> None:
    """Open a store and write groups of requests, a transaction each."""
    with closing(Store(database)) as store:
        for group in groups:
            put(store, *group)


def rows(database: Path, query: str) -> list[Row]:
    """Return the answer to a query."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def content(database: Path) -> dict[str, list[Row]]:
    """Return everything in a database, with texts for the numbers of names and of other rows, sorted."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        names = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, kind, value FROM name")}
        resources = {row[0]: row[1] for row in connection.execute("SELECT id, data FROM resource")}
        decisions = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, trace, span FROM decision")}
        orders = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, client_id, trace FROM orders")}
        told = {"resource": resources, "order_id": orders}
        told |= dict.fromkeys(("decision", "first_decision", "last_decision"), decisions)
        told |= dict.fromkeys(NAMED, names)
        found = {}
        for table in TABLES:
            found[table] = [_told(row, told) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608
        found["span"] = _spans(connection, resources)
        found["lookup"] = _lookup(connection)
    return {table: sorted(told, key=repr) for table, told in found.items()}


def _told(row: sqlite3.Row, told: Mapping[str, Mapping[int, Any]]) -> Row:
    keys = row.keys()
    return tuple(told[key].get(row[key], row[key]) if key in told else row[key] for key in keys)


def _segments(connection: sqlite3.Connection) -> dict[int, tuple[int, list[tuple[bytes, bytes, str, bytes]]]]:
    def load(number: int) -> bytes | None:
        row = connection.execute("SELECT data FROM dictionary WHERE id = ?", (number,)).fetchone()
        return row[0] if row else None

    unpack = Unpacker(load).unpack
    query = "SELECT id, resource, data FROM segment"
    return {number: (resource, list(raw_spans(unpack(data)))) for number, resource, data in connection.execute(query)}


def segments_of(database: Path) -> list[tuple[int, list[tuple[bytes, bytes, str, bytes]]]]:
    """Return the resource and the spans of each segment."""
    with closing(sqlite3.connect(database)) as connection:
        return [*_segments(connection).values()]


def _spans(connection: sqlite3.Connection, resources: Mapping[int, bytes]) -> list[Row]:
    found = _segments(connection).values()
    return [(trace, span, raw, resources[number]) for number, spans in found for trace, span, _, raw in spans]


def _lookup(connection: sqlite3.Connection) -> list[Row]:
    """Return which span is found under which key; each has to be found under all of its own."""
    segments = {number: spans for number, (_, spans) in _segments(connection).items()}
    found = {
        (key, trace, span)
        for key, segment in connection.execute("SELECT key, segment FROM lookup")
        for trace, span, _, raw in segments[segment]
        if key in _keys(raw)
    }
    assert found == {
        (key, trace, span) for spans in segments.values() for trace, span, _, raw in spans for key in _keys(raw)
    }
    return [*found]


def _keys(raw: bytes) -> set[int]:
    span = Span.FromString(raw)
    said = {pair.key: pair.value.string_value for pair in span.attributes}
    texts = {said.get(a.CORRELATION_ID.key)}
    if span.name == s.DECISION.name and said.get(a.DECISION_ID.key) != decision_id(span.trace_id, span.span_id):
        texts.add(said.get(a.DECISION_ID.key))
    outcomes = [span.attributes] if span.name == s.OUTCOME.name else []
    outcomes += (event.attributes for event in span.events if event.name == s.OUTCOME.name)
    texts |= {pair.value.string_value for pairs in outcomes for pair in pairs if pair.key == a.MODEL_KEY.key}
    return {trace_key(span.trace_id), *(text_key(text) for text in texts if text)}


# --- HTTP --------------------------------------------------------------------------------------------------------


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(
    url: str,
    data: bytes | None = b"",
    *,
    path: str = "/v1/traces",
    method: str = "POST",
    content_type: str | None = PROTOBUF,
    **headers: str,
) -> Reply:
    """Send one request on a connection of its own."""
    place = urlsplit(url)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        given["content-type"] = content_type
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        connection.request(method, path, body=data, headers=given)
        answer = connection.getresponse()
        return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
