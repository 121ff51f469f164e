"""Finds decisions by any of their ids, and counts what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import func, select

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server import schema as t
from ares_otel.server.cases import Case, answers, clients, split
from ares_otel.server.ids import canonical
from ares_otel.server.reading import SpanReader
from ares_otel.server.stored import StoredEvent, StoredSpan
from ares_otel.server.stories import Counts, Story
from ares_otel.server.telling import Said, tell

__all__ = ["Reader"]

STORIES = 50
KEYS = 32


class Reader(SpanReader):
    """Tells stories of stored decisions."""

    def find(self, text: str) -> list[Story]:
        """Return what an id means, newest first, at most `STORIES`; empty if nothing is known of it.

        Args:
            text: correlation id (with or without dashes, in any case of letters), client order id, trace id, decision
                id. Several decisions may share a correlation id, a trace or a client order id.
        """
        text = text.strip()
        traces = {span.trace: None for span in self.by_text(text) if answers(span, text)}
        traces |= dict.fromkeys(self.traces_of_order(text))
        cases = [case for trace in list(traces)[:STORIES] for case in split(self.by_trace(trace))]
        decided = [case for case in cases if case.decision is not None]
        chosen = [case for case in decided if case.is_meant_by(text)] or decided or cases
        chosen.sort(key=lambda case: case.first.start, reverse=True)
        return [self._tell(case) for case in chosen[:STORIES]]

    def counts(self) -> Counts:
        """Return how much is stored, as of one moment."""
        self._db.exec_driver_sql("BEGIN")
        try:
            update = t.order_update.c
            real = update.duplicate == 0
            return Counts(
                decisions=self._count(t.decision.c.id),
                votes=self._count(t.vote.c.decision),
                orders=self._count(t.orders.c.id, t.orders.c.submitted == 1),
                updates=self._by_status(),
                duplicates=self._count(update.id, update.duplicate == 1),
                fills=self._count(update.id, real, update.fill_quantity > 0),
                fees=self._fees(),
                outcomes=self._count(t.outcome.c.id),
            )
        finally:
            self._db.exec_driver_sql("COMMIT")
