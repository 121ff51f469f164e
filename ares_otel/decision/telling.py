"""What the worker makes of an ended decision: facts for the metrics, spans for the encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec
from opentelemetry.trace import Span, StatusCode
from opentelemetry.util.types import AttributeValue

from ares_otel.decision.deciding import LiveOrder, OpenDecision
from ares_otel.decision.live import Failure, LiveSpan, exception_attributes
from ares_otel.decision.places import origin_of
from ares_otel.decision.recovering import LostDecision
from ares_otel.decision.ringed import RingedDecision
from ares_otel.decision.saying import Said, hashed, listen
from ares_otel.pipeline.model import EventData, LinkData, SpanData
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Attributes, Decision, Order, Record, Regime, Stage, Vote, examine
from ares_otel.records.facts import DecisionFacts
from ares_otel.records.rows import votes_of
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import Action, Component

__all__ = [
    "Told",
    "examined_order",
    "order_span",
    "own_span",
    "said_span",
    "tell",
]

Wall = Callable[[int], int]
SECOND = 1e9
ERROR = 2
INTERNAL = 1
COMPONENTS: dict[object, Component] = {each.value: each for each in Component}
SAMPLED = 0x101
REMOTE = 0x300
NOTHING: tuple[Any, ...] = ()
LOW_64 = (1 << 64) - 1


class Told(NamedTuple):
    """An ended decision, told: facts, other records, and its spans if the trace is kept."""

    facts: DecisionFacts
    records: Sequence[tuple[Record, int]]
    spans: Sequence[SpanData]
    foreign: Sequence[object]


class _Teller:
    """Goes once through the items of a decision."""

    def __init__(self, live: OpenDecision, wall: Wall, common: Mapping[str, Any]) -> None:
        self.live = live
        self.wall = wall
        self.common = common
        self.offset = wall(0)
        self.trace_id = live.trace_id
        self.span_id = live.span_id
        self.events: list[EventData] = []
        self.children: list[SpanData] = []
        self.votes: list[Vote] = []
        self.stages: list[Stage] = []
        self.records: list[tuple[Record, int]] = []
        self.foreign: list[object] = []
        self.regime: Regime | None = None
        self.reached = live.start
        self._is_ringed = isinstance(live, RingedDecision)
        self._number = _numbers(live) if self._is_ringed else RECORDER.ids.span

    def go(self) -> None:
        for item in self.live.items:
            if isinstance(item, tuple):
                if isinstance(item[1], str):
                    self._mark(*item)
                elif item[1] is Vote:
                    self._votes(item[0], item[2])
                else:
                    self._records(*item)
            elif isinstance(item, LiveOrder):
                self._order(item)
            elif isinstance(item, LiveSpan):
                self._span(item)
            else:
                self.foreign.append(item)

    def _votes(self, at: int, given: Sequence[object]) -> None:
        time, votes, events = self.wall(at), self.votes, self.events
        for vote in votes_of(given):
            if type(vote) is Vote:
                record, attributes = examine(vote)
                votes.append(record)
                events.append(EventData(s.VOTE.name, time, attributes))
            else:
                self._records(at, vote, None)

    def _records(self, at: int, given: object, inside: Span | None) -> None:
        for record in given if isinstance(given, tuple) else (given,):
            said = listen(record)
            if said is not None:
                self._said(said, at, inside)

    def _said(self, said: Said, at: int, inside: Span | None) -> None:
        record, time = said.record, self.wall(at)
        if isinstance(record, Vote):
            self.votes.append(record)
        else:
            self.records.append((self._with_place(record), time))
        if isinstance(record, Regime):
            self.regime = record
        if said.is_span:
            parent = inside if isinstance(inside, LiveSpan) else self.live
            own = self._number()
            self.children.append(said_span(said, time, self.live.trace_id, parent.span_id, self.common, own))
        else:
            self.events.append(EventData(said.name, time, said.attributes))

    def _with_place(self, record: Record) -> Record:
        facts = self.live.facts
        place = {"strategy": facts.strategy, "symbol": facts.symbol, "venue": facts.venue}
        missing = {key: value for key, value in place.items() if value and getattr(record, key, value) is None}
        return msgspec.structs.replace(record, **missing) if missing else record

    def _mark(self, at: int, component: str, attributes: Mapping[str, AttributeValue] | None) -> None:
        known, start, offset = COMPONENTS.get(component, Component.OTHER), self.reached, self.offset
        self.stages.append(Stage(known, (at - start) / SECOND))
        self.reached = max(start, at)
        is_plain = type(attributes) is dict or isinstance(attributes, Mapping)
        said = {**attributes, **self.common} if attributes and is_plain else {**self.common}
        said[a.COMPONENT.key] = known
        # fmt: off
        self.children.append(SpanData(
            self.trace_id, self._number(), self.span_id, str(component), INTERNAL, start + offset, at + offset,
            said, NOTHING, NOTHING, 0, "", "", SAMPLED,
        ))
        # fmt: on

    def _span(self, live: LiveSpan) -> None:
        if live.component is not None:
            self.stages.append(_stage_facts(live))
            self.reached = max(self.reached, live.end_at)
        if self._is_ringed:
            number = self._number()
            live.drawn_span = live.drawn_span or number
        self.children.append(own_span(live, self.wall, self.common))

    def _order(self, live: LiveOrder) -> None:
        self.children.append(order_span(live, self.wall, self.common))


def _numbers(live: OpenDecision) -> Callable[[], int]:
    """Return what numbers the spans of a decision, so that they have the same ids when they are told again."""
    first, numbers = live.span_id, count(1)
    return lambda: (first + next(numbers)) & LOW_64 or 1


def tell(live: OpenDecision, wall: Wall, common: Mapping[str, Any], *, kept: bool, abandoned: bool = False) -> Told:
    """Tell an ended decision.

    Args:
        live: the decision.
        wall: gives the Unix time of a monotonic one.
        common: what every span of it carries.
        kept: its trace is exported.
        abandoned: the time limit closed it.
    """
    teller = _Teller(live, wall, common)
    teller.go()
    decision, attributes = _resolved(live)
    members = [vote for vote in teller.votes if not vote.meta_learner and vote.action is not None]
    action = decision.action
    agreement = _share(members, action)
    facts = DecisionFacts(
        decision=decision,
        origin=origin_of(live, live, exemplar=kept, common=common),
        duration=(live.end_at - live.start) / SECOND,
        ended=wall(live.end_at),
        stages=tuple(teller.stages),
        votes=tuple(teller.votes),
        agreement=agreement,
        entropy=_entropy(members),
        error_type=live.rest.error.type if live.rest.error else None,
        abandoned=abandoned,
        kept=kept,
    )
    if not kept:
        return Told(facts, teller.records, (), ())
    root = _root(live, wall, teller, facts, attributes)
    return Told(facts, teller.records, (root, *teller.children), teller.foreign)


def _resolved(live: OpenDecision) -> tuple[Decision, Attributes]:
    facts, said = live.facts, live.resolution
    if said is not None:
        facts = msgspec.structs.replace(
            facts, action=said.action, confidence=said.confidence, threshold=said.threshold, reason=said.reason
        )
    return examine(facts)


def _share(members: Sequence[Vote], action: str | None) -> float | None:
    if not members or action is None or action is Action.NONE:
        return None
    return [vote.action for vote in members].count(action) / len(members)


def _entropy(members: Sequence[Vote]) -> float | None:
    if not members:
        return None
    counts: dict[object, int] = {}
    for vote in members:
        counts[vote.action] = counts.get(vote.action, 0) + 1
    shares = [count / len(members) for count in counts.values()]
    return abs(-math.fsum([share * math.log2(share) for share in shares]))


def _root(live: OpenDecision, wall: Wall, teller: _Teller, facts: DecisionFacts, attributes: Attributes) -> SpanData:
    account = attributes.get(a.ACCOUNT.key)
    if account is not None:
        attributes[a.ACCOUNT.key] = hashed(str(account))
    said: dict[str, Any] = {**teller.common, **attributes}
    if facts.agreement is not None:
        said[a.AGREEMENT.key] = facts.agreement
    if facts.entropy is not None:
        said[a.ENTROPY.key] = facts.entropy
    if teller.regime is not None:
        said[a.REGIME.key] = teller.regime.name
        if teller.regime.confidence is not None:
            said[a.REGIME_CONFIDENCE.key] = teller.regime.confidence
    if facts.abandoned:
        said[a.ABANDONED.key] = True
    if isinstance(live, LostDecision) and live.aborted:
        said[a.ABORTED.key] = True
    span = own_span(live, wall, said, teller.events)
    if isinstance(live, LostDecision) and live.open_end:
        return span._replace(status=ERROR, message=live.open_end)
    return span._replace(status=ERROR, message="not ended in time") if facts.abandoned else span


def own_span(live: LiveSpan, wall: Wall, common: Mapping[str, Any], told: Sequence[EventData] = NOTHING) -> SpanData:
    """Return a span of ours for the encoder, with events that others have told before its own."""
    extra = live.extra
    is_plain = type(extra) is dict or isinstance(extra, Mapping)
    said = {**extra, **common} if extra and is_plain else {**common}
    if live.component is not None:
        said[a.COMPONENT.key] = _component(live.component)
    if live.more is not None:
        return _eventful(live, wall, said, told)
    # fmt: off
    return SpanData(
        live.trace_id, live.span_id, live.parent_id, str(live.name), live.kind, wall(live.start),
        wall(live.end_at or live.start), said, told, NOTHING, 0, "", "", _flags(live),
    )
    # fmt: on


def _eventful(live: LiveSpan, wall: Wall, said: dict[str, Any], told: Sequence[EventData]) -> SpanData:
    """Return a span that has what few spans have."""
    events = [EventData(name, time, attributes) for name, time, attributes in live.rest.events]
    status, message = _status(live)
    end = live.end_at or live.start
    if live.rest.error is not None:
        said[a.ERROR_TYPE.key] = live.rest.error.type
        events.append(EventData(s.EXCEPTION.name, wall(end), exception_attributes(live.rest.error)))
    elif any(event.name == s.EXCEPTION.name for event in events):
        said[a.ERROR_SWALLOWED.key] = True
    links = [LinkData(where.trace_id, where.span_id, attributes) for where, attributes in live.rest.links]
    return SpanData(
        *(live.trace_id, live.span_id, live.parent_id, str(live.name), live.kind, wall(live.start), wall(end), said),
        events=(*told, *events),
        links=links,
        status=status,
        message=message,
        flags=_flags(live),
    )


def order_span(live: LiveOrder, wall: Wall, common: Mapping[str, Any]) -> SpanData:
    """Return the span of an order's submission."""
    order, attributes = examined_order(live)
    said: dict[str, Any] = {**common, **attributes}
    if order.account is not None:
        said[a.ACCOUNT.key] = hashed(order.account)
    if order.venue is not None:
        said[a.PEER_SERVICE.key] = order.venue
    return own_span(live, wall, said)


def examined_order(live: LiveOrder) -> tuple[Order, Attributes]:
    """Return an order, with symbol, strategy, venue and market time of its decision where it does not say."""
    if live.told is None:
        order = live.record
        if isinstance(live.decision, OpenDecision):
            facts = live.decision.facts
            names = ("symbol", "strategy", "venue", "event_time", "account")
            missing = {name: getattr(facts, name) for name in names if getattr(order, name) is None}
            order = msgspec.structs.replace(order, **missing)
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
    return COMPONENTS.get(name, Component.OTHER)


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
