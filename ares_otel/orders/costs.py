"""What an order cost against the market, from its sums (docs/portfolio.md): positive numbers are money lost."""

from __future__ import annotations

import math
from decimal import Decimal

from ares_otel.orders.sums import Sums, vwap
from ares_otel.portfolio.costs import SIGNS, Execution, shortfall, slippage
from ares_otel.portfolio.money import exact
from ares_otel.records.model import Number, Order
from ares_otel.semconv.enums import Side

__all__ = ["as_float", "shortfall_bps", "slippage_bps", "slippage_cost"]

ONE = Decimal(1)


def slippage_bps(order: Order, sums: Sums) -> float | None:
    """Return the slippage of the fills' VWAP against the arrival mid.

    None without a side, an arrival mid, or a known price for each fill.
    """
    sign = _sign(order)
    return None if sign is None else _maybe(slippage(sign, vwap(sums), _positive(order.arrival_mid)))


def slippage_cost(order: Order, before: Sums, after: Sums) -> float | None:
    """Return s * (p - mid) * q * multiplier of what a report changed; the parts add up exactly.

    None without a side or an arrival mid, or if the report changed neither quantity nor money at a known price.
    """
    sign, mid = _sign(order), _positive(order.arrival_mid)
    money, priced = after.money - before.money, after.priced - before.priced
    if sign is None or mid is None or not (money or priced):
        return None
    return as_float(sign * (money - mid * priced) * _multiplier(order))


def shortfall_bps(order: Order, sums: Sums, decision_price: Number | None, mark: Number | None) -> float | None:
    """Return the implementation shortfall of an ended order; `mark` is the last price of its symbol.

    Only fees in the order's currency, or in one that is not named, are in it: others are neither converted nor guessed.
    """
    sign = _sign(order)
    if sign is None:
        return None
    found = shortfall(
        Execution(
            sign=sign,
            ordered=_positive(order.quantity),
            filled=sums.quantity,
            money=sums.money if sums.priced >= sums.quantity else None,
            fees=sums.fees,
            decided=_positive(decision_price),
            arrival=_positive(order.arrival_mid),
            last=_positive(mark),
            multiplier=_multiplier(order),
        )
    )
    return _maybe(found.bps(found.total)) if found is not None else None


def as_float(value: Decimal) -> float | None:
    """Return the nearest float, None beyond its range."""
    number = float(value)
    return number if math.isfinite(number) else None


def _maybe(value: Decimal | None) -> float | None:
    return None if value is None else as_float(value)


def _sign(order: Order) -> int | None:
    return SIGNS.get(order.side) if isinstance(order.side, Side) else None


def _positive(value: Number | None) -> Decimal | None:
    return exact(value) if value is not None and value > 0 else None


def _multiplier(order: Order) -> Decimal:
    return _positive(order.multiplier) or ONE
