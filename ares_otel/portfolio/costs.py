"""What executions cost against the market, and how many orders came to nothing.

Slippage and implementation shortfall (Perold 1988) as in docs/portfolio.md; positive numbers are money lost.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ares_otel.portfolio.money import ZERO, exact, exactly
from ares_otel.records.model import Number
from ares_otel.semconv.enums import Side

__all__ = [
    "BPS",
    "SIGNS",
    "WORDS",
    "Execution",
    "Quality",
    "Shortfall",
    "shortfall",
    "slippage",
    "stated_shortfall",
    "stated_slippage",
    "turnover",
]

BPS = 10_000
DAY = 86_400 * 10**9
SIGNS = {Side.BUY: 1, Side.SELL: -1, Side.SELL_SHORT: -1}
"""+1 for a buy, -1 for a sale."""
WORDS = {str(side): sign for side, sign in SIGNS.items()}
"""The same by the words of reports."""
DUST = Decimal("1e-12")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """An order that ended, and the prices it is measured by.

    Attributes:
        sign: +1 for a buy, -1 for a sale.
        ordered: its quantity.
        filled: filled quantity.
        money: sum of price times quantity of the fills; None while a price is unknown.
        fees: paid, in the order's currency; rebates are negative.
        decided: price of the market at the decision.
        arrival: mid price when the order became actionable.
        last: price of the market when it ended.
        multiplier: money that a unit gains when the price rises by one.
    """

    sign: int
    ordered: Decimal | None = None
    filled: Decimal = ZERO
    money: Decimal | None = None
    fees: Decimal = ZERO
    decided: Decimal | None = None
    arrival: Decimal | None = None
    last: Decimal | None = None
    multiplier: Decimal = Decimal(1)


class Shortfall(msgspec.Struct, frozen=True):
    """Implementation shortfall of an order in money; the parts add up to the total exactly.

    Attributes:
        total: what it cost against filling all at the price of the decision.
        delay: of it, from the decision to the arrival: s * (P_a - P_d) * filled; None without an arrival price.
        execution: from the arrival to the fills: s * (VWAP - P_a) * filled; None without an arrival price.
        opportunity: what was not filled has missed: s * (P_end - P_d) * (Q - filled).
        explicit: fees.
        base: P_d * Q, by which all are divided to basis points.
    """

    total: Decimal
    delay: Decimal | None
    execution: Decimal | None
    opportunity: Decimal
    explicit: Decimal
    base: Decimal

    @exactly
    def bps(self, part: Decimal | None) -> Decimal | None:
        """Return the total, or a part, in basis points."""
        return None if part is None else part / self.base * BPS


class Quality(msgspec.Struct, frozen=True):
    """How orders ended, as counts; ratios are of those that ended.

    Attributes:
        sent: orders that were sent to a venue.
        denied: orders that the bot's own checks refused; nothing was sent.
        ended: of the sent ones, those that can no longer be filled.
        filled: of the ended ones, those that were filled whole.
        rejected: of the sent ones, those that the venue refused.
        ordered: quantity of the ended ones.
        executed: of it, what was filled.
    """

    sent: int = 0
    denied: int = 0
    ended: int = 0
    filled: int = 0
    rejected: int = 0
    ordered: Decimal = ZERO
    executed: Decimal = ZERO

    @property
    def fill_ratio(self) -> float | None:
        """Orders filled whole by orders that ended; None without any."""
        return self.filled / self.ended if self.ended else None

    @property
    @exactly
    def quantity_ratio(self) -> float | None:
        """Filled by ordered quantity of the orders that ended; meaningful within one symbol."""
        return float(self.executed / self.ordered) if self.ordered else None

    @property
    def reject_ratio(self) -> float | None:
        """Orders that the venue refused by orders sent; those that the bot itself denied are in neither."""
        return self.rejected / self.sent if self.sent else None

    @property
    def denied_ratio(self) -> float | None:
        """Orders that the bot's own checks refused by all that it wanted to send."""
        wanted = self.sent + self.denied
        return self.denied / wanted if wanted else None


@exactly
def slippage(sign: int, price: Decimal | None, arrival: Decimal | None) -> Decimal | None:
    """Return s * (price - arrival) / arrival in basis points; None without one of the prices."""
    if price is None or arrival is None or arrival <= 0:
        return None
    return sign * (price - arrival) / arrival * BPS


def stated_slippage(side: str | None, price: Number | None, arrival: Number | None) -> float | None:
    """Return the slippage of an order as it was reported; None without a side, or without one of the prices."""
    if side not in WORDS or not price or not arrival:
        return None
    found = slippage(WORDS[side], exact(price), exact(arrival))
    return None if found is None else float(found)


@exactly
def shortfall(order: Execution) -> Shortfall | None:
    """Return the implementation shortfall of an order that ended (Perold 1988).

    [s * (sum p_i q_i - P_d * sum q_i) + s * (P_end - P_d) * (Q - sum q_i) + fees] / (P_d * Q) * 1e4

    None without P_d, Q or the price of each fill; and without P_end if a part was left unfilled.
    """
    ordered, decided, money = order.ordered, order.decided, order.money if order.filled else ZERO
    if ordered is None or decided is None or money is None or ordered <= 0 or decided <= 0:
        return None
    left = max(ordered - order.filled, ZERO)
    if left > DUST * ordered and order.last is None:
        return None
    unit = order.sign * order.multiplier
    missed = (order.last - decided) * left * unit if order.last is not None else ZERO
    delay = execution = None
    if order.arrival is not None:
        delay = (order.arrival - decided) * order.filled * unit
        execution = (money - order.arrival * order.filled) * unit
    total = (money - decided * order.filled) * unit + missed + order.fees
    return Shortfall(total, delay, execution, missed, order.fees, decided * ordered * order.multiplier)


@exactly
def stated_shortfall(order: Execution, bps: Number | None) -> Shortfall | None:
    """Return the shortfall of an order as it was reported, with its parts.

    Where the price is not known at which the order ended, what its unfilled quantity has missed is what the other parts
    leave of the reported total.
    """
    whole = shortfall(order)
    if whole is not None or bps is None:
        return whole
    rest = shortfall(msgspec.structs.replace(order, last=order.decided))
    if rest is None:
        return None
    total = exact(bps) * rest.base / BPS
    return msgspec.structs.replace(rest, total=total, opportunity=total - rest.total)


@exactly
def turnover(traded: Decimal | None, nanoseconds: int, equity: Decimal | None) -> float | None:
    """Return traded notional a day by equity; None without a time or equity above zero."""
    if traded is None or equity is None or equity <= 0 or nanoseconds <= 0:
        return None
    return float(traded / equity * DAY / nanoseconds)
