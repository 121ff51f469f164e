"""Orders and execution reports, in the words of FIX."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Literal

import msgspec

__all__ = [
    "FINAL",
    "ExecutionReport",
    "Liquidity",
    "Order",
    "OrderType",
    "RejectReason",
    "Side",
    "Status",
    "TimeInForce",
    "rounded",
    "signed",
    "whole_lots",
]

Side = Literal["buy", "sell", "sell_short"]
OrderType = Literal["market", "limit"]
TimeInForce = Literal["day", "gtc"]
Status = Literal["new", "partially_filled", "filled", "canceled", "rejected", "expired"]
Liquidity = Literal["maker", "taker"]
RejectReason = Literal[
    "unknown_symbol",
    "duplicate_order",
    "incorrect_quantity",
    "price_increment",
    "price_band",
    "exceeds_limit",
    "insufficient_funds",
]

FINAL: frozenset[Status] = frozenset({"filled", "canceled", "rejected", "expired"})


class Order(msgspec.Struct, frozen=True):
    """What a trader asks of the venue.

    Attributes:
        client_id: the trader's own id of the order (FIX 11), unique.
        account: whose money (FIX 1).
        symbol: what is traded (FIX 55).
        side: `sell` closes what is held, `sell_short` opens a short position (FIX 54).
        type: `market` or `limit` (FIX 40).
        quantity: units, above zero (FIX 38).
        price: limit price; None for a market order (FIX 44).
        time_in_force: `day` dies with the next bar, `gtc` stays until it is filled or canceled (FIX 59).
        time: when it was sent (FIX 60).
    """

    client_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    time: datetime


class ExecutionReport(msgspec.Struct, frozen=True):
    """What the venue answers: one change of an order's state.

    Attributes:
        execution_id: unique id of this report (FIX 17).
        venue_id: the venue's id of the order (FIX 37).
        client_id: the trader's id of the order (FIX 11).
        account: whose order.
        symbol: what is traded.
        side: side of the order.
        status: state of the order from now on (FIX 39).
        time: the venue's time of the change.
        quantity: ordered quantity (FIX 38).
        cumulative_quantity: filled so far (FIX 14).
        average_price: mean price of the fills so far, to six decimals; None before the first (FIX 6).
        last_quantity: quantity of this fill; None when the report is no fill (FIX 32).
        last_price: price of this fill (FIX 31).
        fee: fee of this fill in account currency, negative for a rebate.
        liquidity: whether this fill made or took liquidity (FIX 851).
        trade_id: unique id of this fill (FIX 1003).
        reason: why the order was rejected (FIX 103).
        text: the same for people (FIX 58).
    """

    execution_id: str
    venue_id: str
    client_id: str
    account: str
    symbol: str
    side: Side
    status: Status
    time: datetime
    quantity: Decimal
    cumulative_quantity: Decimal
    average_price: Decimal | None = None
    last_quantity: Decimal | None = None
    last_price: Decimal | None = None
    fee: Decimal = Decimal(0)
    liquidity: Liquidity | None = None
    trade_id: str | None = None
    reason: RejectReason | None = None
    text: str = ""

    @property
    def leaves_quantity(self) -> Decimal:
        """What can still be filled (FIX 151): zero once the order is done."""
        return Decimal(0) if self.status in FINAL else self.quantity - self.cumulative_quantity


def signed(side: Side, quantity: Decimal) -> Decimal:
    """Return the quantity as a change of position: positive for a buy, negative for both kinds of sale."""
    return quantity if side == "buy" else -quantity


def rounded(value: float, step: Decimal) -> Decimal:
    """Return the multiple of `step` nearest to a value, exactly."""
    return (Decimal(repr(float(value))) / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step


def whole_lots(value: float, lot: Decimal) -> Decimal:
    """Return the largest multiple of `lot` that is no further from zero than a value."""
    return (Decimal(repr(float(value))) / lot).quantize(Decimal(1), ROUND_DOWN) * lot
