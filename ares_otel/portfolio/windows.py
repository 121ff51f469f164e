"""How ratios, drawdown and returns went over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

import msgspec

from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.returns import Curve, Returns, day_of

__all__ = ["WINDOWS", "Drawdown", "Month", "Rolled", "monthly", "rolling", "underwater"]

WINDOWS: Final[dict[str, int | None]] = {"30d": 30, "90d": 90, "365d": 365, "all": None}
"""Windows of the ratios: days of the calendar back from the newest day that was observed."""

NOISE = 1e-20


class Rolled(msgspec.Struct, frozen=True):
    """Ratios of the last so many returns up to a day; None where they cannot be said."""

    day: int
    sharpe: float | None
    sortino: float | None
    volatility: float | None


class Drawdown(msgspec.Struct, frozen=True):
    """Loss since the peak at the end of a day, as a fraction, and days since that peak."""

    day: int
    depth: float
    since_peak: int


class Month(msgspec.Struct, frozen=True):
    """Return of a month of the calendar, from its days that were observed.

    `complete` is false where returns of the month's beginning or end may be missing: the first and the last month.
    """

    year: int
    month: int
    value: float
    days: int
    complete: bool


def rolling(returns: Returns, count: int, convention: Convention = CONVENTION) -> list[Rolled]:
    """Return ratios of each `count` returns in a row, by prefix sums; empty below the convention's minimum."""
    values, n = returns.values, len(returns.values)
    if count < convention.minimum or n < count:
        return []
    free, target = convention.per_period(convention.risk_free), convention.per_period(convention.target)
    # around the mean, or what rounding leaves of large sums would swamp the small differences
    middle = math.fsum(values) / n
    sums = _prefix(value - middle for value in values)
    squares = _prefix((value - middle) ** 2 for value in values)
    downs = _prefix(min(value - target, 0.0) ** 2 for value in values)
    found = []
    for end in range(count, n + 1):
        begin = end - count
        total, square, down = (each[end] - each[begin] for each in (sums, squares, downs))
        mean = middle + total / count
        spread = _root((square - total * total / count) / (count - 1))
        below = _root(down / count)
        found.append(_rolled(returns.days[end - 1], mean - free, mean - target, spread, below, convention.periods))
    return found


def _rolled(day: int, excess: float, above: float, spread: float | None, below: float | None, periods: int) -> Rolled:
    root = math.sqrt(periods)
    return Rolled(
        day,
        None if spread is None else excess / spread * root,
        None if below is None else above / below * root,
        None if spread is None else spread * root,
    )


def _prefix(values: Iterable[float]) -> list[float]:
    return [0.0, *accumulate(values)]


def _root(value: float) -> float | None:
    return math.sqrt(value) if value > NOISE else None


def underwater(curve: Curve) -> list[Drawdown]:
    """Return the drawdown of each day; empty for equity that was not above zero."""
    if any(value <= 0.0 for value in curve.values):
        return []
    found, peak, top = [], 0.0, 0
    for day, value in zip(curve.days, curve.values, strict=True):
        if value >= peak:
            peak, top = value, day
        found.append(Drawdown(day, 1.0 - value / peak, day - top))
    return found


def monthly(returns: Returns) -> list[Month]:
    """Return the compound return of each month that has returns, oldest first."""
    months: dict[tuple[int, int], list[float]] = {}
    for day, value in zip(returns.days, returns.values, strict=True):
        date = day_of(day)
        months.setdefault((date.year, date.month), []).append(value)
    ends = {next(iter(months), None), next(reversed(months), None)}
    return [
        Month(*month, math.prod(1.0 + value for value in values) - 1.0, len(values), month not in ends)
        for month, values in months.items()
    ]
