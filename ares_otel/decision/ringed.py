"""What goes into the crash-safe ring, and when: the bot's thread writes what must not be lost, in few calls.

A decision is written when it begins, with each order that it sends (and all that it said before), and when it ends;
what an open one has said meanwhile is added by the worker. What is told outside of a decision (execution reports,
marks, late spans) is written at once. Metrics of the bot's own are not: they do not outlive a process anyway.

All of it goes to the queue first and to the ring then: what the worker has not seen is in the ring, or the process
ended between the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from opentelemetry.trace import Span

from ares_otel.decision.deciding import LiveDecision, LiveOrder, Note, OpenDecision
from ares_otel.decision.live import LiveSpan, More, plain_writes
from ares_otel.decision.saying import hashed, without_secrets
from ares_otel.guard import GUARD, shown
from ares_otel.pipeline.model import Scope, SpanData
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.pipeline.ring import Ring
from ares_otel.records import Decision, ExchangeRequest, Order, Resolution, Vote

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FIELDS", "FOREIGN", "Kind", "RingedDecision", "RingedQueue", "begun", "packed", "plain", "write"]

WHERE: Final = "ring"
DEPTH: Final = 8
LEAST, MOST = -(1 << 63), (1 << 64) - 1
NEVER: Final = -1
NOTHING: Final = ()
values_of = msgspec.structs.astuple
_append = deque.append

FIELDS: Final = {kind.__name__: kind.__struct_fields__ for kind in (Decision, Order, Resolution)}
"""What is written as bare values, in which order."""

FOREIGN: list[Callable[[object], tuple[Scope, SpanData] | None]] = []
"""What turns a span of another instrumentation into ours; set with the ring, because it knows the SDK."""


class Kind(IntEnum):
    """What a record of the ring says."""

    BEGIN = 1
    MORE = 2
    END = 3
    ORDER = 4
    SPAN = 5
    NOTE = 6
    CLOCK = 7
    MARKS = 8
    REPORT = 9


BEGIN, MORE, END = int(Kind.BEGIN), int(Kind.MORE), int(Kind.END)


class RingedQueue(deque[Any]):
    """The recorder's queue, whose items are in the ring, too."""

    def append(self, item: Any) -> None:
        """Append an item and write it down; what cannot be written waits for the worker all the same."""
        _append(self, item)
        ring = R.ring
        if ring is None:
            return
        try:
            if type(item) is not RingedDecision:
                _loose(ring, item)
            elif ring.tight:
                ring.refuse()
            elif write(ring, begun(item)):
                item.noted = 0
        except Exception as error:  # noqa: BLE001  nothing of ours reaches the bot
            GUARD.failed(WHERE, error)


@plain_writes
class RingedDecision(LiveDecision, eq=False):  # type: ignore[call-arg]
    """A decision that is in the ring, too.

    Attributes:
        noted: how many of its items are in the ring; negative while it is not there, and once its end is.
        sent: its orders and their places among the items: they may change until it ends.
    """

    noted: int = NEVER
    sent: tuple[tuple[int, LiveOrder], ...] = ()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        noted, items = self.noted, self.items
        # the worker empties the list as soon as it has told the decision
        left = items[noted:] if len(items) > noted >= 0 else NOTHING
        OpenDecision.__exit__(self, kind, error, tb)
        if self.noted >= 0:
            self._write_end(items if noted < 0 else left)

    def send(self, order: Order) -> LiveOrder:
        """Say that an order is sent, as a record."""
        live = LiveDecision.send(self, order)
        if self.noted >= 0 and not live.late:
            items = self.items
            place = len(items) - 1
            # another thread may have added something meanwhile
            self.sent += ((place if items[place] is live else items.index(live), live),)
            self.note_more()
        return live

    def note_more(self) -> None:
        """Write what it said since the last time."""
        try:
            ring, first = R.ring, self.noted
            if ring is None or first < 0:
                return
            items = packed(self.items[first:] if first else self.items)
            if items and write(ring, (MORE, self.drawn, first, items)):
                self.noted = first + len(items)
        except Exception as error:  # noqa: BLE001  nothing of ours reaches the bot
            GUARD.failed(WHERE, error)

    def note_again(self) -> None:
        """Write all of it anew, so that what was written earlier is no longer needed."""
        ring = R.ring
        if ring is not None and self.noted != NEVER and write(ring, begun(self)):
            write(ring, (MORE, self.drawn, 0, packed(self.items)))

    def note_abandoned(self) -> None:
        """Write that the time limit closed it."""
        if self.noted != NEVER:
            self._write_end(self.items[self.noted :], abandoned=True)

    def _write_end(self, left: Sequence[Any], *, abandoned: bool = False) -> None:
        try:
            ring, first, said = R.ring, self.noted, self.resolution
            self.noted = NEVER
            if ring is None:
                return
            resolved = None if said is None else values_of(said)
            changed: Sequence[Any] = NOTHING
            for _, order in self.sent:
                if order.end_at or order.more is not None:
                    # its submission ended after it was written
                    changed = [(place, _order(each)) for place, each in self.sent]
            if not (left or changed or abandoned) and self.more is None and self.extra is None:
                ring.put(_ENCODE((END, self.drawn, first, NOTHING, self.end_at, resolved)))
                return
            more = None if self.more is None else _more(self.more)
            known = self.end_at, resolved, abandoned, self.name
            if not write(ring, (END, self.drawn, first, packed(left), *known, self.extra, more, changed)):
                write(ring, (END, self.drawn, first, NOTHING, *known))
        except Exception as error:  # noqa: BLE001  nothing of ours reaches the bot
            GUARD.failed(WHERE, error)


def write(ring: Ring, what: tuple[Any, ...]) -> bool:
    """Write a record; what it holds of values that no record can hold becomes text."""
    try:
        payload = _ENCODE(what)
    except Exception:  # noqa: BLE001  a user's object may raise anything
        payload = _ENCODE(_tamed(what, 0))
    return ring.put(payload)


def begun(live: OpenDecision) -> tuple[Any, ...]:
    """Return what a decision is when it begins."""
    facts, drawn, given = live.facts, live.drawn or live.key, live.given_correlation
    given = None if given is drawn else given
    if live.parent is None and facts.account is None:
        return BEGIN, drawn, live.start, values_of(facts), None, given, live.causation_id, None
    account = None if facts.account is None else hashed(str(facts.account))
    around = None if live.parent is None else _around(live.parent)
    facts = msgspec.structs.replace(facts, account=None)
    return BEGIN, drawn, live.start, values_of(facts), account, given, live.causation_id, around


def _loose(ring: Ring, item: object) -> None:
    if isinstance(item, Note):
        item.drawn = getattr(item, "drawn", None) or R.ids.draw(item.at + R.clock.offset)
        around = None if item.span is None or item.decision is not None else _around(item.span)
        record = type(item.record).__name__, _shown(item.record)
        write(ring, (int(Kind.NOTE), item.at, *record, _ghost(item.decision), around, item.drawn))
    elif isinstance(item, LiveOrder):
        if item.late:
            write(ring, (int(Kind.ORDER), _item(item), _ghost(item.decision), item.trace_id.to_bytes(16, "big")))
    elif isinstance(item, LiveSpan):
        around = None if item.parent is None else _around(item.parent)
        correlation, trace = item.rest.correlation, item.trace_id.to_bytes(16, "big")
        item.span_id  # noqa: B018  draws it
        write(ring, (int(Kind.SPAN), _item(item), _ghost(item.decision), trace, around, correlation))


def _ghost(decision: object) -> tuple[Any, ...] | None:
    return begun(decision)[1:] if isinstance(decision, OpenDecision) else None


def _around(span: Span) -> tuple[Any, ...]:
    """Return where a span is that something has begun in."""
    context = span.get_span_context()
    return context.trace_id.to_bytes(16, "big"), context.span_id, int(context.trace_flags), context.is_remote


# --- items of a decision -------------------------------------------------------------------------------------------


def packed(items: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return items of a decision without references to it, or to other spans; the common ones without a call."""
    found: list[tuple[Any, ...]] = []
    for item in items:
        kind = type(item)
        if kind is tuple and type(item[1]) is str:
            found.append(item)
        elif kind is LiveSpan and item.parent is item.decision and item.more is None:
            found.append((0, item.name, item.extra, item.component, item.start, item.end_at, 0, item.drawn_span))
        else:
            found.append(_order(item) if kind is LiveOrder else _item(item))
    return found


def _item(item: Any) -> tuple[Any, ...]:
    if isinstance(item, tuple):
        return _said(item)
    if isinstance(item, LiveOrder):
        return _order(item)
    if isinstance(item, LiveSpan):
        more = None if item.more is None else _more(item.more)
        span = item.name, item.extra, item.component, item.start, item.end_at, _above(item), item.drawn_span
        return (0, *span) if more is None else (0, *span, more)
    found = FOREIGN[0](item) if FOREIGN else None
    if found is None:
        return (2,)
    scope, told = found
    links = [(*_wide(link.trace_id), *link[1:]) for link in told.links]
    values = told._asdict() | {"links": links}
    return 2, tuple(scope), (*_wide(told.trace_id), *list(values.values())[1:])


def _said(item: tuple[Any, ...]) -> tuple[Any, ...]:
    at, what, inside = item
    if isinstance(what, str):
        return item
    if what is Vote:
        return at, None, inside
    records = what if isinstance(what, tuple) else (what,)
    above = inside.span_id if isinstance(inside, LiveSpan) and not isinstance(inside, OpenDecision) else 0
    return at, [(type(each).__name__, _shown(each)) for each in records], above


def _order(live: LiveOrder) -> tuple[Any, ...]:
    order, account = live.record, None
    if order.account is not None:
        account = hashed(str(order.account))
        order = msgspec.structs.replace(order, account=None)
    own = live.drawn_span = live.drawn_span or R.ids.span()
    above = 0 if live.parent is cast("Any", live.decision) else _above(live)
    span = 1, live.start, live.end_at, above, own, values_of(order)
    if live.more is None and live.extra is None and account is None:
        return span
    return *span, live.extra, None if live.more is None else _more(live.more), account


def _above(live: LiveSpan) -> int | None:
    """Return the id of the parent, 0 for the decision, None for none."""
    parent = live.parent
    if parent is None:
        return None
    if parent is cast("Any", live.decision):
        return 0
    return parent.span_id if isinstance(parent, LiveSpan) else parent.get_span_context().span_id


def _more(more: More) -> tuple[Any, ...]:
    status = None if more.status is None else (more.status.status_code.value, more.status.description)
    links = [(*_wide(where.trace_id), where.span_id, said) for where, said in more.links]
    return more.error, more.events, links, status


def _wide(trace: int) -> tuple[bytes]:
    return (trace.to_bytes(16, "big"),)


def _shown(record: object) -> object:
    """Return a record as it is shown on spans, without secrets."""
    if isinstance(record, ExchangeRequest) and isinstance(record.url, str):
        return msgspec.structs.replace(record, url=without_secrets(record.url))
    return record


# --- values --------------------------------------------------------------------------------------------------------


def plain(value: object) -> object:
    """Return what stands for an object that no format knows: what its span would show of it."""
    with GUARD.shield(WHERE):
        if isinstance(value, Mapping):
            return dict(value)
        for kind in (str, int, float):
            if isinstance(value, kind):
                return kind(value)
        convert = getattr(value, "item" if getattr(value, "ndim", None) == 0 else "tolist", None)
        return convert() if callable(convert) else str(value)
    return shown(value)


def _tamed(value: object, depth: int) -> object:
    """Return a value of which every part can be written."""
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    tame: object = shown(value, str)
    if isinstance(value, str):
        tame = value.encode("utf-8", "replace").decode()
    elif value is None or isinstance(value, (bool, float, bytes, datetime, Decimal)):
        tame = value
    elif isinstance(value, int):
        tame = int(value) if LEAST <= value <= MOST else shown(value)
    elif depth < DEPTH and isinstance(value, Mapping):
        tame = {str(_tamed(key, DEPTH)): _tamed(each, depth + 1) for key, each in list(value.items())}
    elif depth < DEPTH and isinstance(value, (list, tuple, set, frozenset, deque)):
        tame = [_tamed(each, depth + 1) for each in list(value)]
    return tame


_ENCODE = msgspec.msgpack.Encoder(enc_hook=plain, decimal_format="number").encode
