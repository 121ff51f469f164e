"""Decisions and reports of a process that was killed, made anew of what its ring holds.

They become the objects that the worker knows, so that they are told as they would have been: same names, same ids.
Where the killed process had sent some of it already, the receiver gets it a second time under the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags

from ares_otel import records
from ares_otel.decision.deciding import LiveDecision, LiveOrder, Note
from ares_otel.decision.live import Failure, LiveSpan, More, plain_writes
from ares_otel.decision.reported import Reported
from ares_otel.decision.ringed import Kind, RingedDecision
from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, Scope, SpanData
from ares_otel.pipeline.ring import Found, Position
from ares_otel.records import Decision, Order, Record, Resolution, Vote
from ares_otel.semconv import attributes as a

__all__ = ["ForeignSpan", "LostDecision", "Recovery"]

START: Final = Position(0, 0)
ENDED: Final = (False, "decision", None, None, ())
SPAN, ORDER = 0, 1
TIMES: Final = 1 << 10
"""An item that begins with a larger number begins with a time."""
RECORDS: Final[Mapping[str, type[Record]]] = {
    name: kind
    for name, kind in vars(records).items()
    if isinstance(kind, type) and issubclass(kind, Record) and kind is not Record
}
R = TypeVar("R", bound=Record)


class ForeignSpan(msgspec.Struct, frozen=True):
    """A span of another instrumentation, as it was handed to a decision."""

    scope: Scope
    span: SpanData


@plain_writes
class LostDecision(RingedDecision, eq=False):  # type: ignore[call-arg]
    """A decision of a process that was killed.

    Attributes:
        open_end: why its end is not known, in words; "" where it had ended.
        aborted: it was open when the process was killed.
        timed_out: the time limit had closed it.
    """

    open_end: str = ""
    aborted: bool = False
    timed_out: bool = False


class _Kept:
    """What the ring says of one decision: its beginning, its items by place, its end."""

    def __init__(self) -> None:
        self.begin: Sequence[Any] | None = None
        self.items: dict[int, Sequence[Any]] = {}
        self.end: Sequence[Any] | None = None
        self.began = self.ended = START

    def add(self, first: int, items: Sequence[Sequence[Any]]) -> None:
        self.items.update(enumerate(items, first))


class Recovery:
    """Reads what is left in a ring.

    Args:
        found: the ring.
        fields: names of the values of records that are written bare, by record.
        offset: nanoseconds from this process's monotonic clock to Unix time; times are given in that clock.

    Attributes:
        damaged: records that could not be read.
        decisions: that had not been delivered, in the order in which they began.
        loose: what was told outside of decisions, in its order; True: the ledger has it already; and what that made
            of a report, where it was told before.
    """

    def __init__(self, found: Found, fields: Mapping[str, Sequence[str]], clock: int, offset: int) -> None:
        self.damaged = found.damaged
        self.decisions: list[LostDecision] = []
        self.loose: list[tuple[object, bool, Reported | None]] = []
        self._fields = fields
        self._gaps = found.gaps
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._booked = self._released = START
        self._reports: dict[str, Sequence[Any]] = {}
        loose = self._sort(found.records)
        self._shift = self._clock - offset
        for kept in self._kept.values():
            self._decide(kept)
        for place, said in loose:
            if place >= self._released:
                with GUARD.shield("ring"):
                    made = self._made(said)
                    self.loose.append((made, place < self._booked, self._reported(made)))

    def _sort(self, found: Iterable[tuple[Position, bytes]]) -> list[tuple[Position, Sequence[Any]]]:
        loose: list[tuple[Position, Sequence[Any]]] = []
        for place, payload in found:
            try:
                kind, *said = msgspec.msgpack.decode(payload)
                if kind in (Kind.NOTE, Kind.SPAN, Kind.ORDER):
                    loose.append((place, (kind, *said)))
                else:
                    self._note(Kind(kind), said, place)
            except (msgspec.DecodeError, ValueError, TypeError, IndexError) as error:
                self.damaged += 1
                GUARD.failed("ring", error)
        return loose

    def _note(self, kind: Kind, said: Sequence[Any], place: Position) -> None:
        if kind is Kind.CLOCK:
            self._clock = int(said[0])
        elif kind is Kind.MARKS:
            self._booked, self._released = Position(*said[:2]), Position(*said[2:4])
        elif kind is Kind.REPORT:
            self._reports[said[0]] = said[1:]
        else:
            kept = self._kept.setdefault(said[0], _Kept())
            if kind is Kind.BEGIN:
                kept.begin, kept.began = said, place
            else:
                kept.add(said[1], said[2])
            if kind is Kind.END:
                kept.end, kept.ended = said[3:], place

    # --- decisions ---------------------------------------------------------------------------------------------

    def _decide(self, kept: _Kept) -> None:
        """Make a decision, unless it was delivered, or began before all that the ring holds: then it was, too."""
        if kept.begin is None or (kept.end is not None and kept.ended < self._released):
            return
        if kept.end is None and self._gaps and kept.began < self._released:
            return
        with GUARD.shield("ring"):
            live = self._begun(kept.begin)
            live.items = [self._item(item, live) for _, item in sorted(kept.items.items())]
            live.orders = any(isinstance(item, LiveOrder) for item in live.items)
            if kept.end is not None:
                self._end(live, *kept.end)
            else:
                live.aborted = not self._gaps
                live.open_end = "the ring was full" if self._gaps else "the process ended before it did"
                live.end_at = max((_last(item) for item in live.items), default=live.start)
            _adopt(live)
            self.decisions.append(live)

    def _begun(self, said: Sequence[Any]) -> LostDecision:
        drawn, start, facts, account, correlation, causation, around = said[:7]
        live = LostDecision(facts=self._bare(Decision, facts), drawn=drawn, start=start + self._shift)
        live.given_correlation = drawn if correlation is None else correlation
        live.causation_id = causation
        live.extra = {a.ACCOUNT.key: account} if account else None
        if around is not None:
            live.parent = _span_of(around)
            live.drawn_trace = int.from_bytes(around[0], "big")
        return live

    def _end(self, live: LostDecision, *said: Any) -> None:
        end_at, resolution = said[:2]
        rest = [*said[2:7], *ENDED[len(said) - 2 :]]
        timed_out, name, extra, more, changed = rest
        live.end_at = end_at + self._shift
        live.timed_out = timed_out
        live.name = name
        live.resolution = None if resolution is None else self._bare(Resolution, resolution)
        if extra:
            live.extra = {**extra, **(live.extra or {})}
        live.more = None if more is None else _more(more)
        for place, item in changed:
            if place < len(live.items):
                live.items[place] = self._item(item, live)

    def _item(self, said: Sequence[Any], live: LiveDecision) -> object:
        first = said[0]
        if first in (SPAN, ORDER):
            return (self._order if first == ORDER else self._span)(said, live, live.trace_id)
        if first < TIMES:
            return _foreign(said[1:]) if len(said) > 1 else None
        at, what, more = first + self._shift, said[1], said[2]
        if isinstance(what, str):
            return at, what, more
        if what is None:
            return at, Vote, tuple(_vote(each) for each in more)
        inside = live if not more else LiveSpan("", live, drawn_span=more)
        return at, tuple(self._record(*each) for each in what), inside

    def _span(self, said: Sequence[Any], decision: LiveDecision | None, trace: int) -> LiveSpan:
        name, extra, component, start, end_at, above, own = said[1:8]
        times = start + self._shift, end_at and end_at + self._shift
        live = LiveSpan(name, decision, extra, component, *times, _parent(trace, above, decision), None, own)
        live.more = _more(said[8]) if len(said) > 8 else None  # noqa: PLR2004  it has more
        return live

    def _order(self, said: Sequence[Any], decision: LiveDecision | None, trace: int) -> LiveOrder:
        start, end_at, above, own, order = said[1:6]
        extra, more, account = said[6:9] if len(said) > 6 else (None, None, None)  # noqa: PLR2004  it has more
        extra = {**(extra or {}), a.ACCOUNT.key: account} if account else extra
        times = start + self._shift, end_at and end_at + self._shift
        live = LiveOrder("order submit", decision, extra, None, *times, _parent(trace, above, decision), None, own)
        live.record = self._bare(Order, order)
        live.more = None if more is None else _more(more)
        return live

    # --- what was told outside of decisions --------------------------------------------------------------------

    def _made(self, said: Sequence[Any]) -> object:
        kind = said[0]
        if kind == Kind.NOTE:
            at, name, record, ghost, around, drawn = said[1:7]
            where = None if around is None else _span_of(around)
            note = Note(self._record(name, record), at + self._shift, self._ghost(ghost), where)
            note.drawn = drawn
            return note
        decision, trace = self._ghost(said[2]), int.from_bytes(said[3], "big")
        if kind == Kind.ORDER:
            order = self._order(said[1], decision, trace)
            order.making_more.trace, order.late = trace, True
            _share_account(decision, order)
            return order
        live = self._span(said[1], decision, trace)
        around, live.making_more.correlation = said[4:6]
        live.making_more.trace = trace
        live.parent = decision if around is None else _span_of(around)
        return live

    def _reported(self, made: object) -> Reported | None:
        said = self._reports.get(made.drawn) if isinstance(made, Note) else None
        return None if said is None else Reported(said, lambda values: self._bare(Order, values))

    def _ghost(self, said: Sequence[Any] | None) -> LostDecision | None:
        return None if said is None else self._begun(said)

    # --- records -----------------------------------------------------------------------------------------------

    def _bare(self, kind: type[R], values: Sequence[Any]) -> R:
        return _of(kind, dict(zip(self._fields[kind.__name__], values, strict=False)))

    def _record(self, name: str, said: Mapping[str, Any]) -> Record:
        return _of(RECORDS[name], said)


def _of(kind: type[R], said: Mapping[str, Any]) -> R:
    return kind(**{name: value for name, value in said.items() if name in kind.__struct_fields__})


def _vote(said: Any) -> object:
    return _of(Vote, said) if isinstance(said, Mapping) else tuple(said)


def _parent(trace: int, above: int | None, decision: LiveDecision | None) -> Span | None:
    if above is None:
        return None
    return _span_of((trace.to_bytes(16, "big"), above, 1, False)) if above else decision


def _more(said: Sequence[Any]) -> More:
    error, events, links, status = said[:4]
    return More(
        error=None if error is None else Failure(*error),
        events=[(name, time, facts) for name, time, facts in events],
        links=[(_context(trace, span, 1, remote=False), facts) for trace, span, facts in links],
        status=None if status is None else Status(StatusCode(status[0]), status[1]),
    )


def _foreign(said: Sequence[Any]) -> ForeignSpan:
    scope, span = said[:2]
    made = SpanData(int.from_bytes(span[0], "big"), *span[1:])
    events = [EventData(*each) for each in made.events]
    links = [LinkData(int.from_bytes(each[0], "big"), *each[1:]) for each in made.links]  # type: ignore[arg-type]
    return ForeignSpan(Scope(*scope), made._replace(events=events, links=links))


def _span_of(around: Sequence[Any]) -> NonRecordingSpan:
    trace, span, flags, remote = around[:4]
    return NonRecordingSpan(_context(trace, span, flags, remote=remote))


def _context(trace: bytes, span: int, flags: int, *, remote: bool) -> SpanContext:
    return SpanContext(int.from_bytes(trace, "big"), span, is_remote=remote, trace_flags=TraceFlags(flags))


def _last(item: object) -> int:
    """Return the last time that an item tells of."""
    if isinstance(item, tuple):
        return int(item[0])
    return item.end_at or item.start if isinstance(item, LiveSpan) else 0


def _adopt(live: LostDecision) -> None:
    """Drop what is no item; put below the decision what happened in a span that never ended: nobody knows that one."""
    items = live.items = [item for item in live.items if item is not None]
    spans = [item for item in items if isinstance(item, LiveSpan)]
    for order in spans:
        _share_account(live, order)
    if not live.open_end:
        return
    known = {span.drawn_span for span in spans}
    known |= {item.span.span_id for item in items if isinstance(item, ForeignSpan)}
    for span in spans:
        if span.parent is not None and span.parent is not live and span.parent_id not in known:
            span.parent = live
    live.items = [_within(item, live, known) for item in items]


def _share_account(decision: LostDecision | None, order: LiveSpan) -> None:
    """Give an order that names no account that of its decision, as it has been written: hashed."""
    account = (decision.extra or {}).get(a.ACCOUNT.key) if decision is not None else None
    if account and isinstance(order, LiveOrder):
        order.extra = {a.ACCOUNT.key: account, **(order.extra or {})}


def _within(item: Any, live: LostDecision, known: set[int]) -> object:
    if not isinstance(item, tuple) or not isinstance(item[2], LiveSpan) or item[2].drawn_span in known:
        return item
    return item[0], item[1], live
