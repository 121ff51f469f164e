"""Rows of tables as the spans that make them again, where a row says enough for that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.keep.columns import Kind

__all__ = ["REFUSED", "SPOKEN", "Spoken", "kinds_of", "row_request"]

SLOT: Final = 1_023
MICROSECOND: Final = 1_000
RESOURCE: Final = {"attributes": [{"key": "service.name", "value": {"stringValue": "ares-otel import"}}]}


class Spoken(NamedTuple):
    """How rows of a table are said as spans.

    Attributes:
        table: the table's own name.
        span: name of the span.
        attributes: attribute by column.
        required: columns that a row cannot do without.
        own: whether rows have the ids of their spans; otherwise ids are made from what the row says.
        value: column that, with the row's id, tells that a row is there already, made of a span of another id.
    """

    table: str
    span: str
    attributes: Mapping[str, tuple[str, Kind]]
    required: frozenset[str] = frozenset({"time_ns"})
    own: bool = False
    value: str = ""


TEXT: Final[Kind] = "text"
NUMBER: Final[Kind] = "number"
EVENT_TIME: Final[tuple[str, Kind]] = (a.EVENT_TIME.key, "integer")

SPOKEN: Final = {
    "decisions": Spoken(
        "decision",
        s.DECISION.name,
        {
            "correlation": (a.CORRELATION_ID.key, TEXT),
            "decision_id": (a.DECISION_ID.key, TEXT),
            "strategy": (a.STRATEGY.key, TEXT),
            "symbol": (a.SYMBOL.key, TEXT),
            "venue": (a.VENUE.key, TEXT),
            "action": (a.ACTION.key, TEXT),
            "regime": (a.REGIME.key, TEXT),
            "confidence": (a.CONFIDENCE.key, NUMBER),
            "price": (a.MARKET_PRICE.key, NUMBER),
            "agreement": (a.AGREEMENT.key, NUMBER),
            "regime_confidence": (a.REGIME_CONFIDENCE.key, NUMBER),
            "event_time_ns": EVENT_TIME,
        },
        frozenset({"time_ns", "trace", "span"}),
        own=True,
    ),
    "equity": Spoken(
        "equity",
        s.EQUITY.name,
        {
            "strategy": (a.STRATEGY.key, TEXT),
            "currency": (a.CURRENCY.key, TEXT),
            "value": (a.EQUITY.key, NUMBER),
            "cash": (a.CASH.key, NUMBER),
            "realized": (a.REALIZED_PNL.key, NUMBER),
            "event_time_ns": EVENT_TIME,
            "margin": (a.MARGIN.key, NUMBER),
            "margin_limit": (a.MARGIN_LIMIT.key, NUMBER),
        },
        frozenset({"time_ns", "value"}),
        value="value",
    ),
    "positions": Spoken(
        "position",
        s.POSITION.name,
        {
            "strategy": (a.STRATEGY.key, TEXT),
            "symbol": (a.SYMBOL.key, TEXT),
            "currency": (a.CURRENCY.key, TEXT),
            "position_id": (a.POSITION_ID.key, TEXT),
            "quantity": (a.POSITION_QUANTITY.key, NUMBER),
            "notional": (a.POSITION_NOTIONAL.key, NUMBER),
            "avg_price": (a.POSITION_AVG_PRICE.key, NUMBER),
            "mark": (a.MARK_PRICE.key, NUMBER),
            "realized": (a.REALIZED_PNL.key, NUMBER),
            "unrealized": (a.UNREALIZED_PNL.key, NUMBER),
            "event_time_ns": EVENT_TIME,
        },
        frozenset({"time_ns", "symbol"}),
        value="quantity",
    ),
    "marks": Spoken(
        "mark",
        s.MARK.name,
        {
            "symbol": (a.SYMBOL.key, TEXT),
            "currency": (a.CURRENCY.key, TEXT),
            "price": (a.MARK_PRICE.key, NUMBER),
            "event_time_ns": EVENT_TIME,
        },
        frozenset({"time_ns", "symbol", "price"}),
        value="price",
    ),
    "funding": Spoken(
        "funding",
        s.FUNDING.name,
        {
            "strategy": (a.STRATEGY.key, TEXT),
            "symbol": (a.SYMBOL.key, TEXT),
            "currency": (a.CURRENCY.key, TEXT),
            "position_id": (a.POSITION_ID.key, TEXT),
            "amount": (a.FUNDING.key, NUMBER),
            "kind": (a.FUNDING_KIND.key, TEXT),
            "event_time_ns": EVENT_TIME,
        },
        frozenset({"time_ns", "amount"}),
        value="amount",
    ),
    "bars": Spoken(
        "bar",
        s.MARKET_DATA.name,
        {
            "symbol": (a.SYMBOL.key, TEXT),
            "venue": (a.VENUE.key, TEXT),
            "channel": (a.CHANNEL.key, TEXT),
            "open": (a.MARKET_OPEN.key, NUMBER),
            "high": (a.MARKET_HIGH.key, NUMBER),
            "low": (a.MARKET_LOW.key, NUMBER),
            "close": (a.MARKET_CLOSE.key, NUMBER),
            "volume": (a.MARKET_VOLUME.key, NUMBER),
            "time_ns": EVENT_TIME,
        },
        frozenset({"time_ns", "symbol", "close"}),
    ),
}
"""Tables whose rows can be imported, by public name."""

REFUSED: Final = {
    "votes": "votes are events of their decision's span",
    "orders": "an order's row does not hold the ids of its spans, which would be stored a second time",
    "updates": "an update's row does not hold the id of its span, which would be stored a second time",
    "outcomes": "what joins an outcome with its prediction is kept as a hash alone",
}
"""Why rows of a table are no spans; what is not named here is made from spans by the server itself."""


def kinds_of(spoken: Spoken) -> dict[str, Kind]:
    """Return the columns that a file may have."""
    kinds: dict[str, Kind] = {"time": "time", "time_ns": "integer", "id": "integer"}
    for column, (_, kind) in spoken.attributes.items():
        kinds[column] = kind
        if column.endswith("_ns"):
            kinds[column.removesuffix("_ns")] = "time"
    if spoken.own:
        kinds |= {"trace": "text", "span": "text", "duration_us": "integer", "error": "boolean", "rejected": "integer"}
    return kinds


def row_request(spoken: Spoken, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as an OTLP/JSON request of one span."""
    start = int(row["time_ns"])
    attributes = [
        {"key": key, "value": _value(kind, row[column])}
        for column, (key, kind) in spoken.attributes.items()
        if column in row
    ]
    span: dict[str, Any] = {
        "name": spoken.span,
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(row.get("duration_us", 0)) * MICROSECOND),
        "attributes": attributes,
    }
    span |= _ids(spoken, row)
    if row.get("error"):
        span["status"] = {"code": 2}
    scope = {"scope": {"name": "ares_otel"}, "spans": [span]}
    return {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [scope]}]}


def _ids(spoken: Spoken, row: Mapping[str, Any]) -> dict[str, str]:
    if spoken.own:
        return {"traceId": str(row["trace"]), "spanId": str(row["span"])}
    said = msgspec.json.encode([spoken.table, sorted(row.items())])
    digest = hashlib.blake2b(said, digest_size=22).digest()
    # the last bits of a span id tell rows of one moment apart: those of the row at hand make it the same row again
    low = int(row.get("id", int.from_bytes(digest[-2:], "big"))) & SLOT
    return {"traceId": digest[:16].hex(), "spanId": (digest[16:22] + low.to_bytes(2, "big")).hex()}


def _value(kind: Kind, value: Any) -> dict[str, Any]:
    if kind == "number":
        return {"doubleValue": float(value)}
    return {"intValue": str(value)} if kind == "integer" else {"stringValue": str(value)}
