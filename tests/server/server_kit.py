"""What tests of the server share: databases, their content without numbers that depend on the order, requests."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import sqlalchemy as sa
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from spans import body

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.keep.unpacked import unpacked
from ares_otel.server.otlp.decode import decode
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.databases import file_of
from ares_otel.server.store.driver import Location
from ares_otel.server.store.frames import Unpacker, raw_spans
from ares_otel.server.store.ids import correlation_meant, decision_id, lookup_key, span_meant, text_key, trace_key
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.schema import METADATA
from ares_otel.server.store.store import Store

__all__ = [
    "Reply",
    "Row",
    "Where",
    "connected",
    "content",
    "fresh",
    "put",
    "rows",
    "segments_of",
    "send",
    "store_all",
    "until",
]

Row: TypeAlias = tuple[Any, ...]
Segment: TypeAlias = tuple[int, list[tuple[bytes, bytes, str, bytes]]]
Segments: TypeAlias = dict[int, Segment]
PACKED = ("decision", "outcome", "drift_check")
INTERNAL = {*PACKED, "name", "resource", "dictionary", "segment", "pack", "lookup"}
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
    *("prediction", "actual", "kind", "detector", "severity", "reference", "state", "feature", "against"),
)


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "empty.db"
        migrate(database)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return database.read_bytes()


def _file(directory: Path, name: str) -> Path:
    database = directory / name
    for old in directory.glob(f"{name}*"):
        old.unlink()
    database.write_bytes(_template())
    return database


class Where:
    """Where databases of tests are made: `make` gives a new, migrated one for a directory and a name."""

    make: ClassVar[Callable[[Path, str], Any]] = staticmethod(_file)


def fresh(directory: Path, name: str = "ares.db") -> Path:
    """Return a new, migrated database: a file, or a URL where a test runs on another database (`Where`)."""
    made: Path = Where.make(directory, name)
    return made


@contextlib.contextmanager
def connected(database: Location) -> Iterator[sa.Connection]:
    """Connect to a database as it is."""
    file = file_of(database)
    engine = sa.create_engine(str(database) if file is None else f"sqlite:///{file}", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        yield connection


def put(store: Store, *requests: Iterable[Span]) -> int:
    """Store requests in one transaction."""
    return store.write([decode(body(spans)).traces for spans in requests])


def store_all(database: Location, *groups: Iterable[Iterable[Span]]) -> None:
    """Open a store and write groups of requests, a transaction each."""
    with closing(Store(database)) as store:
        for group in groups:
            put(store, *group)


def rows(database: Location, query: str) -> list[Row]:
    """Return the answer to a query."""
    with connected(database) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def content(database: Location) -> dict[str, list[Row]]:
    """Return everything in a database, with texts for the numbers of names and of other rows, sorted."""
    with connected(database) as connection:

        def ask(query: str) -> list[Row]:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

        resources = {row[0]: row[1] for row in ask("SELECT id, data FROM resource")}
        names, decisions, orders = (
            {row[0]: (row[1], row[2]) for row in ask(f"SELECT id, {columns}")}
            for columns in ("kind, value FROM name", "trace, span FROM decision", "client_id, trace FROM orders")
        )
        decisions = {row: (trace, span_meant(trace, span)) for row, (trace, span) in decisions.items()}
        told: dict[str, Mapping[int, Any]] = {"resource": resources, "order_id": orders}
        told |= dict.fromkeys(NAMED, names)
        told |= dict.fromkeys(("decision", "first_decision", "last_decision"), decisions)
        found = {
            table: [_told({**row}, told) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()]  # noqa: S608
            for table in TABLES
        }
        found |= _unpacked(connection, told)
        segments = _segments(connection)
        found["span"] = _spans(segments.values(), resources)
        found["lookup"] = _lookup(ask("SELECT key, segment FROM lookup"), segments)
    return {table: sorted(each, key=repr) for table, each in found.items()}


OUTCOME = ("id", "key", "model", "result", "realized_return", "regime", "prediction", "actual", "strategy", "symbol")


def _unpacked(connection: sa.Connection, told: Mapping[str, Mapping[int, Any]]) -> dict[str, list[Row]]:
    """Return decisions without their votes, votes, outcomes by the millisecond in which they were said, and drift."""
    decided, judged, checked = (
        [{**row} for row in connection.exec_driver_sql(f"SELECT * FROM {name}").mappings()]  # noqa: S608  own names
        for name in PACKED
    )
    # what is a name here is a number elsewhere
    named = {**told, "quantity": told["model"]}
    outcomes = [{**each, "id": each["id"] // 10**6} for row in judged for each in unpacked("outcome", row)]
    return {
        "decision": [_told(_whole(row), told) for row in decided],
        "vote": [_told(vote, told) for row in decided for vote in unpacked("vote", row)],
        "drift_check": [_told({key: row[key] for key in row if key != "quantities"}, told) for row in checked],
        "drift_evidence": [_told(stand, named) for row in checked for stand in unpacked("drift_evidence", row)],
        "outcome": [_told({key: row[key] for key in OUTCOME}, told) for row in outcomes],
    }


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision with the ids that its trace implies, and without its votes."""
    span, correlation = span_meant(row["trace"], row["span"]), correlation_meant(row["trace"], row["correlation"])
    return {key: row[key] for key in row if key != "votes"} | {"span": span, "correlation": correlation}


def _told(row: Mapping[str, Any], told: Mapping[str, Mapping[int, Any]]) -> Row:
    return tuple(told[key].get(value, value) if key in told else value for key, value in row.items())


def _segments(connection: sa.Connection) -> Segments:
    def load(number: int) -> bytes | None:
        row = connection.exec_driver_sql(f"SELECT data FROM dictionary WHERE id = {number}").fetchone()  # noqa: S608
        return row[0] if row else None

    stored = connection.exec_driver_sql("SELECT id, resource, data, pack, start, size FROM segment").all()
    packs = connection.exec_driver_sql("SELECT id, data FROM pack").all()
    contents = Unpacker(load).contents([row[2:] for row in stored], lambda _: packs)
    return {row[0]: (row[1], list(raw_spans(content))) for row, content in zip(stored, contents, strict=True)}


def segments_of(database: Location) -> list[tuple[int, list[tuple[bytes, bytes, str, bytes]]]]:
    """Return the resource and the spans of each segment."""
    with connected(database) as connection:
        return [*_segments(connection).values()]


def _spans(segments: Iterable[Segment], resources: Mapping[int, bytes]) -> list[Row]:
    return [(trace, span, raw, resources[number]) for number, spans in segments for trace, span, _, raw in spans]


def _lookup(stored: Iterable[Row], segments: Segments) -> list[Row]:
    """Return which span is found under which key; each has to be found under all of its own."""
    found = {
        (key, trace, span)
        for key, segment in stored
        for trace, span, _, raw in segments[segment][1]
        if key in _keys(raw)
    }
    assert found == {
        (key, trace, span) for _, spans in segments.values() for trace, span, _, raw in spans for key in _keys(raw)
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
    return {lookup_key(key) for key in (trace_key(span.trace_id), *(text_key(text) for text in texts if text))}


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


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
