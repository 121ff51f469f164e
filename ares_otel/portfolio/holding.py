"""One position, kept from its fills: quantity, cost, realized profit.

Average cost and first in, first out differ only in where an opening fill goes: into the one lot, or behind the others.
They realize different parts of the profit at different times and the same total once the position is flat.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from ares_otel.portfolio.money import ZERO, exactly, fraction, less, plus

__all__ = ["ONE", "Closing", "Fill", "Holding", "Lot", "Method", "money"]

ONE = Decimal(1)


class Method(StrEnum):
    """Which cost a sale takes away."""

    AVERAGE = "average"
    FIFO = "fifo"


class Fill(msgspec.Struct, frozen=True):
    """A fill as accounts see it.

    Attributes:
        quantity: units, negative for a sale; not zero.
        price: price of a unit; None while nobody told it, which makes cost and profit unknown.
        multiplier: money that a unit gains when the price rises by one (contracts); 1 for what is owned itself.
        fee: what was paid for it; negative is a rebate.
        fee_currency: "" for the currency of the position.
        at: market time, Unix ns.
        venue: where it was made, "" where that was not said.
        regime: that the decision saw which sent its order, "" likewise.
    """

    quantity: Decimal
    price: Decimal | None = None
    multiplier: Decimal = ONE
    fee: Decimal = ZERO
    fee_currency: str = ""
    at: int = 0
    venue: str = ""
    regime: str = ""

    @property
    def value(self) -> Decimal | None:
        """What it is worth, without sign; None without a price."""
        return money(abs(self.quantity), self)


class Lot(msgspec.Struct):
    """What is open of one or more fills: signed quantity, and its cost (quantity * price * multiplier)."""

    quantity: Decimal
    cost: Decimal | None


class Closing(NamedTuple):
    """What a fill closed: signed quantity of the position, the profit of that before fees, None if unknown."""

    quantity: Decimal
    profit: Decimal | None


class Holding(msgspec.Struct):
    """A position in one symbol; long and short, never both.

    Attributes:
        method: which cost a closing fill takes away.
        lots: what is open, oldest first, all of one sign; one at most by average cost.
        realized: profit of all that was closed, before fees; None once a part of it is unknown.
        multiplier: of what is open; None if its fills disagree.
    """

    method: Method = Method.AVERAGE
    lots: list[Lot] = []
    realized: Decimal | None = ZERO
    multiplier: Decimal | None = ONE

    @property
    @exactly
    def quantity(self) -> Decimal:
        """Units held, negative when short."""
        return sum((lot.quantity for lot in self.lots), ZERO)

    @property
    @exactly
    def cost(self) -> Decimal | None:
        """What was paid for what is open, negative when short; None if unknown."""
        total = ZERO
        for lot in self.lots:
            if lot.cost is None:
                return None
            total += lot.cost
        return total

    @property
    @exactly
    def average_price(self) -> Decimal | None:
        """Mean price of what is open; None when flat or unknown."""
        cost, units = self.cost, self.quantity * (self.multiplier or ZERO)
        return cost / units if cost is not None and units else None

    @exactly
    def value(self, mark: Decimal | None) -> Decimal | None:
        """Return the signed value at a price; zero when flat, None if the price is unknown."""
        if not self.lots:
            return ZERO
        return None if mark is None or self.multiplier is None else self.quantity * mark * self.multiplier

    @exactly
    def unrealized(self, mark: Decimal | None) -> Decimal | None:
        """Return the profit of closing all at a price, before fees; None if unknown."""
        return less(self.value(mark), self.cost)

    @exactly
    def apply(self, fill: Fill) -> Closing:
        """Book a fill; one of more than is held closes all and opens the rest on the other side."""
        left, closed, profit = fill.quantity, ZERO, ZERO if fill.price is not None else None
        while left and self.lots and (self.lots[0].quantity > 0) != (left > 0):
            part, won = self._close(left, fill)
            left += part
            closed += part
            profit = plus(profit, won)
        if not closed:
            profit = ZERO
        if left:
            self._open(left, fill)
        self.realized = plus(self.realized, profit)
        return Closing(closed, profit)

    def _close(self, left: Decimal, fill: Fill) -> Closing:
        oldest = self.lots[0]
        part = min(abs(left), abs(oldest.quantity)).copy_sign(oldest.quantity)
        cost = None if oldest.cost is None else fraction(oldest.cost, part, oldest.quantity)
        oldest.quantity -= part
        oldest.cost = less(oldest.cost, cost)
        if not oldest.quantity:
            del self.lots[0]
        return Closing(part, less(money(part, fill), cost))

    def _open(self, quantity: Decimal, fill: Fill) -> None:
        cost = money(quantity, fill)
        if not self.lots:
            self.multiplier = fill.multiplier
        elif self.multiplier != fill.multiplier:
            self.multiplier = None
        if self.lots and self.method is Method.AVERAGE:
            lot = self.lots[0]
            lot.quantity += quantity
            lot.cost = plus(lot.cost, cost)
        else:
            self.lots.append(Lot(quantity, cost))


def money(quantity: Decimal, fill: Fill) -> Decimal | None:
    """Return what a quantity costs at the price of a fill; None without a price."""
    return None if fill.price is None else quantity * fill.price * fill.multiplier
