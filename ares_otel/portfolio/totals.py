"""The total of several equity curves in one currency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ares_otel.portfolio.returns import Curve

__all__ = ["CARRIED", "Total", "total_of"]

CARRIED: Final = 10
"""Days for which a curve without a value counts with its last one; then it leaves the total until it has one again."""


class Total(msgspec.Struct, frozen=True):
    """A sum of curves.

    Attributes:
        money: the plain sum. It jumps when a curve joins or leaves.
        linked: the same, with the returns of those curves alone that count on both of two days in a row: capital that
            joins or leaves is no return. It begins at the sum of the first day.
    """

    money: Curve
    linked: Curve


def total_of(curves: Sequence[Curve]) -> Total:
    """Return the total of curves in one currency; a day counts if any of them has a value."""
    days = sorted({day for curve in curves for day in curve.days})
    known = [dict(zip(curve.days, curve.values, strict=True)) for curve in curves]
    money: list[float] = []
    linked: list[float] = []
    held: dict[int, tuple[int, float]] = {}
    for day in days:
        now = _counting(day, known, held)
        both = held.keys() & now.keys()
        before, after = (math.fsum(each[number][1] for number in both) for each in (held, now))
        money.append(math.fsum(value for _, value in now.values()))
        linked.append(linked[-1] * after / before if linked and before > 0.0 else linked[-1] if linked else money[-1])
        held = now
    return Total(Curve(tuple(days), tuple(money)), Curve(tuple(days), tuple(linked)))


def _counting(
    day: int, known: Sequence[Mapping[int, float]], held: Mapping[int, tuple[int, float]]
) -> dict[int, tuple[int, float]]:
    """Return day and value with which each curve counts, by its number."""
    now = {number: each for number, each in held.items() if day - each[0] <= CARRIED}
    return now | {number: (day, values[day]) for number, values in enumerate(known) if day in values}
