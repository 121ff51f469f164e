"""The common parts of a decision go straight from what was recorded to bytes.

A `Teller` makes a `SpanData` of each span, with a dictionary of all its attributes, and the encoder takes it apart
again. A `Scribe` tells the same of the same items, but calls the function compiled for the shape of a span (its name,
the keys and types of its attributes) with the values as they were recorded, and hands over what all spans of the
decision have in common as bytes that are made once. What has no such function (yet) goes the long way, span by span.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import repeat
from math import isnan
from operator import add, attrgetter
from typing import Any, Final, TypeAlias

import msgspec
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from ares_otel.decision.deciding import LiveDecision, LiveOrder, OpenDecision
from ares_otel.decision.live import LiveSpan
from ares_otel.decision.places import Place
from ares_otel.decision.ringed import RingedDecision
from ares_otel.decision.saying import hashed
from ares_otel.decision.telling import COMPONENTS, OTHER, Teller, examined_order, numbered, order_span, own_span
from ares_otel.pipeline.limits import limited, shortened
from ares_otel.pipeline.model import EventData, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.otlp.attributes import LABEL_LENGTH
from ares_otel.pipeline.otlp.shapes import SHAPES_LIMIT, Compiled, Key
from ares_otel.records import Attributes, Stage, Vote
from ares_otel.records.facts import DecisionFacts
from ares_otel.records.vocabulary import lookup
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import Action, Component

__all__ = ["Scribe", "Writer"]

SECOND = 1e9
INTERNAL, CLIENT = 1, 3
COMMON: Final = (a.CORRELATION_ID.key, a.DECISION_ID.key, a.CAUSATION_ID.key, a.COMPONENT.key)
PLAIN: Final = (LiveDecision, RingedDecision)
WORDS: Final = (a.MODEL_NAME.key, a.ACTION.key)
NUMBERS: Final = (a.CONFIDENCE.key, a.WEIGHT.key)
UUID, ID = "0" * 36, "0" * 28
"""What stands for a correlation id and for the id of a decision."""
LEAST: Final = 8
"""Attributes that the fewest of our spans and events have: with a lower limit all is told the long way."""
ROW: Final = 4
NO_ROW: Final = (None,) * ROW
LARGEST: Final = sys.float_info.max
LIGHTEST, HEAVIEST = max(a.WEIGHT.low, -LARGEST), min(a.WEIGHT.high, LARGEST)
SEATS: Final = 1_024
NAMES: Final = {each: each.value for each in Component}
NO_ATTRIBUTES: Final[Mapping[str, AttributeValue]] = {}

KINDS: Final = {tuple, Vote}
FLOATS, TEXTS, NOTHING = {float}, {str}, {type(None)}
_values_of = attrgetter(*Vote.__struct_fields__)
Column: TypeAlias = tuple[Any, ...]
Seat: TypeAlias = tuple[bytes, Action]
Mark: TypeAlias = tuple[Compiled, Component, bytes]


class Writer:
    """What the scribes of one way out have in common.

    Args:
        encoder: makes bytes.
        limit: most attributes of a span, an event or a link.

    Attributes:
        known: finds the function for the shape of a span.
        seats: the beginning of the event of a vote, and its action, by model and the action as it was given.
        marks: what encodes a stage that was no block, its component, and the field that says so, by its name and keys.
    """

    def __init__(self, encoder: Encoder, limit: int) -> None:
        self.limit = limit
        self.shapes = encoder.inner(limit - len(COMMON), frozenset(COMMON))
        self.known = self.shapes.get
        self.correlation, self.decision, self.causation, self.component = map(encoder.text, COMMON)
        self.peer = encoder.text(a.PEER_SERVICE.key)
        self._correlation_head, self._decision_head = (
            self.correlation(UUID)[: -len(UUID)],
            self.decision(ID)[: -len(ID)],
        )
        self._usable = limit >= LEAST and self.correlation(UUID).endswith(UUID.encode())
        self.rows = encoder.rows(s.VOTE.name, WORDS, NUMBERS)
        self.seats: dict[tuple[object, object], Seat] = {}
        self.marks: dict[Key, Mark] = {}
        self._encoder = encoder

    def takes(self, live: OpenDecision) -> bool:
        """Tell whether a decision is of the common kind."""
        is_plain = live.more is None and live.extra is None and live.parent is None
        return is_plain and self._usable and type(live) in PLAIN

    def scribe(self, place: Place, offset: int) -> Scribe:
        """Return what tells a decision that is taken."""
        live, raw, correlation = place.live, place.raw, place.correlation_id
        context = b"\x0a\x10" + raw[:16]
        common = self._decision_head + place.decision_id.encode()
        if type(correlation) is str and len(correlation) == len(UUID) and correlation.isascii():
            common = self._correlation_head + correlation.encode() + common
        else:
            common = self.correlation(correlation) + common
        if live.causation_id:
            common += self.causation(live.causation_id)
        # fmt: off
        return Scribe(
            live, place, offset, *numbered(live), live.start, writer=self, context=context,
            within=context + b'"\x08' + raw[16:], common=common,
        )
        # fmt: on

    def event(self, event: EventData) -> bytes:
        """Encode an event the long way."""
        return self._encoder.event(shortened(event, self.limit))

    def span(self, span: SpanData, events: bytes = b"") -> bytes:
        """Encode a span the long way; `events` are encoded already."""
        return self._encoder.span(limited(span, self.limit), events)

    def learn(
        self, key: Key, values: Mapping[str, object], own: int, start: int, end: int, others: bytes, tail: bytes
    ) -> bytes | None:
        """Encode a span of a shape that is seen for the first times, or whose values have other types than usual."""
        encode = self.known(key) or self.shapes.learn(key, values)
        if encode is None:
            return None
        found = encode(own, start, end, values.values(), others, tail)
        encode = self.shapes.other(key, values) if found is None else None
        return found if encode is None else encode(own, start, end, values.values(), others, tail)

    def mark(self, key: Key, component: Component) -> None:
        """Have at hand what encodes a stage, once there is a function for its shape."""
        name, *keys = key
        encode = self.known((name, INTERNAL, *keys))
        if encode is not None:
            if len(self.marks) >= SHAPES_LIMIT:
                self.marks.clear()
            self.marks[key] = encode, component, self.component(component)

    def seat(self, model: object, action: object) -> Seat | None:
        """Return the beginning of the event of a vote, and its action; None where one of the two is not good."""
        member = lookup(Action, action) if isinstance(action, str) else None
        if type(model) is not str or not 0 < len(model) <= LABEL_LENGTH or not isinstance(member, Action):
            return None
        if len(self.seats) >= SEATS:
            self.seats.clear()
        seat = self.seats[model, action] = self.rows.head(model, member), member
        return seat


class Scribe(Teller, eq=False, kw_only=True):
    """Tells a decision of the common kind as bytes.

    Attributes:
        writer: what it has in common with others.
        context: the field of the trace id.
        within: the fields of trace and parent id of what is directly below the decision.
        common: attributes that every span of the decision has.
        encoded: finished events.
        spans: finished spans below the decision.
    """

    writer: Writer
    context: bytes
    within: bytes
    common: bytes
    encoded: list[bytes] = msgspec.field(default_factory=list)
    spans: list[bytes] = msgspec.field(default_factory=list)

    def go(self) -> None:
        """Tell all items: the stages that are seen again and again here, without a call for each."""
        marks, stages, spans, within, common = self.writer.marks, self.stages, self.spans, self.within, self.common
        offset, number = self.offset, self.number
        for item in self.live.items:
            if type(item) is not tuple or type(item[1]) is not str or type(item[2]) is not dict:
                self.tell(item)
                continue
            at, name, values = item
            start, own = self.reached, number()
            try:
                encode, component, ending = marks[name, *values]
                span = encode(own, start + offset, at + offset, values.values(), within, common + ending)
            except Exception:  # noqa: BLE001  not known; odd keys, values or times; a dictionary that is being changed
                component, span = COMPONENTS.get(name, OTHER), None
            spans.append(span or self._marked(at, name, values, component, own))
            stages.append(Stage(component, (at - start) / SECOND))
            if at > start:
                self.reached = at

    def cast(self, at: int, given: Sequence[object]) -> None:
        """Tell votes: those that are all of one kind and good column by column, any others one by one."""
        try:
            (kind,) = set(map(type, given))
            columns = zip(*(map(_values_of, given) if kind is Vote else given), strict=True)
            done = kind in KINDS and self._cast(at + self.offset, *columns)
        except Exception:  # noqa: BLE001  none, or of several kinds; rows that are no rows; words that have no hash; …
            done = False
        if not done:
            for vote in given:
                self._cast_one(at, vote)

    def _cast(self, time: int, models: Column, actions: Column, sure: Column, weights: Column, *others: Column) -> bool:
        """Tell votes by columns, if all of them are good; what is done here is done in C."""
        writer, rows = self.writer, self.writer.rows
        is_good = (
            {*map(type, sure), *map(type, weights)} == FLOATS
            and {*map(type, models)} == TEXTS
            and all({*map(type, other)} == NOTHING for other in others)
            and not isnan(sum(sure, sum(weights)))  # `min` and `max` may overlook it
            and 0.0 <= min(sure) <= max(sure) <= 1.0
            and LIGHTEST <= min(weights) <= max(weights) <= HEAVIEST
        )
        if not is_good:
            return False
        seats = list(map(writer.seats.get, zip(models, actions, strict=True)))
        if None in seats:
            seats = list(map(writer.seat, models, actions))
        if None in seats:
            return False
        heads, members = zip(*seats, strict=True)
        packed = map(rows.pack, sure, repeat(rows.second_key), weights, repeat(rows.fixed), repeat(time))
        events = list(map(add, heads, packed))  # all of them or none: the time may be none that can be packed
        self.encoded += events
        self.votes += map(Vote, models, members, sure, weights)
        self.actions += members
        return True

    def _cast_one(self, at: int, vote: object) -> None:
        """Tell a vote among others of another kind."""
        try:
            found = self._event(at + self.offset, *(vote if type(vote) is tuple and len(vote) == ROW else _row(vote)))
        except Exception:  # noqa: BLE001  words that have no hash, times that cannot be packed, …
            found = None
        if found is None:
            Teller.cast(self, at, (vote,))
            self._encode()
            return
        event, record = found
        self.encoded.append(event)
        self.votes.append(record)
        self.actions.append(record.action)

    def _event(self, time: int, model: Any, action: Any, sure: Any, weight: Any) -> tuple[bytes, Vote] | None:
        """Return the event of a vote and its record, None unless all of it is good."""
        rows = self.writer.rows
        if not type(sure) is float is type(weight) or type(model) is not str:
            return None
        seat = self.writer.seats.get((model, action)) or self.writer.seat(model, action)
        if seat is None or not 0.0 <= sure <= 1.0 or not LIGHTEST <= weight <= HEAVIEST:
            return None
        event = seat[0] + rows.pack(sure, rows.second_key, weight, rows.fixed, time)
        return event, Vote(model, seat[1], sure, weight)

    def say(self, at: int, given: object, inside: Span | None) -> None:
        """Tell records."""
        Teller.say(self, at, given, inside)
        self._encode()

    def _encode(self) -> None:
        """Encode what was told the long way."""
        if self.events:
            self.encoded += map(self.writer.event, self.events)
            self.events.clear()
        if self.children:
            self.spans += map(self.writer.span, self.children)
            self.children.clear()

    def mark(self, at: int, component: str, attributes: Mapping[str, AttributeValue] | None) -> None:
        """Tell a stage that ends there and began where the one before ended."""
        known, start, own = COMPONENTS.get(component, OTHER), self.reached, self.number()
        self.spans.append(self._marked(at, component, attributes, known, own))
        self.stages.append(Stage(known, (at - start) / SECOND))
        self.reached = max(start, at)

    def _marked(self, at: int, component: str, attributes: object, known: Component, own: int) -> bytes:
        """Encode such a stage: of a shape that is seen for the first times, or in any other way."""
        start, offset, name, span = self.reached, self.offset, _name(component), None
        given: object = NO_ATTRIBUTES if attributes is None else attributes
        if name is not None and type(given) is dict:
            tail = self.common + self.writer.component(known)
            span = self._inner((name, INTERNAL, *given), given, own, start + offset, at + offset, self.within, tail)
            self.writer.mark((name, *given), known)
        return span or self.writer.span(self.marked(start, at, component, attributes, known, own))

    def span(self, live: LiveSpan) -> None:
        """Tell a block."""
        self.passed(live)
        given, component, offset = live.extra, live.component, self.offset
        decision: object = self.live
        inside: object = live.decision
        given = NO_ATTRIBUTES if given is None else given
        name, span = _name(live.name), None
        is_plain = type(live) is LiveSpan and live.more is None and live.parent is decision is inside
        if is_plain and name is not None and type(given) is dict:
            tail = self.common
            if component is not None:
                tail += self.writer.component(COMPONENTS.get(component, OTHER))
            start, end = live.start + offset, (live.end_at or live.start) + offset
            span = self._inner((name, INTERNAL, *given), given, live.span_id, start, end, self.within, tail)
        self.spans.append(span or self.writer.span(own_span(live, offset, self.place.common)))

    def order(self, live: LiveOrder) -> None:
        """Tell an order's submission."""
        order, attributes = examined_order(live)
        offset, span, name = self.offset, None, _name(live.name)
        is_plain = live.more is None and live.extra is None and live.parent is self.live
        if is_plain and name is not None:
            if order.account is not None:
                attributes = {**attributes, a.ACCOUNT.key: hashed(order.account)}
            tail = b"" if order.venue is None else self.writer.peer(order.venue)
            start, end, others = live.start + offset, (live.end_at or live.start) + offset, self.within + self.common
            span = self._inner((name, CLIENT, *attributes), attributes, live.span_id, start, end, others, tail)
        self.spans.append(span or self.writer.span(order_span(live, offset, self.place.common)))

    def _inner(
        self, key: Key, values: Mapping[str, object], own: int, start: int, end: int, others: bytes, tail: bytes
    ) -> bytes | None:
        """Encode a span of the decision by the function for its shape; None without one."""
        try:
            encode = self.writer.known(key)
            found = None if encode is None else encode(own, start, end, values.values(), others, tail)
            return found or self.writer.learn(key, values, own, start, end, others, tail)
        except Exception:  # noqa: BLE001  odd keys, values or times: the long way takes them, and counts what it loses
            return None

    def write(self, facts: DecisionFacts, attributes: Attributes) -> Sequence[bytes]:
        """Return all spans, the decision's first."""
        live, place, offset, events = self.live, self.place, self.offset, b"".join(self.encoded)
        said, name, span = self.conclude(facts, attributes), _name(live.name), None
        if name is not None:
            others, start, end = self.context + events + self.common, live.start + offset, live.end_at + offset
            span = self._inner((name, INTERNAL, *said), said, place.span_id, start, end, others, b"")
        if span is None:
            span = self.writer.span(own_span(live, offset, {**place.common, **said}), events)
        return (span, *self.spans)


def _row(vote: object) -> Sequence[Any]:
    """Return a vote that says no more than a row does as one."""
    values = _values_of(vote) if type(vote) is Vote else NO_ROW
    return NO_ROW if any(value is not None for value in values[ROW:]) else values[:ROW]


def _name(given: object) -> str | None:
    """Return a name as plain text; None for a text of a kind of its own, which may not say what it holds."""
    if type(given) is str:
        return given
    return NAMES[given] if type(given) is Component else None
