"""A ledger as one would keep it on paper: single units of lots, fractions, no shared code with the library."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

__all__ = ["Deal", "Ledger", "deals", "told"]


class Deal(NamedTuple):
    """A fill: signed quantity in hundredths, price in cents, multiplier, fee in cents."""

    quantity: int
    price: int
    multiplier: int
    fee: int


class Ledger:
    """All deals so far, and what follows from reading them from the beginning, each time anew."""

    def __init__(self, multiplier: int = 1, *, fifo: bool) -> None:
        self.deals: list[Deal] = []
        self.multiplier = multiplier
        self.fifo = fifo

    def lots(self) -> tuple[list[tuple[Fraction, Fraction]], Fraction]:
        """Return open lots (signed quantity, price) and realized profit before fees."""
        lots: list[tuple[Fraction, Fraction]] = []
        realized = Fraction(0)
        for deal in self.deals:
            left, price = Fraction(deal.quantity, 100), Fraction(deal.price, 100)
            while left and lots and lots[0][0] * left < 0:
                held, entry = lots[0]
                part = min(abs(held), abs(left))
                sign = 1 if held > 0 else -1
                realized += sign * part * (price - entry) * self.multiplier
                left += sign * part
                lots[0] = (held - sign * part, entry)
                if lots[0][0] == 0:
                    lots.pop(0)
            if left:
                lots.append((left, price))
                if not self.fifo:
                    total = sum((quantity for quantity, _ in lots), Fraction(0))
                    cost = sum((quantity * entry for quantity, entry in lots), Fraction(0))
                    lots = [(total, cost / total)]
        return lots, realized

    def quantity(self) -> Fraction:
        """Return the sum of all quantities."""
        return sum((Fraction(deal.quantity, 100) for deal in self.deals), Fraction(0))

    def cash(self) -> Fraction:
        """Return money received less money paid, fees left out, as if contracts were bought whole."""
        return -sum(
            (Fraction(deal.quantity * deal.price, 10_000) * self.multiplier for deal in self.deals), Fraction(0)
        )

    def fees(self) -> tuple[Fraction, Fraction]:
        """Return fees paid and rebates received."""
        paid = sum((Fraction(max(deal.fee, 0), 100) for deal in self.deals), Fraction(0))
        return paid, sum((Fraction(max(-deal.fee, 0), 100) for deal in self.deals), Fraction(0))

    def trades(self) -> list[tuple[int, Fraction, Fraction]]:
        """Return direction, profit before fees and fees less rebates of each trade that ended, from cash flows alone.

        A deal that crosses zero is cut in two at zero, its fee by quantity.
        """
        ended: list[tuple[int, Fraction, Fraction]] = []
        held = money = fees = Fraction(0)
        for deal in self.deals:
            for quantity in _cut(held, Fraction(deal.quantity, 100)):
                before = held
                held += quantity
                money -= quantity * Fraction(deal.price, 100) * self.multiplier
                fees += Fraction(deal.fee, 100) * quantity / Fraction(deal.quantity, 100)
                if held == 0:
                    ended.append((1 if before > 0 else -1, money, fees))
                    money = fees = Fraction(0)
        return ended


def _cut(held: Fraction, quantity: Fraction) -> list[Fraction]:
    if held * quantity < 0 and abs(quantity) > abs(held):
        return [-held, quantity + held]
    return [quantity]


def deals(multiplier: int) -> st.SearchStrategy[list[Deal]]:
    """Return sequences of deals that are often flat, often turn, and have fees and rebates."""
    quantity = st.one_of(st.integers(-5, 5), st.integers(-1_000, 1_000)).filter(bool)
    deal = st.builds(Deal, quantity, st.integers(1, 1_000_000), st.just(multiplier), st.integers(-300, 700))
    return st.lists(deal, max_size=16)


def told(*values: object) -> tuple[object, ...]:
    """Return values as they compare with anything: a decimal number equals a whole one."""
    return values
