"""What the worker hands to metrics and spans: records after examination, joined with where they belong."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ares_otel.records.model import Decision, Order, OrderUpdate, Record, Stage, Vote
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import OrderStatus

__all__ = ["DecisionFacts", "OrderFacts", "Origin", "RecordFacts", "UpdateFacts"]


class Origin(msgspec.Struct, frozen=True):
    """The decision (or foreign span) that a record belongs to; all zero or None outside of any.

    Attributes:
        trace_id: 128 bits, 0 without a trace.
        span_id: 64 bits, the span that was current (the parent of what is made here).
        decision_span_id: 64 bits, the decision's own span.
        started: monotonic ns at which the decision began, None when it ran in another process.
        exemplar: `trace_id` in hexadecimal when the trace is kept, so that an exemplar may name it.
    """

    trace_id: int = 0
    span_id: int = 0
    decision_span_id: int = 0
    correlation_id: Annotated[str | None, a.CORRELATION_ID] = None
    decision_id: Annotated[str | None, a.DECISION_ID] = None
    causation_id: Annotated[str | None, a.CAUSATION_ID] = None
    strategy: str | None = None
    symbol: str | None = None
    venue: str | None = None
    started: int | None = None
    exemplar: str | None = None


class DecisionFacts(msgspec.Struct, frozen=True):
    """An ended decision. `duration` in seconds, `ended` Unix ns; `votes` in the order they were given.

    `error_type` is set for a decision that an exception ended; `abandoned` for one closed by the time limit.
    """

    decision: Decision
    origin: Origin
    duration: float
    ended: int
    stages: tuple[Stage, ...] = ()
    votes: tuple[Vote, ...] = ()
    agreement: float | None = None
    entropy: float | None = None
    error_type: str | None = None
    abandoned: bool = False
    kept: bool = True


class OrderFacts(msgspec.Struct, frozen=True):
    """An order that was sent. `tick_to_order`: seconds from the start of its decision, if known here."""

    order: Order
    origin: Origin
    tick_to_order: float | None = None


class UpdateFacts(msgspec.Struct, frozen=True):
    """An execution report after the ledger has joined it with its order.

    Attributes:
        order: the order as it was sent; None when nobody knows it.
        prior: state before; None for the first update or an unknown order.
        valid: FIX allows the change of state.
        duplicate: this very update was seen before; it changes no sum.
        fill_quantity: quantity of this fill, also when only cumulative quantities were reported.
        cum_quantity, avg_price, leaves_quantity: of the order after this update.
        ack_seconds: from submission to this update if it is the first answer, never negative.
        fill_seconds: from submission to this update if it completes the order.
        negative_latency: the clocks disagreed and a latency was clamped at zero.
        slippage_bps: of the order's fills so far against its arrival mid, positive is a cost; set when it is done.
        slippage_cost: signed money of this fill against the arrival mid.
        shortfall_bps: implementation shortfall of a done order.
        done: the order can no longer be filled.
    """

    update: OrderUpdate
    origin: Origin
    order: Order | None = None
    prior: OrderStatus | None = None
    valid: bool = True
    duplicate: bool = False
    fill_quantity: float | None = None
    cum_quantity: float | None = None
    avg_price: float | None = None
    leaves_quantity: float | None = None
    ack_seconds: float | None = None
    fill_seconds: float | None = None
    negative_latency: bool = False
    slippage_bps: float | None = None
    slippage_cost: float | None = None
    shortfall_bps: float | None = None
    done: bool = False


class RecordFacts(msgspec.Struct, frozen=True):
    """Any other record (`Regime`, `RiskCheck`, `Mark`, `Position`, `Equity`, `Prediction`, …); `at` Unix ns."""

    record: Record
    origin: Origin
    at: int
