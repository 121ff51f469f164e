"""What an execution cost against the market (trading.md, section 2.1): positive numbers are money lost."""

from __future__ import annotations

import math
from decimal import Decimal

from ares_otel.orders.sums import Sums, exact, vwap
from ares_otel.records.model import Number, Order
from ares_otel.semconv.enums import Side

__all__ = ["as_float", "shortfall_bps", "slippage_bps", "slippage_cost"]

BPS = 10_000
SIGNS = {Side.BUY: 1, Side.SELL: -1, Side.SELL_SHORT: -1}
DUST = Decimal("1e-12")


def slippage_bps(order: Order, sums: Sums) -> float | None:
    """Return s * (VWAP - mid) / mid * 1e4 of the fills against the arrival mid; s is +1 for a buy, -1 for a sale.

    None without a side, an arrival mid, or a known price for each fill.
    """
    sign, mid, price = _sign(order), _positive(order.arrival_mid), vwap(sums)
    return None if sign is None or mid is None or price is None else as_float(sign * (price - mid) / mid * BPS)


def slippage_cost(order: Order, before: Sums, after: Sums) -> float | None:
    """Return s * (p - mid) * q of what a report changed, in the currency of the price; the parts add up exactly.

    None without a side or an arrival mid, or if the report changed neither quantity nor money at a known price.
    """
    sign, mid = _sign(order), _positive(order.arrival_mid)
    money, priced = after.money - before.money, after.priced - before.priced
    return None if sign is None or mid is None or not (money or priced) else as_float(sign * (money - mid * priced))


def shortfall_bps(order: Order, sums: Sums, decision_price: Number | None, mark: Number | None) -> float | None:
    """Return the implementation shortfall of an ended order (Perold 1988).

    [s * (sum p_i q_i - P_d * sum q_i) + s * (P_end - P_d) * (Q - sum q_i) + fees] / (P_d * Q) * 1e4

    with P_d the market's price at the decision, P_end the last mark, Q the ordered quantity. Only fees in the order's
    currency, or in one that is not named, are in it: others are neither converted nor guessed.

    None without a side, P_d, Q or a known price for each fill; and without P_end if a part was left unfilled.
    """
    sign, quantity = _sign(order), _positive(order.quantity)
    price, last = _positive(decision_price), _positive(mark)
    if sign is None or quantity is None or price is None or sums.priced < sums.quantity:
        return None
    left = max(quantity - sums.quantity, Decimal(0))
    if left > DUST * quantity and last is None:
        return None
    missed = (last - price) * left if last is not None else Decimal(0)
    executed = sums.money - price * sums.quantity
    return as_float((sign * (executed + missed) + sums.fees) / (price * quantity) * BPS)


def as_float(value: Decimal) -> float | None:
    """Return the nearest float, None beyond its range."""
    number = float(value)
    return number if math.isfinite(number) else None


def _sign(order: Order) -> int | None:
    return SIGNS.get(order.side) if isinstance(order.side, Side) else None


def _positive(value: Number | None) -> Decimal | None:
    return exact(value) if value is not None and value > 0 else None
