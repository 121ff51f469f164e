"""The worker's desk: everything that the hot path queued is examined, joined with its order, counted and encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ares_otel.correlation.ids import span_of, trace_of
from ares_otel.decision.deciding import LiveDecision, LiveOrder, Note, OpenDecision
from ares_otel.decision.live import LiveSpan
from ares_otel.decision.own import OwnReading
from ares_otel.decision.places import NOWHERE, Place, place_of
from ares_otel.decision.recovering import LostDecision
from ares_otel.decision.reported import keep_report
from ares_otel.decision.reporting import update_span
from ares_otel.decision.ringed import RingedDecision
from ares_otel.decision.saying import Said, listen
from ares_otel.decision.telling import Teller, examined_order, order_span, own_span, said_span, tell, teller_of
from ares_otel.decision.writing import Scribe, Writer
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

    def take(self, scope: Scope, encoded: Sequence[bytes], /) -> None:
        """Take finished spans as a writer has encoded them; an empty one could not be encoded."""

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
        writer: encodes decisions of the common kind; without it all goes out as spans.

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
        writer: Writer | None = None,
    ) -> None:
        self.recorder = recorder
        self.meter = meter
        self.book = book
        self.rule = rule
        self.out = out
        self.foreign = foreign
        self.writer = writer
        self.unsampled = 0
        self.closing = False
        self._by_type: dict[type, Callable[[Any], None]] = {
            LiveDecision: self._decision,
            RingedDecision: self._decision,
            LostDecision: self._lost,
            LiveOrder: self._sent,
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
            self._orders(place_of(live))
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
            self._orders(place := place_of(live))
            self._tell(place, abandoned=abandoned)
        finally:
            discard(live)

    def _orders(self, place: Place) -> None:
        for item in place.live.items if place.live.orders else ():
            if isinstance(item, LiveOrder) and item.told is None:
                self._order(item, place)

    def _tell(self, place: Place, *, abandoned: bool) -> None:
        live = place.live
        live.settled = True
        is_lost = isinstance(live, LostDecision) and live.open_end != ""
        kept = abandoned or is_lost or self.rule.keeps(live)
        teller = self._teller(place, kept=kept and not abandoned)
        facts, attributes = tell(teller, kept=kept, abandoned=abandoned)
        if isinstance(teller, Scribe):
            self.out.take(OWN, teller.write(facts, attributes))
        elif kept:
            self.out.put(OWN, teller.finish(facts, attributes))
        else:
            self.unsampled += 1
        self.meter.decision(facts)
        for record, at in teller.records:
            self._count(record, facts.origin, at)
        for item in teller.foreign if kept else ():
            self._foreign(item, place.common)

    def _teller(self, place: Place, *, kept: bool) -> Teller:
        offset, writer = self.recorder.clock.offset, self.writer
        if writer is None or not kept or not writer.takes(place.live):
            return teller_of(place, offset)
        return writer.scribe(place, offset)

    def _span(self, live: LiveSpan) -> None:
        if live.decision is not None or live.is_sampled:
            self.out.put(OWN, (own_span(live, self.recorder.clock.offset, _common(live)),))

    def _foreign(self, item: object, common: Mapping[str, Any] | None = None) -> None:
        found = self.foreign(item)
        if found is None:
            return
        scope, span = found
        if common:
            span = span._replace(attributes={**span.attributes, **common})
        self.out.put(scope, (span,))

    def _own(self, reading: OwnReading) -> None:
        if (values := _labels(reading)) is None:
            return
        exemplar = f"{reading.trace_id:032x}" if reading.trace_id else None
        self.meter.apply(reading.metric, reading.operation, float(reading.value), values, exemplar)

    # --- orders ------------------------------------------------------------------------------------------------

    def _sent(self, live: LiveOrder) -> None:
        if live.told is None:
            decision = live.decision
            self._order(live, place_of(decision) if isinstance(decision, OpenDecision) else None)

    def _order(self, live: LiveOrder, place: Place | None) -> None:
        order, _ = examined_order(live)  # and so it is told
        offset = self.recorder.clock.offset
        origin, price, waited = _submitted(live, order, place)
        if order.client_id:
            self.book.submit(order, origin, live.start, live.start + offset, price)
        self.meter.order(OrderFacts(order, origin, waited))
        if live.late:
            self.out.put(OWN, (order_span(live, offset, {} if place is None else place.common),))

    def _update(self, note: Note) -> None:
        given = note.record
        assert isinstance(given, OrderUpdate)
        update, attributes = examine(given)
        if not update.client_id or update.status is None:
            return
        wall = self.recorder.clock.wall(note.at)
        facts = self.book.update(update, note.at, wall, _origin(note))
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
        self._count(said.record, _origin(note, span), wall)
        self.out.put(OWN, (span,))

    def _count(self, record: Any, origin: Origin, at: int) -> None:
        if isinstance(record, Mark) and record.price is not None and record.symbol:
            self.book.mark(record.symbol, float(record.price))
        self.meter.record(RecordFacts(record, origin, at))


def _common(live: LiveSpan) -> Mapping[str, Any]:
    """Return what a span that came after its decision, or had none, carries besides its own attributes."""
    if isinstance(live.decision, OpenDecision):
        return place_of(live.decision).common
    return {} if live.rest.correlation is None else {a.CORRELATION_ID.key: live.rest.correlation}


def _submitted(live: LiveOrder, order: Order, place: Place | None) -> tuple[Origin, float | None, float | None]:
    """Return where an order was sent, the price at its decision, and how many seconds that took to send it."""
    if place is None:
        at = live.trace_id, live.span_id
        return Origin(*at, strategy=order.strategy, symbol=order.symbol), None, None
    price, begun = place.live.facts.price, place.live.start
    waited = (live.start - begun) / SECOND if begun else None
    return place.origin(live.span_id), None if price is None else float(price), waited


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


def _origin(note: Note, span: SpanData | None = None) -> Origin:
    """Return where a note was said; `span`: its own, which is where drift is found again that no decision saw."""
    if note.decision is not None:
        return place_of(note.decision).origin()
    if span is None or not isinstance(note.record, (DriftCheck, DriftEpisode)):
        return NOWHERE
    return Origin(span.trace_id, span.span_id, exemplar=f"{span.trace_id:032x}")


def _drawn(note: Note) -> str | None:
    return getattr(note, "drawn", None)


def _note_span(said: Said, note: Note, wall: int) -> SpanData:
    drawn = _drawn(note)
    own = None if drawn is None else span_of(drawn)
    if note.decision is not None:
        common = place_of(note.decision).common
        return said_span(said, wall, note.decision.trace_id, note.decision.span_id, common, own)
    around = note.span.get_span_context() if note.span is not None else None
    if around is not None and around.is_valid:
        return said_span(said, wall, around.trace_id, around.span_id, {}, own)
    key = str(getattr(said.record, "key", None))
    # an outcome whose key is a correlation id is found with its decision
    common = {a.CORRELATION_ID.key: key} if UUID.fullmatch(key) else {}
    trace = RECORDER.ids.moment(wall) if drawn is None else trace_of(drawn)
    return said_span(said, wall, trace, 0, common, own)
