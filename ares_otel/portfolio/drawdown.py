"""Drawdown of an equity curve as it is drawn: how deep, since when, how deep and long at most."""

from __future__ import annotations

import msgspec

__all__ = ["Drawdown"]

SECOND = 1e9


class Drawdown(msgspec.Struct):
    """Loss since the running peak, 1 - E / max(E); above 1 when equity is negative.

    Attributes:
        value: last equity.
        peak: highest equity so far.
        peaked: time of the peak, Unix ns.
        at: time of the last equity, Unix ns.
        deepest: largest drawdown so far, at peaks above zero.
        longest: longest time below a peak so far, ns; the present one counts.
        n: values seen.
    """

    value: float
    peak: float
    peaked: int = 0
    at: int = 0
    deepest: float = 0.0
    longest: int = 0
    n: int = 0

    def add(self, value: float, at: int = 0) -> None:
        """Go on with the curve; a value from before the last one is left out of it."""
        if at < self.at:
            return
        if self.value < self.peak or value < self.peak:
            self.longest = max(self.longest, at - self.peaked)
        if value >= self.peak:
            self.peak, self.peaked = value, at
        self.value, self.at = value, at
        self.n += 1
        depth = self.depth
        if depth is not None:
            self.deepest = max(self.deepest, depth)

    @property
    def depth(self) -> float | None:
        """The present drawdown; None while the peak is not above zero."""
        return 1.0 - self.value / self.peak if self.peak > 0.0 else None

    @property
    def seconds(self) -> float:
        """Time since the peak, zero at the peak."""
        return (self.at - self.peaked) / SECOND
