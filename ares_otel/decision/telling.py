"""What the worker makes of an ended decision: facts for the metrics, spans for the encoder."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import msgspec
from opentelemetry.trace import Span, StatusCode
from opentelemetry.util.types import AttributeValue

from ares_otel.decision.deciding import LiveOrder, OpenDecision
from ares_otel.decision.live import Failure, LiveSpan, exception_attributes
from ares_otel.decision.places import Place
from ares_otel.decision.recovering import LostDecision
from ares_otel.decision.ringed import RingedDecision
from ares_otel.decision.saying import Said, hashed, listen
from ares_otel.pipeline.model import EventData, LinkData, SpanData
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Attributes, Decision, Order, Record, Regime, Stage, Vote, examine
from ares_otel.records.check import Joint
from ares_otel.records.facts import DecisionFacts
from ares_otel.records.rows import votes_of
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import Action, Component

__all__ = [
    "COMPONENTS",
    "OTHER",
    "Teller",
    "examined_order",
    "numbered",
    "order_span",
    "own_span",
    "said_span",
    "tell",
    "teller_of",
]

SECOND = 1e9
ERROR = 2
INTERNAL = 1
COMPONENTS: dict[object, Component] = {each.value: each for each in Component}
OTHER, UNDECIDED = Component.OTHER, Action.NONE
"""Bound once, here and elsewhere: to read a member of an enum is a call of Python's in 3.11."""
SAMPLED = 0x101
REMOTE = 0x300
NOTHING: tuple[Any, ...] = ()
PLACED = Joint(Order, filled=("symbol", "strategy", "venue", "event_time", "account"))
"""An order is that of its decision's symbol, strategy, … where it does not say."""
RESOLVED = Joint(Decision, replaced=("action", "confidence", "threshold", "reason"))
LOW_64 = (1 << 64) - 1


class Teller(msgspec.Struct, eq=False):
    """Goes once through the items of a decision.

    Attributes:
        live: the decision.
        place: its ids.
        offset: nanoseconds from the monotonic clock to Unix time.
        number: numbers the spans that have no ids yet.
        reached: where the last stage ended (monotonic ns).
        is_ringed: the decision is in a ring, too, so that its spans are numbered the same way each time.
        regime: the last that was said.
        actions: what the members voted.
        records: what else is to be counted, with its Unix ns.
        foreign: spans of other instrumentations.
        events: of the decision.
        children: spans below it.
    """

    live: OpenDecision
    place: Place
    offset: int
    number: Callable[[], int]
    is_ringed: bool
    reached: int
    regime: Regime | None = None
    votes: list[Vote] = msgspec.field(default_factory=list)
    actions: list[str] = msgspec.field(default_factory=list)
    stages: list[Stage] = msgspec.field(default_factory=list)
    records: list[tuple[Record, int]] = msgspec.field(default_factory=list)
    foreign: list[object] = msgspec.field(default_factory=list)
    events: list[EventData] = msgspec.field(default_factory=list)
    children: list[SpanData] = msgspec.field(default_factory=list)

    def go(self) -> None:
        """Tell all items; what is wrong in them is counted."""
        for item in self.live.items:
            self.tell(item)

    def tell(self, item: object) -> None:
        """Tell an item."""
        if isinstance(item, tuple):
            at, what, more = item
            if what is Vote:
                self.cast(at, more)
            elif isinstance(what, str):
                self.mark(at, what, more)
            else:
                self.say(at, what, more)
        elif isinstance(item, LiveOrder):
            self.order(item)
        elif isinstance(item, LiveSpan):
            self.span(item)
        else:
            self.foreign.append(item)

    def cast(self, at: int, given: Sequence[object]) -> None:
        """Tell votes."""
        for vote in votes_of(given):
            self.vote(at, vote)

    def vote(self, at: int, vote: object) -> None:
        """Tell one vote."""
        if type(vote) is not Vote:
            self.say(at, vote, None)
            return
        record, attributes = examine(vote)
        self._count(record)
        self.events.append(EventData(s.VOTE.name, at + self.offset, attributes))

    def say(self, at: int, given: object, inside: Span | None) -> None:
        """Tell records."""
        for record in given if isinstance(given, tuple) else (given,):
            said = listen(record)
            if said is not None:
                self._said(said, at + self.offset, inside)

    def _count(self, vote: Vote) -> None:
        self.votes.append(vote)
        if not vote.meta_learner and vote.action is not None:
            self.actions.append(vote.action)

    def _said(self, said: Said, time: int, inside: Span | None) -> None:
        record = said.record
        if isinstance(record, Vote):
            self._count(record)
        else:
            self.records.append((self._with_place(record), time))
        if isinstance(record, Regime):
            self.regime = record
        if said.is_span:
            parent = inside if isinstance(inside, LiveSpan) else self.live
            place = self.place
            span = said_span(said, time, place.trace_id, parent.span_id, place.common, self.number())
            self.children.append(span)
        else:
            self.events.append(EventData(said.name, time, said.attributes))

    def _with_place(self, record: Record) -> Record:
        facts = self.live.facts
        place = {"strategy": facts.strategy, "symbol": facts.symbol, "venue": facts.venue}
        missing = {key: value for key, value in place.items() if value and getattr(record, key, value) is None}
        return msgspec.structs.replace(record, **missing) if missing else record

    def mark(self, at: int, component: str, attributes: Mapping[str, AttributeValue] | None) -> None:
        """Tell a stage that ends there and began where the one before ended."""
        known, start = COMPONENTS.get(component, OTHER), self.reached
        self.stages.append(Stage(known, (at - start) / SECOND))
        self.reached = max(start, at)
        self.children.append(self.marked(start, at, component, attributes, known, self.number()))

    def marked(self, start: int, end: int, name: str, given: object, known: Component, own: int) -> SpanData:
        """Return the span of a stage that was no block."""
        place, offset = self.place, self.offset
        said = {**given, **place.common} if given and isinstance(given, Mapping) else place.common
        said[a.COMPONENT.key] = known
        # fmt: off
        return SpanData(
            place.trace_id, own, place.span_id, str(name), INTERNAL, start + offset, end + offset, said, NOTHING,
            NOTHING, 0, "", "", SAMPLED,
        )
        # fmt: on

    def span(self, live: LiveSpan) -> None:
        """Tell a block."""
        self.passed(live)
        self.children.append(own_span(live, self.offset, self.place.common))

    def passed(self, live: LiveSpan) -> None:
        """Note what a block says for the metrics; see that it has an id."""
        if live.component is not None:
            self.stages.append(_stage_facts(live))
            self.reached = max(self.reached, live.end_at)
        if self.is_ringed:
            number = self.number()
            live.drawn_span = live.drawn_span or number

    def order(self, live: LiveOrder) -> None:
        """Tell an order's submission."""
        self.children.append(order_span(live, self.offset, self.place.common))

    def finish(self, facts: DecisionFacts, attributes: Attributes) -> Sequence[SpanData]:
        """Return all spans, the decision's first."""
        live = self.live
        said = {**self.place.common, **self.conclude(facts, attributes)}
        if facts.abandoned:
            said[a.ABANDONED.key] = True
        if isinstance(live, LostDecision) and live.aborted:
            said[a.ABORTED.key] = True
        span = own_span(live, self.offset, said, self.events)
        if isinstance(live, LostDecision) and live.open_end:
            span = span._replace(status=ERROR, message=live.open_end)
        elif facts.abandoned:
            span = span._replace(status=ERROR, message="not ended in time")
        return (span, *self.children)

    def conclude(self, facts: DecisionFacts, said: dict[str, Any]) -> dict[str, Any]:
        """Add what follows from all the rest to what the decision knew."""
        account = said.get(a.ACCOUNT.key)
        if account is not None:
            said[a.ACCOUNT.key] = hashed(str(account))
        if facts.agreement is not None:
            said[a.AGREEMENT.key] = facts.agreement
        if facts.entropy is not None:
            said[a.ENTROPY.key] = facts.entropy
        if self.regime is not None:
            said[a.REGIME.key] = self.regime.name
            if self.regime.confidence is not None:
                said[a.REGIME_CONFIDENCE.key] = self.regime.confidence
        return said


def teller_of(place: Place, offset: int) -> Teller:
    """Return what tells a decision."""
    return Teller(place.live, place, offset, *numbered(place.live), place.live.start)


def numbered(live: OpenDecision) -> tuple[Callable[[], int], bool]:
    """Return what numbers the spans of a decision, and whether they have the same ids when they are told again."""
    if not isinstance(live, RingedDecision):
        return RECORDER.ids.span, False
    first, numbers = live.span_id, count(1)
    return lambda: (first + next(numbers)) & LOW_64 or 1, True


def tell(teller: Teller, *, kept: bool, abandoned: bool = False) -> tuple[DecisionFacts, Attributes]:
    """Tell the items of an ended decision; return what it was and its own attributes.

    Args:
        teller: of the decision.
        kept: its trace is exported.
        abandoned: the time limit closed it.
    """
    teller.go()
    live, actions = teller.live, tuple(teller.actions)
    said = live.resolution
    decision, attributes = examine(live.facts) if said is None else RESOLVED.examine(live.facts, said)
    error = None if live.more is None else live.more.error
    facts = DecisionFacts(
        decision,
        teller.place.origin(exemplar=kept),
        (live.end_at - live.start) / SECOND,
        live.end_at + teller.offset,
        tuple(teller.stages),
        tuple(teller.votes),
        _share(actions, decision.action),
        _entropy(actions),
        None if error is None else error.type,
        abandoned,
        kept,
    )
    return facts, attributes


def _share(actions: tuple[str, ...], action: str | None) -> float | None:
    if not actions or action is None or action is UNDECIDED:
        return None
    return actions.count(action) / len(actions)


@lru_cache(4_096)
def _entropy(actions: tuple[str, ...]) -> float | None:
    if not actions:
        return None
    shares = [count / len(actions) for count in Counter(actions).values()]
    return abs(-math.fsum([share * math.log2(share) for share in shares]))


def own_span(live: LiveSpan, offset: int, common: Mapping[str, Any], told: Sequence[EventData] = NOTHING) -> SpanData:
    """Return a span of ours for the encoder, with events that others have told before its own."""
    extra = live.extra
    is_plain = type(extra) is dict or isinstance(extra, Mapping)
    said = {**extra, **common} if extra and is_plain else {**common}
    if live.component is not None:
        said[a.COMPONENT.key] = _component(live.component)
    if live.more is not None:
        return _eventful(live, offset, said, told)
    # fmt: off
    return SpanData(
        live.trace_id, live.span_id, live.parent_id, str(live.name), live.kind, live.start + offset,
        (live.end_at or live.start) + offset, said, told, NOTHING, 0, "", "", _flags(live),
    )
    # fmt: on


def _eventful(live: LiveSpan, offset: int, said: dict[str, Any], told: Sequence[EventData]) -> SpanData:
    """Return a span that has what few spans have."""
    events = [EventData(name, time, attributes) for name, time, attributes in live.rest.events]
    status, message = _status(live)
    start, end = live.start + offset, (live.end_at or live.start) + offset
    if live.rest.error is not None:
        said[a.ERROR_TYPE.key] = live.rest.error.type
        events.append(EventData(s.EXCEPTION.name, end, exception_attributes(live.rest.error)))
    elif any(event.name == s.EXCEPTION.name for event in events):
        said[a.ERROR_SWALLOWED.key] = True
    links = [LinkData(where.trace_id, where.span_id, attributes) for where, attributes in live.rest.links]
    return SpanData(
        *(live.trace_id, live.span_id, live.parent_id, str(live.name), live.kind, start, end, said),
        events=(*told, *events),
        links=links,
        status=status,
        message=message,
        flags=_flags(live),
    )


def order_span(live: LiveOrder, offset: int, common: Mapping[str, Any]) -> SpanData:
    """Return the span of an order's submission."""
    order, attributes = examined_order(live)
    said: dict[str, Any] = {**common, **attributes}
    if order.account is not None:
        said[a.ACCOUNT.key] = hashed(order.account)
    if order.venue is not None:
        said[a.PEER_SERVICE.key] = order.venue
    return own_span(live, offset, said)


def examined_order(live: LiveOrder) -> tuple[Order, Attributes]:
    """Return an order, with symbol, strategy, venue and market time of its decision where it does not say."""
    if live.told is None:
        order, decision = live.record, live.decision
        if isinstance(decision, OpenDecision):
            live.told = PLACED.examine(order, decision.facts)
        else:
            live.told = examine(order)
    return live.told


def said_span(
    said: Said, time: int, trace: int, parent: int, common: Mapping[str, Any], own: int | None = None
) -> SpanData:
    """Return the span of a record that is one, ending at `time` (Unix ns); `own`: its id, drawn here if None."""
    own = RECORDER.ids.span() if own is None else own
    return SpanData(
        *(trace, own, parent, said.name, said.kind, time - said.duration, time, {**common, **said.attributes}),
        links=said.links,
        status=ERROR if said.error else 0,
        message=said.error or "",
    )


def _component(name: str | None) -> Component:
    return COMPONENTS.get(name, OTHER)


def _stage_facts(live: LiveSpan) -> Stage:
    if live.more is None:
        return Stage(_component(live.component), (live.end_at - live.start) / SECOND)
    caught = next(
        (str(facts.get("exception.type")) for name, _, facts in live.rest.events if name == s.EXCEPTION.name), None
    )
    return Stage(
        component=_component(live.component),
        duration=(live.end_at - live.start) / SECOND,
        error_type=live.rest.error.type if live.rest.error else caught,
        swallowed=None if live.rest.error is None and caught is None else live.rest.error is None,
    )


def _status(live: LiveSpan) -> tuple[int, str]:
    given = live.rest.status
    if given is not None and given.status_code is not StatusCode.UNSET:
        return given.status_code.value, given.description or ""
    failed: Failure | None = live.rest.error
    return (ERROR, f"{failed.type}: {failed.message}") if failed is not None else (0, "")


def _flags(live: LiveSpan) -> int:
    parent = live.parent
    remote = parent is not None and not isinstance(parent, LiveSpan) and parent.get_span_context().is_remote
    return SAMPLED | REMOTE if remote else SAMPLED
