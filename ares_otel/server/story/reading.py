"""Reads a database beside the server that writes it."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.driver import Location
from ares_otel.server.store.frames import Unpacker
from ares_otel.server.store.ids import bounded, moment_keys, text_key, trace_key, uuid_digits
from ares_otel.server.story.stored import StoredSpan, Wanted, read_spans

__all__ = ["SpanReader"]

SPAN_DIGITS = 16
SLICE = 500
SEGMENTS = 2_000
"""Most segments read for one id, the newest first."""


class SpanReader:
    """Finds spans by any id; has a connection of its own that cannot write. Used by one thread at a time.

    Raises:
        DatabaseError: there is no such database, or this code cannot read it.
    """

    def __init__(self, database: Location) -> None:
        self._engine = database_of(database).read()
        self.db = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._unpack = Unpacker(self._dictionary).unpack

    def close(self) -> None:
        """Close the connection."""
        self.db.close()
        self._engine.dispose()

    def interrupt(self) -> None:
        """Break off what another thread asks just now; it gets an error."""
        raw: Any = self.db.connection.driver_connection
        (raw.interrupt if isinstance(raw, sqlite3.Connection) else raw.cancel)()

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Let all questions within the block see the database as of one moment."""
        sqlite = self._engine.dialect.name == "sqlite"
        self.db.exec_driver_sql("BEGIN" if sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            yield
        finally:
            self.db.exec_driver_sql("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # --- spans -------------------------------------------------------------------------------------------------

    def by_text(self, text: str) -> list[StoredSpan]:
        """Return the spans that hold a text, in any spelling if it is 128 hexadecimal bits; compare the ids."""
        return list(self._spans(t.lookup.c.key == text_key(text), _holds(text)))

    def by_moment(self, decision: str) -> list[StoredSpan]:
        """Return the spans that a decision id of the library may belong to; empty for any other text."""
        moment = moment_keys(decision)
        if moment is None:
            return []
        span, holds = bytes.fromhex(decision[-SPAN_DIGITS:]), _holds(decision)
        condition = t.lookup.c.key.between(*moment)
        return list(self._spans(condition, lambda trace, raw: span in raw or holds(trace, raw)))

    def by_trace(self, trace: str) -> list[StoredSpan]:
        """Return the spans of a trace, each once, by time."""
        own = bytes.fromhex(trace)
        spans = {span.span: span for span in self._spans(t.lookup.c.key == trace_key(own), lambda got, _: got == own)}
        return sorted(spans.values(), key=lambda span: (span.start, span.end, span.span))

    def segments(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the resource and the content of every frame in order of arrival; put together an OTLP `ResourceSpans`.

        They are read some at a time, without a transaction around all of them.
        """
        last = -1
        resource = select(t.resource.c.data).where(t.resource.c.id == t.segment.c.resource).scalar_subquery()
        query = select(t.segment.c.id, resource, t.segment.c.data).order_by(t.segment.c.id).limit(SLICE)
        while found := self.db.execute(query.where(t.segment.c.id > last)).all():
            for _, said, data in found:
                yield bytes(said), self._unpack(data)
            last = found[-1][0]

    def segments_after(self, last: int, most: int) -> list[tuple[int, bytes]]:
        """Return id and content of the frames that came after one, the oldest first."""
        query = select(t.segment.c.id, t.segment.c.data).where(t.segment.c.id > last).order_by(t.segment.c.id)
        return [(int(found), self._unpack(data)) for found, data in self.db.execute(query.limit(most)).all()]

    def traces_of_order(self, client_id: str) -> list[str]:
        """Return the traces that speak of a client order id, newest first."""
        query = select(t.orders.c.trace).where(t.orders.c.client_id == bounded(client_id))
        rows = self.db.execute(query.order_by(t.orders.c.id.desc()).limit(SEGMENTS))
        return list(dict.fromkeys(trace.hex() for (trace,) in rows))

    def in_segment(self, segment: int, wanted: Wanted) -> list[StoredSpan]:
        """Return the wanted spans of one segment; empty if there is none of that id."""
        query = (
            select(t.resource.c.data, t.segment.c.data)
            .join_from(t.segment, t.resource, t.resource.c.id == t.segment.c.resource)
            .where(t.segment.c.id == segment)
        )
        row = self.db.execute(query).first()
        return [] if row is None else list(read_spans(row[0], self._unpack(row[1]), wanted))

    def _spans(self, condition: ColumnElement[bool], wanted: Wanted) -> Iterator[StoredSpan]:
        chosen = select(t.lookup.c.segment).where(condition).order_by(t.lookup.c.segment.desc()).limit(SEGMENTS)
        query = (
            select(t.resource.c.data, t.segment.c.data)
            .join_from(t.segment, t.resource, t.resource.c.id == t.segment.c.resource)
            .where(t.segment.c.id.in_(chosen))
            .order_by(t.segment.c.id)
        )
        for resource, data in self.db.execute(query).all():
            yield from read_spans(resource, self._unpack(data), wanted)

    def _dictionary(self, number: int) -> bytes | None:
        found = self.db.execute(select(t.dictionary.c.data).where(t.dictionary.c.id == number)).scalar()
        return None if found is None else bytes(found)


def _holds(text: str) -> Wanted:
    """Return a test for spans that hold a text: it is quick, and may say yes too often."""
    digits = uuid_digits(text)
    if digits is None:
        sought = text.encode()
        return lambda _, raw: sought in raw
    trace, spelled = bytes.fromhex(digits), re.compile("-?".join(digits).encode(), re.IGNORECASE)
    return lambda found, raw: found == trace or spelled.search(raw) is not None
