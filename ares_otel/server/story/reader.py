"""Finds decisions by any of their ids, and counts what is stored."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from ares_otel.orders import trace_of
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import canonical, zeros_back
from ares_otel.server.store.packed import number_of
from ares_otel.server.story.cases import Case, answers, clients, is_decision, split
from ares_otel.server.story.finding import Finder
from ares_otel.server.story.logged import logged
from ares_otel.server.story.reading import SpanReader
from ares_otel.server.story.remains import remains
from ares_otel.server.story.stored import StoredEvent, StoredSpan
from ares_otel.server.story.stories import Counts, Story
from ares_otel.server.story.telling import Elsewhere, tell

__all__ = ["Reader"]

STORIES = 50
KEYS = 32


class Reader(SpanReader):
    """Tells stories of stored decisions."""

    def find(self, text: str) -> list[Story]:
        """Return what an id means, newest first, at most `STORIES`; empty if nothing is known of it.

        Args:
            text: correlation id (with or without dashes, in any case of letters), client order id, trace id (also
                as Tempo writes it, without zeros at the beginning), decision id. Several decisions may share a
                correlation id, a trace or a client order id.
        """
        text = text.strip().encode("utf-8", "replace").decode()
        found, whole = self._find(text), zeros_back(text)
        return found or (self._find(whole) if whole else [])

    def _find(self, text: str) -> list[Story]:
        finder = self.finder()
        traces = {span.trace: None for span in (*finder.by_text(text), *finder.by_moment(text)) if answers(span, text)}
        traces |= dict.fromkeys(finder.traces_of_orders([text])[text])
        carried = trace_of(text)
        if carried is not None:
            traces[f"{carried:032x}"] = None
        cases = [case for trace in list(traces)[:STORIES] for case in split(finder.by_trace(trace))]
        decided = [case for case in cases if case.decision is not None]
        chosen = [case for case in decided if case.is_meant_by(text)] or decided or cases
        chosen.sort(key=lambda case: case.first.start, reverse=True)
        return [_told(finder, self.db, case) for case in chosen[:STORIES]] or remains(self.db, text)

    def counts(self) -> Counts:
        """Return how much is stored, as of one moment."""
        update = t.order_update.c
        real = update.duplicate == 0
        with self.moment():
            return Counts(
                decisions=self._count(t.decision.c.id),
                votes=self._packed(t.decision.c.votes),
                orders=self._count(t.orders.c.id, t.orders.c.submitted == 1),
                updates=self._by_status(),
                duplicates=self._count(update.id, update.duplicate == 1),
                fills=self._count(update.id, real, update.fill_quantity > 0),
                fees=self._money(update.fee > 0),
                rebates=self._money(update.fee < 0),
                outcomes=self._packed(t.outcome.c.judgments),
            )

    def _count(self, column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> int:
        return int(self.db.execute(select(func.count(column)).where(*conditions)).scalar_one())

    def _packed(self, column: ColumnElement[Any]) -> int:
        return int(self.db.execute(select(func.sum(number_of(column)))).scalar() or 0)

    def _by_status(self) -> dict[str, int]:
        update, word = t.order_update, func.coalesce(t.name.c.value, "")
        query = (
            select(word, func.count()).select_from(update).join(t.name, t.name.c.id == update.c.status, isouter=True)
        )
        rows = self.db.execute(query.where(update.c.duplicate == 0).group_by(word).order_by(word))
        return {str(status): int(number) for status, number in rows}

    def _money(self, condition: ColumnElement[bool]) -> dict[str, Decimal]:
        update, word = t.order_update, func.coalesce(t.name.c.value, "")
        query = select(word, update.c.fee).join_from(update, t.name, t.name.c.id == update.c.fee_currency, isouter=True)
        sums: dict[str, Decimal] = {}
        for currency, fee in self.db.execute(query.where(condition, update.c.duplicate == 0).order_by(word)):
            sums[currency] = sums.get(currency, Decimal()) + abs(Decimal(repr(float(fee))))
        return sums


# --- what was said elsewhere ------------------------------------------------------------------------------------


def _told(finder: Finder, db: Connection, case: Case) -> Story:
    keys = _keys(case)
    spans: dict[tuple[str, str], StoredSpan] = {}
    outcomes: dict[tuple[str, str, int], StoredEvent] = {}
    others: set[str] = set()
    for span in _near(finder, keys, case):
        if is_decision(span):
            others.add(span.trace)
        if _belongs(span, case, keys):
            spans[span.trace, span.span] = span
        for place, event in enumerate(span.events):
            if event.name == s.OUTCOME.name and event.text(a.MODEL_KEY.key) in keys:
                outcomes[span.trace, span.span, place] = event
    spans |= {(span.trace, span.span): span for span in _strays(finder, case)}
    elsewhere = Elsewhere(tuple(spans.values()), tuple(outcomes.values()), logged(db, case, others))
    return tell(case, elsewhere, frozenset(keys))


def _near(finder: Finder, keys: Mapping[str, None], case: Case) -> Iterable[StoredSpan]:
    """Yield spans outside of a decision that may speak of it."""
    if case.decision is None:
        return
    own = {(span.trace, span.span) for span in case.spans}
    finder.expect(keys)
    for key in keys:
        yield from (span for span in finder.by_text(key) if (span.trace, span.span) not in own)


def _strays(finder: Finder, case: Case) -> Iterable[StoredSpan]:
    """Yield updates of the case's orders that came without their decision, for instance after a lost ledger."""
    for client, traces in finder.traces_of_orders(clients(case.spans)[:KEYS]).items():
        for trace in traces[:STORIES]:
            if trace != case.first.trace:
                spans = [span for span in finder.by_trace(trace) if span.text(a.CLIENT_ID.key) == client]
                if all(span.name == s.ORDER_UPDATE.name for span in spans):
                    yield from (span for span in spans if span.start >= case.first.start)


def _keys(case: Case) -> dict[str, None]:
    """Return the texts under which outcomes of a decision can be found."""
    found = [case.correlation_id, case.decision_id]
    if case.decision is not None:
        found += (event.text(a.MODEL_KEY.key) for event in case.decision.events if event.name != s.OUTCOME.name)
    return dict.fromkeys([key for key in dict.fromkeys(found) if key][:KEYS])


def _belongs(span: StoredSpan, case: Case, keys: Container[object]) -> bool:
    """Tell whether a span of another trace is part of a decision's story."""
    if span.name == s.OUTCOME.name and span.text(a.MODEL_KEY.key) in keys:
        return True
    decision, correlation = span.text(a.DECISION_ID.key), span.text(a.CORRELATION_ID.key)
    if decision is not None or correlation is None or case.correlation_id is None:
        return decision is not None and decision == case.decision_id
    return canonical(correlation) == canonical(case.correlation_id) and not is_decision(span)
