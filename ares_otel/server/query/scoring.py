"""Shares and means that say how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import msgspec

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.figures import quantile
from ares_otel.portfolio.intervals import critical, wilson
from ares_otel.portfolio.statistic import Interval, Statistic, absent

__all__ = ["Sums", "mean_of", "quantile_of", "share"]

ORDER = "order statistics (binomial), {} taken as independent"


def share(hits: int, n: int, noun: str) -> Statistic:
    """Return a share with Wilson's interval; absent below the least number that the convention allows."""
    if n < CONVENTION.minimum_trades:
        return absent(n, f"{n} {noun}, at least {CONVENTION.minimum_trades} are needed")
    found = wilson(hits, n, CONVENTION.level)
    told = msgspec.structs.replace(found, method=f"Wilson 1927, {noun} taken as independent")
    return Statistic.of(hits / n, n, CONVENTION.level, told)


def mean_of(values: Sequence[float], noun: str) -> Statistic:
    """Return the mean of any number of values with a normal interval; of one value there is no interval."""
    if not values:
        return absent(0, "not measured")
    middle, n, level = fmean(values), len(values), CONVENTION.level
    half = critical(level) * stdev(values) / math.sqrt(n) if n > 1 else None
    method = f"normal, {noun} taken as independent"
    return Statistic.of(middle, n, level, None if half is None else Interval(middle - half, middle + half, method))


def quantile_of(values: Sequence[float], share: float, noun: str) -> Statistic:
    """Return a quantile of ascending values, with the interval between two of them that holds the true one."""
    n, level = len(values), CONVENTION.level
    if not n:
        return absent(0, "not measured")
    half = critical(level) * math.sqrt(n * share * (1 - share))
    low, high = math.floor(n * share - half), math.ceil(n * share + half)
    sure = Interval(values[low], values[high], ORDER.format(noun)) if low >= 0 and high < n else None
    return Statistic.of(quantile(values, share), n, level, sure)


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
