"""Shares and means that say how sure they are."""

from __future__ import annotations

import math

import msgspec

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.intervals import critical, wilson
from ares_otel.portfolio.statistic import Statistic, absent

__all__ = ["Sums", "share"]


def share(hits: int, n: int, noun: str) -> Statistic:
    """Return a share with Wilson's interval; absent below the least number that the convention allows."""
    if n < CONVENTION.minimum_trades:
        return absent(n, f"{n} {noun}, at least {CONVENTION.minimum_trades} are needed")
    found = wilson(hits, n, CONVENTION.level)
    told = msgspec.structs.replace(found, method=f"Wilson 1927, {noun} taken as independent")
    return Statistic.of(hits / n, n, CONVENTION.level, told)


class Sums(msgspec.Struct):
    """Sums of values and of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, n: int, total: float, squares: float) -> None:
        """Add further sums."""
        self.n += n
        self.total += total
        self.squares += squares

    def mean(self, noun: str) -> Statistic:
        """Return the mean with a normal interval; absent below the least number that the convention allows."""
        if self.n < CONVENTION.minimum_trades:
            return absent(self.n, f"{self.n} {noun}, at least {CONVENTION.minimum_trades} are needed")
        middle = self.total / self.n
        spread = math.sqrt(max(self.squares / self.n - middle * middle, 0.0) / (self.n - 1))
        half = critical(CONVENTION.level) * spread
        method = f"normal, {noun} taken as independent"
        return Statistic(value=middle, n=self.n, low=middle - half, high=middle + half, method=method)
