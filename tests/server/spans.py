"""Spans as the library sends them, made with the official protobuf classes and the declared names."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ares_otel.correlation.ids import span_of, trace_of
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute

__all__ = [
    "MARKET",
    "START",
    "Bot",
    "Facts",
    "Whole",
    "body",
    "drifts",
    "event",
    "key_values",
    "records",
    "request",
    "span",
    "whole",
]

START = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MARKET = 1_173_052_800 * SECOND
"""Market time of the decisions made here."""
RESOURCE = {"service.name": "ares-bot", "service.namespace": "ares", "service.version": "1.0", "ares.mode": "paper"}
MODELS = ("logistic", "boosting", "forest", "momentum", "reversion")

Facts: TypeAlias = Mapping[Attribute, Any] | Mapping[str, Any]


def value(given: Any) -> AnyValue:
    """Return any Python value as OTLP's."""
    found = AnyValue()
    match given:
        case None:
            pass
        case bool():
            found.bool_value = given
        case int():
            found.int_value = given
        case float():
            found.double_value = given
        case bytes():
            found.bytes_value = given
        case Mapping():
            found.kvlist_value.SetInParent()
            found.kvlist_value.values.extend(key_values(given))
        case list() | tuple():
            found.array_value.SetInParent()
            found.array_value.values.extend(value(each) for each in given)
        case _:
            found.string_value = str(given)
    return found


def key_values(facts: Facts) -> list[KeyValue]:
    """Return attributes by declared object or by key as OTLP's."""
    return [
        KeyValue(key=key.key if isinstance(key, Attribute) else key, value=value(each)) for key, each in facts.items()
    ]


def event(name: object, time: int, facts: Facts) -> Span.Event:
    """Return a span event."""
    return Span.Event(name=str(name), time_unix_nano=time, attributes=key_values(facts))


def span(
    name: object,
    facts: Facts | None = None,
    *,
    trace: bytes = b"T" * 16,
    own: bytes = b"S" * 8,
    parent: bytes = b"",
    start: int = START,
    seconds: float = 0.001,
    events: Sequence[Span.Event] = (),
) -> Span:
    """Return a span."""
    return Span(
        trace_id=trace,
        span_id=own,
        parent_span_id=parent,
        name=str(name),
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + round(seconds * SECOND),
        attributes=key_values(facts or {}),
        events=events,
    )


def request(
    spans: Iterable[Span], *, resource: Facts = RESOURCE, scope: str = "ares_otel"
) -> ExportTraceServiceRequest:
    """Return spans of one resource and scope as a request."""
    made = ExportTraceServiceRequest()
    holder = made.resource_spans.add()
    holder.resource.attributes.extend(key_values(resource))
    scoped = holder.scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(spans)
    return made


def body(spans: Iterable[Span], *, resource: Facts = RESOURCE, scope: str = "ares_otel") -> bytes:
    """Return spans as the bytes of a request."""
    return request(spans, resource=resource, scope=scope).SerializeToString()


@dataclass
class Ids:
    """Ids of one decision; `parent` is the span around it, `root` its own span, a new one by default."""

    trace: bytes
    correlation: str
    random: random.Random
    parent: bytes = b""
    root: bytes = b""

    def __post_init__(self) -> None:
        self.root = self.root or self.span()
        self.decision = self.trace[:6].hex() + self.root.hex()
        self.common: dict[Attribute, Any] = {a.CORRELATION_ID: self.correlation, a.DECISION_ID: self.decision}

    def span(self) -> bytes:
        """Return a new span id."""
        return self.random.randbytes(8)


@dataclass
class Bot:
    """Makes decisions one after another, the same ones for the same seed.

    Attributes:
        gap: ns between two of them.
        implied: whether trace and span follow from the correlation id, as where no other program began the trace.
    """

    seed: int = 1
    start: int = START
    gap: int = 250 * MILLISECOND
    made: int = 0
    implied: bool = False
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311  the same ids in each run

    def decision(
        self, *, order: bool = True, statuses: Sequence[str] = ("new", "filled"), around: Whole | None = None
    ) -> Whole:
        """Return a whole decision with the updates of its order; `around` is a decision of the same trace."""
        start = self.start + self.made * self.gap
        self.made += 1
        millis = (start // MILLISECOND).to_bytes(6, "big")
        tail = self.random.randbytes(10).hex()
        correlation = f"{millis.hex()[:8]}-{millis.hex()[8:]}-7{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"
        if self.implied:
            own = span_of(correlation).to_bytes(8, "big")
            ids = Ids(trace_of(correlation).to_bytes(16, "big"), correlation, self.random, root=own)
        elif around is None:
            ids = Ids(millis + self.random.randbytes(10), correlation, self.random)
        else:
            ids = Ids(around.ids.trace, around.ids.correlation, self.random, around.ids.root)
        return whole(ids, start, number=self.made, order=order, statuses=statuses)


@dataclass
class Whole:
    """One decision: its spans, then the updates of its order."""

    ids: Ids
    client_id: str
    spans: list[Span]
    updates: list[Span]

    @property
    def all(self) -> list[Span]:
        """Everything."""
        return [*self.spans, *self.updates]


def whole(ids: Ids, start: int, *, number: int, order: bool, statuses: Sequence[str]) -> Whole:
    """Return a decision as the library tells it."""
    client, symbol = f"C-{number}", ("SP500", "NASDAQ")[number % 2]
    place: dict[Attribute, Any] = {a.STRATEGY: "swing", a.SYMBOL: symbol, a.VENUE: "paper"}
    root = _root(ids, start, place)
    children = _children(ids, start)
    if not order:
        return Whole(ids, client, [*children, root], [])
    submit = _submit(ids, start + 9 * MILLISECOND, client, place)
    updates = [_update(ids, submit, client, place, status, 1 + at) for at, status in enumerate(statuses)]
    return Whole(ids, client, [*children, submit, root], updates)


def _root(ids: Ids, start: int, place: dict[Attribute, Any]) -> Span:
    facts = {
        a.TIMEFRAME: "1d",
        a.MARKET_PRICE: 1_431.2,
        a.MARKET_DATA_AGE: 2.1,
        a.EVENT_TIME: MARKET,
        a.ACTION: "buy",
        a.CONFIDENCE: 0.66,
        a.THRESHOLD: 0.6,
        a.REASON: "weighted vote 0.66 > 0.60",
        a.AGREEMENT: 0.8,
        a.ENTROPY: 0.72,
        a.REGIME: "bull_trend",
        a.REGIME_CONFIDENCE: 0.81,
    }
    return span(
        s.DECISION,
        {**ids.common, **place, **facts},
        trace=ids.trace,
        own=ids.root,
        parent=ids.parent,
        start=start,
        seconds=0.0124,
        events=_events(start, place[a.SYMBOL]),
    )


def _submit(ids: Ids, start: int, client: str, place: dict[Attribute, Any]) -> Span:
    facts = {
        a.CLIENT_ID: client,
        a.SIDE: "buy",
        a.ORDER_TYPE: "limit",
        a.QUANTITY: 12.0,
        a.PRICE: 1_432.0,
        a.CURRENCY: "USD",
        a.ARRIVAL_MID: 1_431.2283,
    }
    said = {**ids.common, **place, **facts}
    return span(s.ORDER_SUBMIT, said, trace=ids.trace, own=ids.span(), parent=ids.root, start=start, seconds=0.0004)


def _children(ids: Ids, start: int) -> list[Span]:
    made = []
    for at, name in enumerate(("analyst", "strategist", "tactician")):
        facts = {**ids.common, a.COMPONENT: name}
        begin = start + at * 2 * MILLISECOND
        made.append(span(name, facts, trace=ids.trace, own=ids.span(), parent=ids.root, start=begin, seconds=0.0015))
    facts = {
        **ids.common,
        a.CHECK: "max_position",
        a.LIMIT: "max_position",
        a.LIMIT_VALUE: 100.0,
        a.CHECK_VALUE: 12.0,
        a.CHECK_OUTCOME: "passed",
    }
    begin = start + 8 * MILLISECOND
    made.append(
        span(s.RISK_CHECK, facts, trace=ids.trace, own=ids.span(), parent=ids.root, start=begin, seconds=0.0001)
    )
    return made


def _events(start: int, symbol: str) -> list[Span.Event]:
    bar = (a.MARKET_OPEN, a.MARKET_HIGH, a.MARKET_LOW, a.MARKET_CLOSE, a.MARKET_VOLUME)
    prices: dict[Attribute, Any] = dict(zip(bar, (1_428.0, 1_433.5, 1_425.25, 1_430.9, 2.5e9), strict=True))
    probabilities = {"bull_trend": 0.81, "sideways": 0.15, "bear_trend": 0.04}
    made = [
        event(s.MARKET_DATA, start, {a.SYMBOL: symbol, a.CHANNEL: "bars", a.MARKET_DATA_AGE: 2.1, **prices}),
        event(
            s.REGIME,
            start + MILLISECOND,
            {a.REGIME: "bull_trend", a.REGIME_CONFIDENCE: 0.81, a.PROBABILITIES: probabilities},
        ),
        event(
            s.FEATURES,
            start + 2 * MILLISECOND,
            {a.FEATURE_COUNT: 3, a.FEATURE_VALUES: {"rsi": 61.25, "return_5": 0.0125, "volatility": 0.008}},
        ),
    ]
    for at, model in enumerate(MODELS):
        action = "sell" if model == "reversion" else "buy"
        facts = {
            a.MODEL_NAME: model,
            a.MODEL_VERSION: "3",
            a.ACTION: action,
            a.CONFIDENCE: round(0.55 + 0.04 * at, 2),
            a.WEIGHT: round(0.3 - 0.05 * at, 2),
        }
        made.append(event(s.VOTE, start + 5 * MILLISECOND, facts))
    path = {a.STEP: "weighted vote", a.PATH_VALUE: 0.66, a.THRESHOLD: 0.6, a.PATH_WEIGHT: 1.0, a.PATH_PASSED: True}
    made.append(event(s.DECISION_PATH, start + 6 * MILLISECOND, path))
    return made


def _update(ids: Ids, submit: Span, client: str, place: dict[Attribute, Any], status: str, at: int) -> Span:
    filled = status in {"filled", "partially_filled"}
    facts: dict[Attribute, Any] = {
        **ids.common,
        **place,
        a.CLIENT_ID: client,
        a.STATUS: status,
        a.SIDE: "buy",
        a.ORDER_TYPE: "limit",
        a.TRANSITION_VALID: True,
        a.CURRENCY: "USD",
    }
    if filled:
        facts |= {
            a.CUM_QUANTITY: 12.0 if status == "filled" else 5.0,
            a.AVG_PRICE: 1_431.4,
            a.FILL_ID: f"F-{client}-{at}",
            a.FILL_QUANTITY: 12.0,
            a.FILL_PRICE: 1_431.4,
            a.LIQUIDITY: "taker",
            a.FEE: 0.1,
            a.FEE_CURRENCY: "USD",
        }
    if status == "filled":
        facts |= {a.SLIPPAGE: 1.2, a.SHORTFALL: 1.5}
    if status in {"rejected", "denied"}:
        facts |= {a.REJECT_REASON: "insufficient_funds", a.REJECT_TEXT: "margin is insufficient"}
    start = submit.start_time_unix_nano + at * 106 * MILLISECOND
    return span(
        s.ORDER_UPDATE,
        facts,
        trace=ids.trace,
        own=ids.span(),
        parent=submit.span_id,
        start=start,
        seconds=0.0,
    )


def drifts(around: Whole) -> list[Span]:
    """Return what a drift monitor says of one model: a card, a check, a whole episode, a window."""
    about = {a.MODEL_NAME: "boosting", a.MODEL_VERSION: "7", a.DRIFT_KIND: "data", a.DRIFT_REFERENCE: "f00d"}
    moved = {a.DRIFT_EVIDENCES: {"rsi:scale": 1.25, "volume:location": 0.5}, a.DRIFT_EFFECTS: {"rsi:scale": -0.75}}
    check = {a.DETECTOR: "ares", a.DRIFT_RESULT: "drift", a.DRIFT_EVIDENCE: 1.25, a.DRIFT_EFFECT: -0.75, **moved}
    account = {a.DRIFT_TESTED: 3, a.DRIFT_UNTESTABLE: 1, a.DRIFT_SPENT: 0.125, a.DRIFT_BAR: 900, a.EVENT_TIME: MARKET}
    episode = {a.DRIFT_EPISODE: 2, a.DRIFT_SEVERITY: "warning", a.DRIFT_EVIDENCE: 1.25, a.DRIFT_EFFECT: 0.75, **moved}
    since = {a.DRIFT_SINCE: MARKET - 9 * SECOND, a.DRIFT_SINCE_BAR: 812, a.DRIFT_SUMMARY: "it moved"}
    since |= {a.DRIFT_MEMORIES: {"rsi:scale": 128}}
    card = {a.DRIFT_ROWS: 500, a.DRIFT_HORIZON: 4_000, a.DRIFT_ALARMS: 0.05, a.DRIFT_SAMPLES: {"rsi:scale": 240.0}}
    seen = {
        a.DRIFT_DETECTABLE: {"rsi:scale": 0.5},
        a.DRIFT_SHARES: {"rsi:scale": 0.25},
        a.DRIFT_TIMES: {"rsi:scale": 2},
        a.DRIFT_TESTS: {"rsi:scale@128": 0.25},
        a.DRIFT_MONTH: 21.0,
        a.DRIFT_ENDS: 0.5,
    }
    window = {
        a.DRIFT_EXPECTED: {"inf": 0.0, "-1": 0.25, "2.5": 0.75},
        a.DRIFT_OBSERVED: {"-1": 0.5, "2.5": 0.5, "inf": 0},
    }
    count = {a.DRIFT_VALUES: 80, a.DRIFT_WINDOW: 88, a.DRIFT_BAR: 900, a.DRIFT_EPISODE: 2}
    linked = Span.Link(trace_id=around.ids.trace, span_id=around.ids.root)
    made = [
        span(s.DRIFT_CARD, {**about, **card, **seen, a.DRIFT_REASONS: {"vol:scale": "n_eff 6 < 24"}}),
        span(s.DRIFT_CHECK, {**about, **check, **account, a.DRIFT_SEVERITY: "warning", a.DRIFT_EPISODE: 2}),
        span(s.DRIFT_EPISODE, {**about, **episode, **since, a.DRIFT_STATE: "started", a.DRIFT_BAR: 900}),
        span(s.DRIFT_WINDOW, {**about, **window, **count, a.FEATURE_NAME: "rsi", a.DRIFT_AGAINST: "reference"}),
        span(s.DRIFT_EPISODE, {**about, **episode, a.DRIFT_STATE: "cleared", a.DRIFT_BAR: 990, a.EVENT_TIME: MARKET}),
    ]
    made[1].links.append(linked)
    made[2].links.append(linked)
    for at, each in enumerate(made):
        each.span_id = b"drifted" + bytes([at])
    return made


def records(around: Whole) -> list[Span]:
    """Return spans of records outside of any decision, and a check and a call inside of one."""
    start = around.spans[-1].start_time_unix_nano
    place: dict[Attribute, Any] = {a.STRATEGY: "swing", a.SYMBOL: "SP500"}
    money: dict[Attribute, Any] = {a.STRATEGY: "swing", a.CURRENCY: "USD"}
    position = {a.POSITION_QUANTITY: -3.0, a.POSITION_AVG_PRICE: 100.0, a.MARK_PRICE: 99.0, a.UNREALIZED_PNL: 3.0}
    behavior = {a.CONSISTENCY: 0.9, a.STABILITY: 0.8, a.PREDICTION_DRIFT: 0.1, a.CONFIDENCE_TREND: [0.5, 0.75]}
    feed = {**place, a.VENUE: "paper", a.CHANNEL: "trades", a.MARKET_DATA_AGE: 0.5}
    model = {a.MODEL_VERSION: "7", a.MODEL_TYPE: "lgbm", a.MODEL_TRAINED: START, a.MODEL_ROWS: 9, a.FEATURE_COUNT: 3}
    importances = {a.FEATURE_IMPORTANCE: {"rsi": 0.75, "volume": 0.25}, a.IMPORTANCE_METHOD: "gain"}
    made = [
        span(s.EQUITY, {**money, a.EQUITY: 1_000.5, a.CASH: 900.0, a.REALIZED_PNL: 0.5, a.EVENT_TIME: MARKET}),
        span(s.EQUITY, {**money, a.EQUITY: 990.25, a.EVENT_TIME: MARKET + SECOND}),
        span(s.POSITION, {**place, a.CURRENCY: "USD", **position, a.EVENT_TIME: MARKET}),
        span(s.POSITION, {**place, a.POSITION_QUANTITY: 0.0, a.EVENT_TIME: MARKET + SECOND}),
        span(s.MARKET_DATA, {**feed, a.MARKET_GAPS: 2, a.MARKET_MESSAGES: 10}),
        span(s.MARKET_DATA, {**feed, a.MARKET_MESSAGES: 5, a.MARKET_CLOSE: 99.0, a.EVENT_TIME: MARKET}),
        span(s.MARK, {a.SYMBOL: "SP500", a.MARK_PRICE: 99.0, a.CURRENCY: "USD"}),
        span(s.FUNDING, {**place, a.FUNDING: -1.25, a.FUNDING_KIND: "funding", a.CURRENCY: "USD"}),
        span(s.MODEL_INFO, {a.MODEL_NAME: "boosting", **model}),
        span(s.IMPORTANCE, {a.MODEL_NAME: "boosting", **importances}),
        span(s.MODEL_BEHAVIOR, {a.MODEL_NAME: "boosting", **behavior}),
        span(s.REGIME, {**place, a.REGIME: "bull_trend", a.EVENT_TIME: MARKET}),
        *drifts(around),
    ]
    for at, each in enumerate(made, start=1):
        each.trace_id, each.span_id = b"record" + at.to_bytes(10, "big"), b"record" + at.to_bytes(2, "big")
        each.start_time_unix_nano = each.end_time_unix_nano = start + at * SECOND
    inside: Any = {"trace": around.ids.trace, "parent": around.ids.root, "start": start}
    limit = {a.CHECK: "max_order", a.CHECK_VALUE: 12.0, a.LIMIT_VALUE: 10.0, a.CHECK_OUTCOME: "blocked"}
    call = {a.PEER_SERVICE: "paper", a.HTTP_STATUS: 500, a.ERROR_TYPE: "timeout"}
    return [
        *made,
        span(s.RISK_CHECK, {**around.ids.common, **limit}, own=b"blocked1", **inside),
        span("exchange create_order", {**around.ids.common, **call}, own=b"created1", seconds=0.001, **inside),
    ]
