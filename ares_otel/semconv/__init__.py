"""Every name of ours, declared once: attributes, spans, events, metrics, vocabularies, thresholds."""

from __future__ import annotations

from ares_otel.semconv import attributes, metrics, spans, thresholds
from ares_otel.semconv.enums import (
    Action,
    CheckOutcome,
    Component,
    CorrelationOutcome,
    Direction,
    DriftKind,
    DropReason,
    Liquidity,
    Mode,
    OrderStatus,
    OrderType,
    OutcomeResult,
    RegimeName,
    RejectReason,
    Side,
    TimeInForce,
    TradeOutcome,
)
from ares_otel.semconv.model import Attribute, Counter, Event, Gauge, Histogram, Info, Kind, Metric, Span, Threshold

__all__ = [
    "Action",
    "Attribute",
    "CheckOutcome",
    "Component",
    "CorrelationOutcome",
    "Counter",
    "Direction",
    "DriftKind",
    "DropReason",
    "Event",
    "Gauge",
    "Histogram",
    "Info",
    "Kind",
    "Liquidity",
    "Metric",
    "Mode",
    "OrderStatus",
    "OrderType",
    "OutcomeResult",
    "RegimeName",
    "RejectReason",
    "Side",
    "Span",
    "Threshold",
    "TimeInForce",
    "TradeOutcome",
    "attributes",
    "metrics",
    "spans",
    "thresholds",
]
