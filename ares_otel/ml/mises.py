"""The distribution of the criterion of Cramer and von Mises for two samples: in the limit, and exactly.

In the limit by the series of Csoergo and Faraway (1996); exactly by the recursion of Burr (1963) over a lattice, as
Xiao, Gordon and Yakovlev (2007) count it in whole numbers.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["limit", "permutations"]

Counts: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Values, sorted, and how many ways lead to each."""

TERM: Final = 1e-7
"""The series ends with the first smaller term, as in scipy, so that both give the same; below, chances mean nothing."""
NOTHING: Final = 0.003
"""Below that the limit distribution has no mass that a float could show."""

NODES: Final = 100
VANISHES: Final = 45.0
"""An exponent whose power adds nothing to a float."""


def limit(x: float) -> float:
    """Return the chance of more than x in the limit of large samples."""
    if x < NOTHING:
        return 1.0
    total, k, term = 0.0, 0, math.inf
    while term >= TERM:
        order = 4 * k + 1
        q = order * order / (16 * x)
        chosen = math.exp(math.lgamma(k + 0.5) - math.lgamma(k + 1)) / (math.pi**1.5 * math.sqrt(x))
        term = chosen * math.sqrt(order) * math.exp(-2 * q) * _scaled_bessel(q)
        total += term
        k += 1
    return max(0.0, 1.0 - total)


def _scaled_bessel(q: float) -> float:
    """Return exp(q) K(1/4, q) by the trapezoidal rule, which is exact for integrands that fall so quickly."""
    nodes = np.linspace(0.0, math.acosh(1 + VANISHES / q), NODES)
    values = np.exp(-q * (np.cosh(nodes) - 1)) * np.cosh(nodes / 4)
    return float((values.sum() - values[0] / 2) * nodes[1])


def permutations(weighted: float, n: int, m: int) -> float:
    """Return the share of arrangements of two samples whose criterion is at least as large.

    Args:
        weighted: the sum of squares of ranks, the U of Anderson (1962).
        n: size of one sample.
        m: size of the other.
    """
    common = math.lcm(n, m)
    product = n * m
    wanted = common**2 * (n + m) * (6 * weighted - product * (4 * product - 1)) // (6 * product**2)
    values, ways = _ways(n, m, common // n, common // m)
    return min(1.0, float(ways[values >= wanted].sum()) / math.comb(n + m, n))


def _ways(n: int, m: int, up: int, right: int) -> Counts:
    """Return how many paths from (0, 0) to (n, m) gather each sum of squared differences."""
    nothing: Counts = (np.empty(0, np.int64), np.empty(0))
    row: list[Counts] = [nothing] * (n + 1)
    for j in range(m + 1):
        left = nothing
        for i in range(n + 1):
            start = (np.zeros(1, np.int64), np.ones(1)) if not (i or j) else nothing
            values, ways = _together(start, row[i], left)
            left = row[i] = (values + (up * i - right * j) ** 2, ways)
    return row[n]


def _together(*parts: Counts) -> Counts:
    values, inverse = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    return values, np.bincount(inverse, np.concatenate([part[1] for part in parts]), len(values)).astype(np.float64)
