"""Money that adds up: exact decimal numbers, sums by currency, stated rates.

A float counts as the decimal number that it prints as, so that 0.1 + 0.2 is 0.3 and the order of fills does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, getcontext, setcontext
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar

import msgspec

from ares_otel.records.model import Number

__all__ = ["EXACT", "ZERO", "Rates", "Sums", "add", "exact", "exactly", "fraction", "less", "plus"]

P = ParamSpec("P")
R = TypeVar("R")

ZERO = Decimal(0)
EXACT = Context(prec=60)
SMALLEST = Decimal("1e-18")
LARGEST = 40

Sums: TypeAlias = dict[str, Decimal]
"""Sums of money by currency; "" is that of the account, where no currency was named."""


def exact(value: Number) -> Decimal:
    """Return the decimal number that the float prints as; a decimal number is exact already."""
    if type(value) is Decimal:
        return value
    return Decimal(repr(value if type(value) is float else float(value)))


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in the context of 60 digits, whatever the caller's context is."""

    @wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        callers = getcontext()
        if callers is EXACT:
            return function(*args, **kwargs)
        setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(callers)

    return within


def fraction(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return `amount * part / whole` in steps of 1e-18, so that what is taken away and what is left add up exactly."""
    if part == whole:
        return amount
    share = amount * part / whole
    return share.quantize(SMALLEST) if share.adjusted() < LARGEST else share


def add(sums: Sums, currency: str | None, amount: Decimal) -> None:
    """Add an amount to the sum of its currency."""
    if amount:
        name = currency or ""
        sums[name] = sums.get(name, ZERO) + amount


def less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Return the difference of two numbers; unknown if one of them is."""
    return None if one is None or other is None else one - other


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Return the sum of two numbers; unknown if one of them is."""
    return None if one is None or other is None else one + other


class Rates(msgspec.Struct, frozen=True):
    """Stated rates of exchange.

    Attributes:
        table: by pair, "EUR/USD": how many USD are paid for one EUR. A pair that is stated the other way round only is
            inverted; nothing goes by a third currency, and no rate is guessed.
    """

    table: Mapping[str, Decimal] = {}

    def rate(self, source: str, target: str) -> Decimal | None:
        """Return how much of the target is paid for one of the source; None if that was not stated."""
        if source == target:
            return Decimal(1)
        found = self.table.get(f"{source}/{target}")
        if found is not None:
            return found
        inverse = self.table.get(f"{target}/{source}")
        return EXACT.divide(Decimal(1), inverse) if inverse else None

    def convert(self, amount: Decimal | None, source: str | None, target: str | None) -> Decimal | None:
        """Return an amount in another currency; None where the amount or the rate is unknown."""
        rate = self.rate(source or "", target or "")
        return None if amount is None or rate is None else EXACT.multiply(amount, rate)

    @exactly
    def total(self, sums: Mapping[str, Decimal | None], target: str | None) -> Decimal | None:
        """Return sums of several currencies as one; None if a sum, or the rate of one that is not zero, is unknown."""
        total = ZERO
        for currency, amount in sums.items():
            if amount == 0:
                continue
            converted = self.convert(amount, currency, target)
            if converted is None:
                return None
            total += converted
        return total
