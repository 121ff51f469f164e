"""Reads a database beside the server that writes it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import event, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.driver import Location
from ares_otel.server.story.contents import CONTENT, Contents
from ares_otel.server.story.finding import Finder
from ares_otel.server.story.leash import Leash
from ares_otel.server.story.stored import Frame, StoredSpan, Wanted

__all__ = ["SpanReader"]

SLICE = 500
STRIDE = 64
"""Rows after which the time is looked at."""

COMMIT = "COMMIT"
STATEMENT = 2
"""Where SQLAlchemy tells the statement among the arguments of an event."""

Walked = TypeVar("Walked")


class SpanReader:
    """Finds spans by any id; has a connection of its own that cannot write. Used by one thread at a time.

    Attributes:
        db: the connection.
        leash: how long the question at hand may take; it is looked at before each statement, and where rows are walked.

    Raises:
        DatabaseError: there is no such database, or this code cannot read it.
    """

    def __init__(self, database: Location) -> None:
        self._engine = database_of(database).read()
        self.db = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._contents = Contents(self.db)
        self.leash = Leash()
        event.listen(self._engine, "before_cursor_execute", self._go_on)

    def close(self) -> None:
        """Close the connection."""
        event.remove(self._engine, "before_cursor_execute", self._go_on)
        self.db.close()
        self._engine.dispose()

    def interrupt(self) -> None:
        """Break off what another thread asks just now; it gets an error."""
        raw: Any = self.db.connection.driver_connection
        (raw.interrupt if isinstance(raw, sqlite3.Connection) else raw.cancel)()

    def walk(self, rows: Iterable[Walked], stride: int = STRIDE) -> Iterator[Walked]:
        """Yield rows as long as the question may take, which is looked at after each so many; for long walks.

        Raises:
            TooLongError: it took longer.
        """
        for place, row in enumerate(rows):
            if not place % stride:
                self.leash.check()
            yield row

    def _go_on(self, *told: Any) -> None:
        # what ends a transaction is part of ending the question
        if told[STATEMENT] != COMMIT:
            self.leash.check()

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Let all questions within the block see the database as of one moment."""
        sqlite = self._engine.dialect.name == "sqlite"
        self.db.exec_driver_sql("BEGIN" if sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            yield
        finally:
            self.db.exec_driver_sql(COMMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # --- spans -------------------------------------------------------------------------------------------------

    def finder(self) -> Finder:
        """Return what finds the spans of one question."""
        return Finder(self.db, self._contents, self.leash)

    def segments(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the resource and the content of every frame in order of arrival; put together an OTLP `ResourceSpans`.

        They are read some at a time, without a transaction around all of them.
        """
        last = -1
        resource = select(t.resource.c.data).where(t.resource.c.id == t.segment.c.resource).scalar_subquery()
        query = select(t.segment.c.id, resource, *CONTENT).order_by(t.segment.c.id).limit(SLICE)
        while found := self.db.execute(query.where(t.segment.c.id > last)).all():
            for (_, said, *_), content in zip(found, self._contents.of(found), strict=True):
                yield bytes(said), content
            last = found[-1][0]

    def segments_after(self, last: int, most: int) -> list[tuple[int, bytes]]:
        """Return id and content of the frames that came after one, the oldest first."""
        query = select(t.segment.c.id, *CONTENT).where(t.segment.c.id > last).order_by(t.segment.c.id)
        found = self.db.execute(query.limit(most)).all()
        return [(int(row[0]), content) for row, content in zip(found, self._contents.of(found), strict=True)]

    def in_segment(self, segment: int, wanted: Wanted) -> list[StoredSpan]:
        """Return the wanted spans of one segment; empty if there is none of that id."""
        query = (
            select(t.resource.c.data, *CONTENT)
            .join_from(t.segment, t.resource, t.resource.c.id == t.segment.c.resource)
            .where(t.segment.c.id == segment)
        )
        found = self.db.execute(query).all()
        frames = (Frame(row[0], content) for row, content in zip(found, self._contents.of(found), strict=True))
        return [span for frame in frames for span in frame.spans(wanted)]
