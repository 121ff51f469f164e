"""The worker's desk: everything that the hot path queued is examined, joined with its order, counted and encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ares_otel.correlation.ids import span_of, trace_of
from ares_otel.decision.deciding import LiveDecision, LiveOrder, Note, OpenDecision
from ares_otel.decision.live import LiveSpan
from ares_otel.decision.own import OwnReading
from ares_otel.decision.places import common_attributes, origin_of
from ares_otel.decision.recovering import LostDecision
from ares_otel.decision.reported import keep_report
from ares_otel.decision.reporting import update_span
from ares_otel.decision.ringed import RingedDecision
from ares_otel.decision.saying import Said, listen
from ares_otel.decision.telling import (
    examined_order,
    order_span,
    own_span,
    said_span,
    tell,
)
from ares_otel.guard import GUARD
from ares_otel.pipeline.model import Scope, SpanData
from ares_otel.pipeline.recorder import RECORDER, Recorder, discard
from ares_otel.records import DriftCheck, DriftEpisode, Mark, Order, OrderUpdate, examine
from ares_otel.records.facts import DecisionFacts, OrderFacts, Origin, RecordFacts, UpdateFacts
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import DropReason
from ares_otel.semconv.model import Metric

__all__ = ["Book", "Desk", "Meter", "Out", "Rule"]

SECOND = 1e9
OWN = Scope("ares_otel")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Meter(Protocol):
    """What counts."""

    def decision(self, facts: DecisionFacts, /) -> None:
        """Count an ended decision."""

    def order(self, facts: OrderFacts, /) -> None:
        """Count an order that was sent."""

    def update(self, facts: UpdateFacts, /) -> None:
        """Count an execution report."""

    def record(self, facts: RecordFacts, /) -> None:
        """Count anything else."""

    def apply(
        self, metric: Metric, op: str, value: float, label_values: tuple[str | None, ...], exemplar: str | None
    ) -> None:
        """Write to one of the bot's own metrics."""


class Book(Protocol):
    """What joins execution reports with their orders."""

    def submit(self, order: Order, origin: Origin, at: int, wall: int, decision_price: float | None = None) -> None:
        """Remember an order that was sent."""

    def update(self, update: OrderUpdate, at: int, wall: int, origin: Origin) -> UpdateFacts:
        """Join an execution report with its order."""

    def mark(self, symbol: str, price: float) -> None:
        """Remember the newest mark of a symbol."""


class Out(Protocol):
    """The way out."""

    def put(self, scope: Scope, spans: Iterable[SpanData], /) -> None:
        """Take finished spans."""

    def lose(self, number: int, reason: DropReason, /) -> None:
        """Count what will never be a span."""


class Rule(Protocol):
    """Which decisions are traced."""

    def keeps(self, live: OpenDecision) -> bool:
        """Tell whether the trace of an ended decision is exported."""


class Desk:
    """Works through a snapshot of the queue; called by the worker's thread only.

    Args:
        recorder: gives the clock.
        meter: counts.
        book: joins orders and reports.
        rule: decides which traces are kept.
        out: takes finished spans by scope, and counts what could not be told.
        foreign: turns a span of another instrumentation into ours, or None for what is no span.

    Attributes:
        unsampled: decisions that were counted but not traced.
        closing: the process ends: open decisions are closed in the next round.
    """

    def __init__(
        self,
        recorder: Recorder,
        meter: Meter,
        book: Book,
        rule: Rule,
        out: Out,
        foreign: Callable[[object], tuple[Scope, SpanData] | None],
    ) -> None:
        self.recorder = recorder
        self.meter = meter
        self.book = book
        self.rule = rule
        self.out = out
        self.foreign = foreign
        self.unsampled = 0
        self.closing = False
        self._by_type: dict[type, Callable[[Any], None]] = {
            LiveDecision: self._decision,
            RingedDecision: self._decision,
            LostDecision: self._lost,
            LiveOrder: self._order,
            LiveSpan: self._span,
            Note: self._note,
            OwnReading: self._own,
        }

    def work(self, items: Iterable[object]) -> None:
        """Work through items; what fails is counted and does not stop the rest."""
        for item in items:
            try:
                handle = self._by_type.get(type(item))
                if handle is not None:
                    handle(item)
                else:
                    self._foreign(item)
            except Exception as error:  # noqa: BLE001  one bad item must not cost the others
                GUARD.failed(f"worker {type(item).__name__}", error)
                self.out.lose(1, DropReason.INVALID)

    def abandon(self, older_than: float) -> int:
        """Close decisions that are open for longer than that many seconds; return how many."""
        limit = self.recorder.now() - int(older_than * SECOND)
        watched, self.recorder.open = self.recorder.open, []
        for live in watched:
            if live.start > limit:
                self.recorder.open.append(live)
                continue
            is_open = not live.end_at
            live.end_at = live.end_at or self.recorder.now()
            if is_open and isinstance(live, RingedDecision):
                live.note_abandoned()
            try:
                self._end(live, abandoned=is_open)
            except Exception as error:  # noqa: BLE001  one bad decision must not cost the others
                GUARD.failed("abandon", error)
                self.out.lose(1, DropReason.INVALID)
        return len(watched) - len(self.recorder.open)

    # --- decisions and spans -----------------------------------------------------------------------------------

    def _decision(self, live: OpenDecision) -> None:
        """Tell a decision that has ended; keep an open one, whose orders are on their way already."""
        if live.settled:
            return
        if not live.end_at:
            self._orders(live, common_attributes(live))
            if len(self.recorder.open) < self.recorder.open_limit:
                self.recorder.open.append(live)
                return
            live.missed = True  # nobody watches it: its end puts it into the queue
            if not live.end_at:
                return
        self._end(live)

    def _lost(self, live: LostDecision) -> None:
        self._end(live, abandoned=live.timed_out)

    def _end(self, live: OpenDecision, *, abandoned: bool = False) -> None:
        try:
            self._orders(live, common := common_attributes(live))
            self._tell(live, common, abandoned=abandoned)
        finally:
            discard(live)

    def _orders(self, live: OpenDecision, common: Mapping[str, Any]) -> None:
        for item in live.items if live.orders else ():
            if isinstance(item, LiveOrder):
                self._order(item, common)

    def _tell(self, live: OpenDecision, common: Mapping[str, Any], *, abandoned: bool) -> None:
        live.settled = True
        is_lost = isinstance(live, LostDecision) and live.open_end != ""
        kept = abandoned or is_lost or self.rule.keeps(live)
        told = tell(live, self.recorder.clock.wall, common, kept=kept, abandoned=abandoned)
        self.meter.decision(told.facts)
        for record, at in told.records:
            self._count(record, told.facts.origin, at)
        if kept:
            self.out.put(OWN, told.spans)
            for item in told.foreign:
                self._foreign(item, common)
        else:
            self.unsampled += 1

    def _span(self, live: LiveSpan) -> None:
        if live.decision is None and not live.is_sampled:
            return
        common: dict[str, Any] = {}
        if isinstance(live.decision, OpenDecision):
            common = common_attributes(live.decision)
        elif live.rest.correlation is not None:
            common = {a.CORRELATION_ID.key: live.rest.correlation}
        self.out.put(OWN, (own_span(live, self.recorder.clock.wall, common),))

    def _foreign(self, item: object, common: Mapping[str, Any] | None = None) -> None:
        found = self.foreign(item)
        if found is None:
            return
        scope, span = found
        if common:
            span = span._replace(attributes={**span.attributes, **common})
        self.out.put(scope, (span,))

    def _own(self, reading: OwnReading) -> None:
        values = _labels(reading)
        if values is None:
            return
        exemplar = f"{reading.trace_id:032x}" if reading.trace_id else None
        self.meter.apply(reading.metric, reading.operation, float(reading.value), values, exemplar)

    # --- orders ------------------------------------------------------------------------------------------------

    def _order(self, live: LiveOrder, common: Mapping[str, Any] | None = None) -> None:
        if live.told is not None:
            return
        order, _ = examined_order(live)  # and so it is told
        decision = live.decision if isinstance(live.decision, OpenDecision) else None
        wall = self.recorder.clock.wall(live.start)
        origin = origin_of(decision, live, exemplar=True, common=common)
        if decision is None:
            origin = Origin(trace_id=live.trace_id, span_id=live.span_id, strategy=order.strategy, symbol=order.symbol)
        price = decision.facts.price if decision is not None else None
        if order.client_id:
            self.book.submit(order, origin, live.start, wall, float(price) if price is not None else None)
        waited = (live.start - decision.start) / SECOND if decision is not None and decision.start else None
        self.meter.order(OrderFacts(order, origin, waited))
        if live.late:
            common = common_attributes(decision) if decision is not None else {}
            self.out.put(OWN, (order_span(live, self.recorder.clock.wall, common),))

    def _update(self, note: Note) -> None:
        given = note.record
        assert isinstance(given, OrderUpdate)
        update, attributes = examine(given)
        wall = self.recorder.clock.wall(note.at)
        if not update.client_id or update.status is None:
            return
        facts = self.book.update(update, note.at, wall, origin_of(note.decision, None, exemplar=True))
        self.meter.update(facts)
        keep_report(self.recorder.ring, note, facts)
        self.out.put(OWN, (update_span(facts, attributes, wall, _drawn(note)),))

    # --- records outside of an open decision -------------------------------------------------------------------

    def _note(self, note: Note) -> None:
        if isinstance(note.record, OrderUpdate):
            self._update(note)
            return
        said = listen(note.record)
        if said is None:
            return
        wall = self.recorder.clock.wall(note.at)
        span = _note_span(said, note, wall)
        origin = origin_of(note.decision, None, exemplar=True)
        if note.decision is None and isinstance(said.record, (DriftCheck, DriftEpisode)):
            origin = Origin(span.trace_id, span.span_id, exemplar=f"{span.trace_id:032x}")
        self._count(said.record, origin, wall)
        self.out.put(OWN, (span,))

    def _count(self, record: Any, origin: Origin, at: int) -> None:
        if isinstance(record, Mark) and record.price is not None and record.symbol:
            self.book.mark(record.symbol, float(record.price))
        self.meter.record(RecordFacts(record, origin, at))


def _labels(reading: OwnReading) -> tuple[str | None, ...] | None:
    """Return label values in the declared order, None if one was given that is not declared."""
    given = dict(reading.labels)
    found = (given.pop(name, None) for name in reading.metric.label_names)
    values = tuple(None if value is None else str(value) for value in found)
    if not given:
        return values
    message = f"labels {sorted(given)} are not declared; the value is left out"
    GUARD.complain("own metric", reading.metric.name, f"{reading.metric.name}: {message}")
    return None


def _drawn(note: Note) -> str | None:
    return getattr(note, "drawn", None)


def _note_span(said: Said, note: Note, wall: int) -> SpanData:
    drawn = _drawn(note)
    own = None if drawn is None else span_of(drawn)
    if note.decision is not None:
        common = common_attributes(note.decision)
        return said_span(said, wall, note.decision.trace_id, note.decision.span_id, common, own)
    around = note.span.get_span_context() if note.span is not None else None
    if around is not None and around.is_valid:
        return said_span(said, wall, around.trace_id, around.span_id, {}, own)
    key = str(getattr(said.record, "key", None))
    # an outcome whose key is a correlation id is found with its decision
    common = {a.CORRELATION_ID.key: key} if UUID.fullmatch(key) else {}
    trace = RECORDER.ids.moment(wall) if drawn is None else trace_of(drawn)
    return said_span(said, wall, trace, 0, common, own)
