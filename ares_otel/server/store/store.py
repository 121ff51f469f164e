"""Writes spans on the raw driver of a database: one connection, one transaction for a group of requests."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping

from ares_otel.server.otlp.decode import Entry, Traces
from ares_otel.server.otlp.logs import LogRecord
from ares_otel.server.otlp.values import text
from ares_otel.server.otlp.views import FullSpan, SpanView
from ares_otel.server.otlp.wire import attribute
from ares_otel.server.store.booking import ORDER_SPANS, Booking, OrderSpans
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.decisions import decision_row, place_of
from ares_otel.server.store.driver import Connection, Location
from ares_otel.server.store.episodes import Episodes
from ares_otel.server.store.frames import Codec, frame
from ares_otel.server.store.ids import lookup_key, text_key, trace_key
from ares_otel.server.store.known import Known
from ares_otel.server.store.late import note_late
from ares_otel.server.store.logs import add_logs
from ares_otel.server.store.numbers import Numbers
from ares_otel.server.store.recording import NOWHERE, Place, Said
from ares_otel.server.store.records import RECORDS
from ares_otel.server.store.rows import CORRELATION, DECISION_ID, Part, Rows, base_id, identity
from ares_otel.server.store.schema import REVISION
from ares_otel.server.store.version import DatabaseError
from ares_otel.server.store.working import CALL, call_row, waits_for, work_row

__all__ = ["Store"]

SEGMENT_BYTES = 65_536
"""A segment is full at so many bytes of spans: zstd finds more of what repeats in several traces, and few large rows
waste less of SQLite's pages than many small ones."""

IDENTITY, CORRELATED = DECISION_ID.encode(), CORRELATION.encode()
ADVANCE = "UPDATE orders SET status = ?, cum_quantity = ?, avg_price = ?, updated = ? WHERE id = ?"


class Store:
    """The writing side of a database; used by one thread at a time.

    A span is stored once however often it comes: before it is inserted, the newest `KNOWN_SEGMENTS` segments of its
    trace are looked through. Rows see only spans that are new, so that counts stay exact.

    Attributes:
        db: the connection.
        codec: packs and unpacks frames.
        stored: spans stored since the start.
        new_logs: log records that were new in the last group.
    """

    def __init__(self, location: Location) -> None:
        self.new_logs = self.stored = 0
        self.db = database_of(location).open()
        try:
            self.codec = Codec(self.db)
            self._known = Known(self.db, self.codec)
            self._numbers = Numbers(self.db)
            self._episodes = Episodes(self.db)
            self._segment = self._numbers.greatest("segment")
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    def passing(self, error: Exception) -> bool:
        """Tell a database that can store nothing now from a request that no try can store."""
        return self.db.passing(error)

    def write(self, requests: Iterable[Traces], logs: Iterable[LogRecord] = ()) -> int:
        """Store a group of requests, all or nothing; return how many spans were new.

        How many of the log records were new is in `new_logs`.

        Raises:
            Exception: the database's own; it could not take them, and nothing of them is stored.
        """
        traces = _merged(requests)
        rows = Rows()
        with self.transaction():
            self._check_schema()
            old = self._known.spans(traces)
            stored = sum(self._trace(rows, trace, entries, old.get(trace, [])) for trace, entries in traces.items())
            self._pack(rows)
            new_logs = add_logs(self.db, self._numbers, rows, logs)
            self._insert(rows)
            note_late(self.db, rows.by_table)
        self.new_logs = new_logs
        self.stored += stored
        self._numbers.settle()
        self.codec.learn(sum(part.size for parts in rows.parts.values() for part in parts))
        return stored

    def _check_schema(self) -> None:
        """Refuse to write into a database that another version has migrated, or a restore has replaced, meanwhile."""
        found = self.db.execute("SELECT version_num FROM alembic_version").fetchone()
        if found is None or found[0] != REVISION:
            said = "none" if found is None else found[0]
            raise DatabaseError(f"the database has schema {said} by now, this program needs {REVISION}; restart it")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the connection within a transaction that is committed at the end of the block, or undone."""
        try:
            self.db.begin()
            yield self.db
            self.db.commit()
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        if self.db.in_transaction:
            self.db.rollback()
        self._numbers.forget()
        self._episodes.forget()
        self._known.fresh.forget()

    def _insert(self, rows: Rows) -> None:
        rows.add_judged(self._numbers)
        # neighbours in the index are written together
        rows.by_table["lookup"].sort()
        for table, values in rows.by_table.items():
            self.db.add(table, values)
        self.db.change(ADVANCE, rows.states)
        self._episodes.book(rows)
        for table in rows.tally.by_table:
            self.db.add(table, rows.tally.rows(table))

    # --- one trace ---------------------------------------------------------------------------------------------

    def _trace(self, rows: Rows, trace: bytes, entries: dict[bytes, Entry], old: list[tuple[str, bytes]]) -> int:
        """Add the rows of a trace's new spans; return how many these are."""
        if not entries:
            return 0
        rows.keys = {trace_key(trace)}
        self._typed(rows, entries, old)
        own = [*entries.values()]
        resources = dict.fromkeys([source.resource for _, _, source in own])
        for resource in resources:
            some = own if len(resources) == 1 else [entry for entry in own if entry[2].resource == resource]
            rows.parts[resource].append(Part(rows.keys, some, sum([len(raw) for _, raw, _ in some])))
        return len(entries)

    def _pack(self, rows: Rows) -> None:
        """Make the segments of a transaction."""
        for resource, parts in rows.parts.items():
            number = self._numbers.resource(resource)
            for some in _segments(parts):
                self._segment = at = max(self._segment + 1, time.time_ns() // 1_000)
                content = frame(itertools.chain.from_iterable(part.entries for part in some))
                rows.add("segment", (at, number, self.codec.pack(content), None, None, None))
                keys = {lookup_key(key) for part in some for key in part.keys}
                rows.by_table["lookup"] += [(key, at) for key in keys]
                self._known.fresh.stored(keys)

    def _typed(self, rows: Rows, entries: dict[bytes, Entry], old: list[tuple[str, bytes]]) -> None:
        fresh, works = OrderSpans(), list[tuple[SpanView, bytes]]()
        for span, raw, _ in entries.values():
            name = span.name
            if name in ORDER_SPANS:
                fresh.take(span, name)
            elif name in RECORDS:
                said = Said(span.attributes, base_id(span), span.start_time_unix_nano, NOWHERE, raw)
                RECORDS[name](rows, self._numbers, said)
            elif name.startswith(CALL):
                call_row(rows, self._numbers, span, raw)
            else:
                works.append((span, raw))
        rows.keys.update(map(text_key, _correlations(entries.values())))
        before = OrderSpans()
        for name, raw in old if fresh or works else ():
            if name in ORDER_SPANS:
                before.take(FullSpan.FromString(raw), name)
        places = [place_of(decision) for decision in fresh.decisions]
        if fresh:
            self._book(rows, fresh, before, entries, places)
        if works or (old and fresh.decisions):
            own = {identity(decision): place for decision, place in zip(fresh.decisions, places, strict=True)}
            self._work(rows, works, old, own, before.decisions)

    def _book(
        self, rows: Rows, fresh: OrderSpans, before: OrderSpans, entries: Mapping[bytes, Entry], places: list[Place]
    ) -> None:
        booking = Booking(self.db, self._numbers, rows, fresh, before)
        decided: dict[bytes, int] = {}
        for span, place in zip(fresh.decisions, places, strict=True):
            entry = entries[span.span_id]
            resource, rejected = self._numbers.resource(entry[2].resource), booking.rejected(span)
            decided[span.span_id] = decision_row(rows, self._numbers, entry, place, resource, rejected)
        booking.book(decided)

    def _work(
        self,
        rows: Rows,
        works: list[tuple[SpanView, bytes]],
        old: list[tuple[str, bytes]],
        fresh: Mapping[str, Place],
        before: list[SpanView],
    ) -> None:
        """Count stages and checks: those that come now, if their decision is known, and those that waited for one."""
        known = {identity(decision): place_of(decision) for decision in before} | {**fresh}
        usual, named = next(((attribute(IDENTITY, own), place) for own, place in known.items()), (b"", NOWHERE))
        for span, raw in works:
            if usual and raw.find(usual) >= 0:
                work_row(rows, self._numbers, span, raw, named)
                continue
            decision = waits_for(span)
            place = NOWHERE if decision is None else known.get(decision)
            if place is not None:
                work_row(rows, self._numbers, span, raw, place)
        for name, raw in old if fresh else ():
            if name not in ORDER_SPANS and name not in RECORDS and not name.startswith(CALL):
                span = FullSpan.FromString(raw)
                place = fresh.get(waits_for(span) or "")
                if place is not None:
                    work_row(rows, self._numbers, span, raw, place)


def _correlations(entries: Iterable[Entry]) -> set[str]:
    """Return the correlation ids of a trace's spans, which mostly are the same one."""
    found: set[str] = set()
    usual = b""
    for span, raw, _ in entries:
        if not usual or raw.find(usual) < 0:
            correlation = text(span.attributes, CORRELATION)
            if correlation is not None:
                found.add(correlation)
                usual = attribute(CORRELATED, correlation)
    return found


def _segments(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield the parts of one resource as they share segments."""
    some: list[Part] = []
    size = 0
    for part in parts:
        some.append(part)
        size += part.size
        if size >= SEGMENT_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _merged(requests: Iterable[Traces]) -> Traces:
    """Return the spans of several requests as one; of a span that comes twice the first."""
    merged: Traces = {}
    for request in requests:
        for trace, entries in request.items():
            known = merged.get(trace)
            merged[trace] = dict(entries) if known is None else entries | known
    return merged
