"""Points of what happened: measurements with few-valued tags; ids are fields, so that no series is made for each.

A point's time is that of its span with ten bits of the span id in the lowest places, as row ids are: two events of one
moment stay two points, and one that is sent again replaces itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.keep.line import FieldValue, line
from ares_otel.server.otlp.values import flag, number, text
from ares_otel.server.otlp.views import AttributeMap, FullSpan, HeadResource, RawResource, SpanView
from ares_otel.server.store.ids import time_id
from ares_otel.server.store.rows import base_id, identity, is_decision

__all__ = ["points_of"]

MICROSECOND: Final = 1_000
FAILED: Final = 2


class _Measurement(NamedTuple):
    """What points of one name are made of.

    Attributes:
        name: its name.
        tags: attributes that become tags, by tag.
        texts: attributes that become fields of text, by field.
        numbers: attributes that become fields of numbers, by field.
    """

    name: str
    tags: Mapping[str, Attribute]
    texts: Mapping[str, Attribute]
    numbers: Mapping[str, Attribute]


PLACE: Final = {"strategy": a.STRATEGY, "symbol": a.SYMBOL}
IDS: Final = {"correlation_id": a.CORRELATION_ID}

DECISION: Final = _Measurement(
    "ares_decision",
    {**PLACE, "venue": a.VENUE, "action": a.ACTION, "regime": a.REGIME},
    IDS,
    {
        "confidence": a.CONFIDENCE,
        "agreement": a.AGREEMENT,
        "regime_confidence": a.REGIME_CONFIDENCE,
        "price": a.MARKET_PRICE,
    },
)
VOTE: Final = _Measurement(
    "ares_vote",
    {**PLACE, "model": a.MODEL_NAME, "action": a.ACTION},
    {},
    {"confidence": a.CONFIDENCE, "weight": a.WEIGHT},
)
ORDER: Final = _Measurement(
    "ares_order",
    {**PLACE, "venue": a.VENUE, "side": a.SIDE, "type": a.ORDER_TYPE, "currency": a.CURRENCY},
    {**IDS, "client_order_id": a.CLIENT_ID},
    {"quantity": a.QUANTITY, "price": a.PRICE, "arrival_mid": a.ARRIVAL_MID},
)
UPDATE: Final = _Measurement(
    "ares_order_update",
    {**PLACE, "venue": a.VENUE, "side": a.SIDE, "status": a.STATUS, "liquidity": a.LIQUIDITY},
    {**IDS, "client_order_id": a.CLIENT_ID, "fill_id": a.FILL_ID, "reject_reason": a.REJECT_REASON},
    {
        "cum_quantity": a.CUM_QUANTITY,
        "avg_price": a.AVG_PRICE,
        "fill_quantity": a.FILL_QUANTITY,
        "fill_price": a.FILL_PRICE,
        "fee": a.FEE,
        "slippage_bp": a.SLIPPAGE,
        "shortfall_bp": a.SHORTFALL,
    },
)
EQUITY: Final = _Measurement(
    "ares_equity",
    {"strategy": a.STRATEGY, "currency": a.CURRENCY},
    {},
    {
        "value": a.EQUITY,
        "cash": a.CASH,
        "realized": a.REALIZED_PNL,
        "margin": a.MARGIN,
        "margin_limit": a.MARGIN_LIMIT,
    },
)
POSITION: Final = _Measurement(
    "ares_position",
    {**PLACE, "currency": a.CURRENCY},
    {"position_id": a.POSITION_ID},
    {
        "quantity": a.POSITION_QUANTITY,
        "notional": a.POSITION_NOTIONAL,
        "avg_price": a.POSITION_AVG_PRICE,
        "mark": a.MARK_PRICE,
        "realized": a.REALIZED_PNL,
        "unrealized": a.UNREALIZED_PNL,
    },
)
SPANS: Final = {
    s.DECISION.name: DECISION,
    s.ORDER_SUBMIT.name: ORDER,
    s.ORDER_UPDATE.name: UPDATE,
    s.EQUITY.name: EQUITY,
    s.POSITION.name: POSITION,
}
EVENTS: Final = {s.VOTE.name: VOTE, s.EQUITY.name: EQUITY, s.POSITION.name: POSITION}


def points_of(content: bytes) -> Iterator[bytes]:
    """Yield the points of the spans in a frame's content."""
    heads = HeadResource.FromString(content)
    for raw_scope, head_scope in zip(RawResource.FromString(content).scope_spans, heads.scope_spans, strict=True):
        for raw, head in zip(raw_scope.spans, head_scope.spans, strict=True):
            if head.name in SPANS:
                yield from filter(None, _span_points(FullSpan.FromString(raw)))


def _span_points(span: SpanView) -> Iterator[bytes]:
    measurement = SPANS[span.name]
    if measurement is DECISION and not is_decision(span):
        return
    own: dict[str, FieldValue] = {"trace_id": span.trace_id.hex()}
    if measurement is DECISION:
        own["decision_id"] = identity(span)
        own["duration_us"] = max(span.end_time_unix_nano - span.start_time_unix_nano, 0) // MICROSECOND
        own["error"] = span.status.code == FAILED
    elif measurement is UPDATE:
        own["duplicate"] = flag(span.attributes, a.DUPLICATE.key, default=False)
    yield _point(measurement, span.attributes, span.attributes, own, base_id(span))
    if measurement is DECISION:
        yield from _event_points(span, {"trace_id": own["trace_id"], "decision_id": own["decision_id"]})


def _event_points(span: SpanView, ids: dict[str, FieldValue]) -> Iterator[bytes]:
    low = int.from_bytes(span.span_id[-2:], "big")
    for position, event in enumerate(span.events):
        measurement = EVENTS.get(event.name)
        if measurement is not None:
            moment = time_id(event.time_unix_nano or span.start_time_unix_nano, low + position)
            yield _point(measurement, event.attributes, span.attributes, ids, moment)


def _point(
    measurement: _Measurement,
    said: AttributeMap,
    around: AttributeMap,
    own: Mapping[str, FieldValue],
    time_ns: int,
) -> bytes:
    """Return a point; what names the place may be said by the span around an event."""
    tags = {name: text(said, key.key) for name, key in measurement.tags.items()}
    for name, key in PLACE.items():
        if name in tags:
            tags[name] = tags[name] or text(around, key.key)
    fields: dict[str, FieldValue] = {name: number(said, key.key) for name, key in measurement.numbers.items()}
    if all(value is None for value in fields.values()) and measurement in (EQUITY, POSITION):
        return b""
    fields |= {name: text(said, key.key) for name, key in measurement.texts.items()}
    return line(measurement.name, tags, {**fields, **own}, time_ns)
