"""From an equity curve of any shape to daily returns.

The rule: the last value of each UTC day of market time is that day's equity. A day without a value gives no return and
no zero; the return of the next day that has one spans the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec

from ares_otel.portfolio.conventions import DAY

__all__ = ["Curve", "Returns", "daily_curve", "day_of", "returns_of"]

EPOCH = date(1970, 1, 1)
YEAR = 365.25


class Curve(msgspec.Struct, frozen=True):
    """Equity at the end of days. `days` count since 1970 (UTC) and rise; `values` are money."""

    days: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def since(self, day: int) -> Curve:
        """Return what is later than a day, with the last value before it as its base."""
        first = next((place for place, own in enumerate(self.days) if own > day), len(self.days))
        start = max(first - 1, 0) if first < len(self.days) else first
        return Curve(self.days[start:], self.values[start:])

    def last(self, days: int) -> Curve:
        """Return the last so many days of the calendar, counted from the newest."""
        return self.since(self.days[-1] - days) if self.days else self

    def on(self, days: Iterable[int]) -> Curve:
        """Return the curve on some of its days."""
        wanted = set(days)
        kept = [(day, value) for day, value in zip(self.days, self.values, strict=True) if day in wanted]
        return Curve(tuple(day for day, _ in kept), tuple(value for _, value in kept))

    @property
    def days_a_year(self) -> float | None:
        """Days with a value for each year of the calendar: about 365, or about 252 for exchange days."""
        span = self.days[-1] - self.days[0] if self.days else 0
        return (len(self.days) - 1) * YEAR / span if span else None


class Returns(msgspec.Struct, frozen=True):
    """Simple returns by the day on which they end.

    Attributes:
        days: as in `Curve`.
        values: fractions (0.01 is one percent).
        reason: why there are none, where the curve has values that allow none.
    """

    days: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    reason: str | None = None


def day_of(day: int) -> date:
    """Return the date of a number of days since 1970."""
    return EPOCH + timedelta(days=day)


def daily_curve(points: Iterable[tuple[int, float]]) -> Curve:
    """Return the last value of each UTC day.

    Args:
        points: Unix ns of market time and equity, in any order; of equal times the later point counts. Values that are
            no number are left out.
    """
    newest: dict[int, tuple[int, float]] = {}
    for time, value in points:
        day = time // DAY
        known = newest.get(day)
        if math.isfinite(value) and (known is None or time >= known[0]):
            newest[day] = (time, value)
    days = tuple(sorted(newest))
    return Curve(days, tuple(newest[day][1] for day in days))


def returns_of(curve: Curve) -> Returns:
    """Return the daily returns of a curve; none from equity that was not above zero."""
    for day, value in zip(curve.days, curve.values, strict=True):
        if value <= 0.0:
            return Returns(reason=f"equity was not above zero on {day_of(day)}")
    return Returns(curve.days[1:], tuple(_changes(curve.values)))


def _changes(values: Sequence[float]) -> Iterable[float]:
    return (after / before - 1.0 for before, after in pairwise(values))
