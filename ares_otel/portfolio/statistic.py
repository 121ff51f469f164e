"""A statistic that says how sure it is, or why there is none."""

from __future__ import annotations

import msgspec

__all__ = ["Interval", "Statistic", "absent"]


class Interval(msgspec.Struct, frozen=True):
    """A confidence interval and how it was found."""

    low: float
    high: float
    method: str


class Statistic(msgspec.Struct, frozen=True, kw_only=True):
    """A value with what it rests on.

    Attributes:
        value: the statistic; None where it cannot be said, never zero or infinite instead.
        n: observations it rests on (returns, or trades).
        low: lower end of the interval, None where there is none.
        high: upper end of the interval.
        level: confidence of the interval.
        method: how the interval was found.
        reason: why there is no value.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    method: str = ""
    reason: str | None = None

    @classmethod
    def of(cls, value: float, n: int, level: float, interval: Interval | None = None) -> Statistic:
        """Return a known value with its interval, if there is one."""
        if interval is None:
            return cls(value=value, n=n, level=level)
        return cls(value=value, n=n, low=interval.low, high=interval.high, level=level, method=interval.method)


def absent(n: int, reason: str) -> Statistic:
    """Return a statistic without a value."""
    return Statistic(value=None, n=n, reason=reason)
