"""A decision as it is told: the records that the bot made, joined with what became of them.

Field names are those of the records (`ares_otel.records`). This is also the shape of `ares-otel explain --json`: times
are RFC 3339, durations and offsets (after the start of the decision) seconds, sums of money decimal texts by currency,
what is unknown is null or empty.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from ares_otel.records import (
    Decision,
    ExchangeRequest,
    FeatureVector,
    MarketData,
    Order,
    OrderUpdate,
    Outcome,
    PathStep,
    Prediction,
    Regime,
    RiskCheck,
    Vote,
)
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import OrderStatus
from ares_otel.server.story.costs import Costs

__all__ = [
    "CallStory",
    "Counts",
    "DecisionStory",
    "EventStory",
    "ExceptionStory",
    "LogStory",
    "OrderStory",
    "OutcomeStory",
    "SpanStory",
    "Story",
    "UpdateStory",
]


class DecisionStory(Decision, frozen=True):
    """What the decision knew, heard and said."""

    agreement: Annotated[float | None, a.AGREEMENT] = None
    entropy: Annotated[float | None, a.ENTROPY] = None
    error_type: Annotated[str | None, a.ERROR_TYPE] = None
    abandoned: Annotated[bool | None, a.ABANDONED] = None
    aborted: Annotated[bool | None, a.ABORTED] = None
    market: tuple[MarketData, ...] = ()
    regime: Regime | None = None
    votes: tuple[Vote, ...] = ()
    path: tuple[PathStep, ...] = ()
    checks: tuple[RiskCheck, ...] = ()
    features: tuple[FeatureVector, ...] = ()
    predictions: tuple[Prediction, ...] = ()


class UpdateStory(OrderUpdate, frozen=True):
    """An execution report. `after_seconds`: since the submission, None while that is unknown."""

    time: datetime | None = None
    after_seconds: float | None = None
    prior_status: Annotated[OrderStatus | str | None, a.PRIOR_STATUS] = None
    valid: Annotated[bool | None, a.TRANSITION_VALID] = None
    duplicate: Annotated[bool | None, a.DUPLICATE] = None
    leaves_quantity: Annotated[float | None, a.LEAVES_QUANTITY] = None
    acknowledged_seconds: Annotated[float | None, a.ACK_DURATION] = None
    slippage_bps: Annotated[float | None, a.SLIPPAGE] = None
    shortfall_bps: Annotated[float | None, a.SHORTFALL] = None
    currency: Annotated[str | None, a.CURRENCY] = None


class OrderStory(Order, frozen=True):
    """An order and what became of it. `slippage_bps` against the arrival mid, positive is a cost.

    `shortfall_bps` is what the bot said when the order was done; `costs` has its parts.
    `submitted` is None for an order of which only updates are known.
    """

    submitted: datetime | None = None
    offset_seconds: float | None = None
    failed: str | None = None
    status: OrderStatus | str | None = None
    cum_quantity: float | None = None
    avg_price: float | None = None
    acknowledged_after_seconds: float | None = None
    filled_after_seconds: float | None = None
    done_after_seconds: float | None = None
    slippage_bps: float | None = None
    shortfall_bps: float | None = None
    fees: dict[str, Decimal] = msgspec.field(default_factory=dict)
    costs: Costs = Costs()
    updates: tuple[UpdateStory, ...] = ()


class OutcomeStory(Outcome, frozen=True):
    """What came true, and when that was said."""

    time: datetime | None = None


class CallStory(ExchangeRequest, frozen=True):
    """A call of the venue's API."""

    offset_seconds: float = 0.0


class ExceptionStory(msgspec.Struct, frozen=True):
    """An exception and the span that it was recorded on."""

    span: str
    offset_seconds: float
    type: Annotated[str | None, a.EXCEPTION_TYPE] = None
    message: Annotated[str | None, a.EXCEPTION_MESSAGE] = None
    stacktrace: Annotated[str | None, a.EXCEPTION_STACKTRACE] = None


class EventStory(msgspec.Struct, frozen=True):
    """A span event as it was recorded."""

    name: str
    offset_seconds: float
    attributes: dict[str, Any]


class LogStory(msgspec.Struct, frozen=True):
    """A log record of the decision's correlation; `severity` is OTLP's number (9 info, 13 warning, 17 error)."""

    time: datetime
    offset_seconds: float
    severity: int | None
    logger: str | None
    body: str | None
    trace_id: str | None
    span_id: str | None
    attributes: dict[str, Any]


class SpanStory(msgspec.Struct, frozen=True):
    """A span as it was recorded, with the spans below it by time; `scope` is the library that made it."""

    name: str
    span_id: str
    scope: str
    start: datetime
    offset_seconds: float
    duration_seconds: float
    failed: bool
    message: str
    attributes: dict[str, Any]
    events: tuple[EventStory, ...]
    children: tuple[SpanStory, ...]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One decision from what it saw to what it cost; or a trace without a decision (`decision` None).

    `span_id` is that of the decision (or of the first span); `left_out` counts spans beyond what one story can hold;
    `logs` are the newest ones, by time.
    """

    sentence: str
    correlation_id: str | None
    decision_id: str | None
    causation_id: str | None
    trace_id: str
    span_id: str
    service: str | None
    mode: str | None
    start: datetime
    duration_seconds: float
    decision: DecisionStory | None
    orders: tuple[OrderStory, ...]
    outcomes: tuple[OutcomeStory, ...]
    calls: tuple[CallStory, ...]
    exceptions: tuple[ExceptionStory, ...]
    spans: tuple[SpanStory, ...]
    left_out: int = 0
    logs: tuple[LogStory, ...] = ()


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored. Updates that only repeat another are `duplicates` and in no other number.

    `fees` were paid and `rebates` received, exact sums by currency.
    """

    decisions: int
    votes: int
    orders: int
    updates: dict[str, int]
    duplicates: int
    fills: int
    fees: dict[str, Decimal]
    rebates: dict[str, Decimal]
    outcomes: int
