"""Medians with the interval that holds the truth, without any assumption of how values are distributed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Median", "interval", "median"]

OUTSIDE = 0.025
"""Share of the truth on each side of an interval."""


class Median(NamedTuple):
    """A median, the 95 % interval of it, and of how many values it is."""

    value: float
    low: float
    high: float
    n: int


def median(values: Sequence[float]) -> Median:
    """Return the median of values with its interval."""
    return Median(statistics.median(values), *interval(values), len(values))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the distribution-free interval of the median that holds it with at least 95 %; the range if too few."""
    ordered, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < count // 2 and outside + math.comb(count, rank) / 2**count <= OUTSIDE:
        outside += math.comb(count, rank) / 2**count
        rank += 1
    at = max(rank - 1, 0)
    return ordered[at], ordered[count - 1 - at]
