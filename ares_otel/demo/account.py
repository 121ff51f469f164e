"""An exact account: cash and positions in decimal numbers, profit by first in, first out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

__all__ = ["Account", "Lot", "Position"]

ZERO = Decimal(0)


class Lot(msgspec.Struct):
    """What one fill opened and later fills have not closed.

    Attributes:
        quantity: units, negative for a short position, never zero.
        price: price of the fill.
    """

    quantity: Decimal
    price: Decimal


class Position(msgspec.Struct):
    """The open lots of one symbol, oldest first, all of the same sign.

    Attributes:
        lots: what is open.
        realized: profit of all that was closed, before fees, in account currency.
    """

    lots: list[Lot] = []
    realized: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """Units held, negative when short."""
        return sum((lot.quantity for lot in self.lots), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Mean entry price of what is open, to six decimals; None when flat."""
        if not self.lots:
            return None
        cost = sum((lot.quantity * lot.price for lot in self.lots), ZERO)
        return (cost / self.quantity).quantize(Decimal("0.000001"))

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return the profit of closing all at the price `mark`, before fees."""
        return sum((lot.quantity * (mark - lot.price) for lot in self.lots), ZERO)

    def apply(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Book a fill of signed quantity; return the profit it realized, before fees."""
        realized = ZERO
        while quantity and self.lots and (self.lots[0].quantity > 0) != (quantity > 0):
            oldest = self.lots[0]
            closed = min(abs(quantity), abs(oldest.quantity)).copy_sign(oldest.quantity)
            realized += closed * (price - oldest.price)
            quantity += closed
            oldest.quantity -= closed
            if not oldest.quantity:
                del self.lots[0]
        if quantity:
            self.lots.append(Lot(quantity, price))
        self.realized += realized
        return realized


class Account(msgspec.Struct):
    """Cash and positions of one strategy. At all times equity = initial + realized + unrealized - fees + rebates.

    Attributes:
        initial: cash at the beginning.
        cash: cash now; short sales add to it.
        fees: paid so far, zero or more.
        rebates: received so far, zero or more.
        positions: by symbol.
    """

    initial: Decimal
    cash: Decimal
    fees: Decimal = ZERO
    rebates: Decimal = ZERO
    positions: dict[str, Position] = {}

    @classmethod
    def open(cls, cash: Decimal) -> Account:
        """Return a new account with this much cash."""
        return cls(initial=cash, cash=cash)

    def position(self, symbol: str) -> Position:
        """Return the position in a symbol, an empty one if nothing of it was ever traded."""
        return self.positions.get(symbol, Position())

    def quantity(self, symbol: str) -> Decimal:
        """Return the units held of a symbol, negative when short."""
        return self.position(symbol).quantity

    def apply(self, symbol: str, quantity: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Book a fill of signed quantity and its fee (negative: a rebate); return the realized profit before fees."""
        self.cash -= quantity * price + fee
        if fee > 0:
            self.fees += fee
        else:
            self.rebates -= fee
        return self.positions.setdefault(symbol, Position()).apply(quantity, price)

    @property
    def realized(self) -> Decimal:
        """Profit of all that was closed, fees paid."""
        return sum((held.realized for held in self.positions.values()), ZERO) - self.fees + self.rebates

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return cash plus the value of all positions at these prices."""
        return self.cash + sum(
            (held.quantity * marks[symbol] for symbol, held in self.positions.items() if held.lots), ZERO
        )

    def gross_exposure(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return the sum of the absolute values of all positions at these prices."""
        return sum((abs(held.quantity) * marks[symbol] for symbol, held in self.positions.items() if held.lots), ZERO)
