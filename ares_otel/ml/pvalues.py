"""P-values of the usual tests on two batches, numpy only, written from the papers and checked against scipy.

They hold for independent values. Bars are hardly ever independent: thin them, or use `ares_otel.ml.DriftMonitor`.
Values that are not finite are left out, and counted out of n and m, so that one NaN mutes no test.

References: Hodges 1957, Arkiv foer Matematik 3; Simard and L'Ecuyer 2011, Journal of Statistical Software 39(11);
Anderson 1962, Annals of Mathematical Statistics 33; Csoergo and Faraway 1996, JRSS B 58; Xiao, Gordon and Yakovlev
2007, Journal of Statistical Software 17(8); Yates 1934, JRSS Supplement 1; Fisher 1935, JRSS 98.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ares_otel.ml.kolmogorov import FloatArray, log_factorials, one_sample, two_sample
from ares_otel.ml.mises import limit, permutations

__all__ = [
    "Alternative",
    "KsReference",
    "TwoSamples",
    "chi_square",
    "cramer_von_mises",
    "effective",
    "fisher_exact",
    "ks",
]

Alternative: TypeAlias = Literal["two-sided", "less", "greater"]

EXACT_KS: Final = 10_000
EXACT_CVM: Final = 20
EQUAL: Final = 1e-14


class TwoSamples(msgspec.Struct, frozen=True):
    """The result of a test of two samples.

    Attributes:
        statistic: what was measured.
        p_value: the chance of at least that, if both samples were of one distribution and values independent.
        n: finite values of the first sample.
        m: finite values of the second.
    """

    statistic: float
    p_value: float
    n: int
    m: int


def ks(x: ArrayLike, y: ArrayLike, *, exact: bool | None = None) -> TwoSamples:
    """Compare two samples by the largest difference of their distribution functions (Kolmogorov and Smirnov).

    Args:
        x: one sample.
        y: the other.
        exact: count paths on a lattice, or use the distribution of one sample of n m / (n + m) values; None chooses
            as scipy does: exact while neither sample is over 10,000.

    Raises:
        ValueError: a sample has no finite value.
    """
    a, b = _finite(x), _finite(y)
    distance = float(_distance(a, b))
    if exact is None:
        exact = max(a.size, b.size) <= EXACT_KS
    if exact:
        steps = math.lcm(a.size, b.size)
        p_value = two_sample(round(distance * steps), a.size, b.size)
    else:
        p_value = float(one_sample(distance, effective(a.size, b.size)))
    return TwoSamples(distance, p_value, a.size, b.size)


def effective(n: int, m: int) -> int:
    """Return the size of the one sample whose distance is distributed as that of two, asymptotically."""
    return max(1, round(n * m / (n + m)))


class KsReference:
    """Columns of a reference, sorted once, to which windows are compared again and again.

    The verdicts are those of `ks(…, exact=False)` for each column.
    """

    def __init__(self, reference: ArrayLike) -> None:
        self._columns = [_finite(column) for column in _matrix(reference).T]

    def test(self, window: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return distance and p-value of each column; NaN where a column of the window has no finite value.

        Raises:
            ValueError: the window has not the columns of the reference.
        """
        rows = np.sort(_matrix(window).T, axis=1)
        if len(rows) != len(self._columns):
            raise ValueError(f"the reference has {len(self._columns)} columns, the window {len(rows)}")
        whole = bool(np.isfinite(rows[:, [0, -1]]).all()) if rows.shape[1] else False  # NaN is sorted to the end
        columns = list(rows) if whole else [row[np.isfinite(row)] for row in rows]
        distances = np.fromiter(map(_distance, self._columns, columns), np.float64, len(columns))
        sizes = np.array([effective(a.size, b.size) for a, b in zip(self._columns, columns, strict=True)])
        p_values = np.full(len(columns), np.nan)
        for size in np.unique(sizes):
            of_it = (sizes == size) & np.isfinite(distances)
            p_values[of_it] = one_sample(distances[of_it], int(size))
        return distances, p_values


def cramer_von_mises(x: ArrayLike, y: ArrayLike, *, exact: bool | None = None) -> TwoSamples:
    """Compare two samples by the mean square difference of their distribution functions (Cramer and von Mises).

    Args:
        x: one sample.
        y: the other.
        exact: count permutations, or use the limit distribution; None chooses as scipy does: exact while neither
            sample is over 20.

    Raises:
        ValueError: a sample has less than two finite values.
    """
    a, b = _finite(x), _finite(y)
    n, m = a.size, b.size
    if min(n, m) < 2:  # noqa: PLR2004  of one value a mean square difference says nothing
        raise ValueError("a sample has less than two finite values")
    ranks = _ranks(np.concatenate([a, b]))
    of_a = n * float(np.square(ranks[:n] - np.arange(1, n + 1)).sum())
    weighted = of_a + m * float(np.square(ranks[n:] - np.arange(1, m + 1)).sum())
    product, total = n * m, n + m
    statistic = weighted / (product * total) - (4 * product - 1) / (6 * total)
    if exact is None:
        exact = max(n, m) <= EXACT_CVM
    p_value = permutations(weighted, n, m) if exact else _limit_of_mises(statistic, n, m)
    return TwoSamples(statistic, p_value, n, m)


def _limit_of_mises(statistic: float, n: int, m: int) -> float:
    """Return the p-value by a statistic that has mean and variance of the limit (Anderson 1962)."""
    product, total = n * m, n + m
    mean = (1 + 1 / total) / 6
    variance = (total + 1) * (4 * product * total - 3 * (n * n + m * m) - 2 * product) / (180 * total**2 * product)
    return limit(1 / 6 + (statistic - mean) / math.sqrt(45 * variance))


def chi_square(table: ArrayLike, *, correct: bool = True) -> TwoSamples:
    """Test counts of two samples (rows) by category (columns) for one distribution.

    Args:
        table: counts, 2 rows; categories that neither sample has are left out.
        correct: take up to 0.5 off each difference where there are two categories (Yates).

    Raises:
        ValueError: it is no such table, or a sample is empty.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or len(counts) != 2 or not (counts >= 0).all() or not counts.sum(axis=1).all():  # noqa: PLR2004
        raise ValueError("expected two rows of counts, none of them empty")
    counts = counts[:, counts.sum(axis=0) > 0]
    n, m = counts.sum(axis=1)
    expected = np.outer([n, m], counts.sum(axis=0)) / (n + m)
    freedom = counts.shape[1] - 1
    off = np.abs(counts - expected)
    if correct and freedom == 1:
        off -= np.minimum(0.5, off)
    statistic = float((off**2 / expected).sum()) if freedom else 0.0
    return TwoSamples(statistic, _chi_square_tail(statistic, freedom), int(n), int(m))


def _chi_square_tail(x: float, freedom: int) -> float:
    """Return the chance of more than x, by the finite sums that whole degrees of freedom have."""
    if x <= 0 or not freedom:
        return 1.0
    half, odd = x / 2, freedom % 2
    orders = np.arange(freedom // 2) + odd / 2
    logs = np.fromiter((math.lgamma(order + 1) for order in orders), np.float64, len(orders))
    terms = np.exp(orders * math.log(half) - half - logs)
    return min(1.0, float(terms.sum()) + (math.erfc(math.sqrt(half)) if odd else 0.0))


def fisher_exact(table: ArrayLike, alternative: Alternative = "two-sided") -> float:
    """Return the exact p-value of a 2 x 2 table of counts with given margins (Fisher).

    Args:
        table: counts of two samples (rows) by two categories.
        alternative: `greater`: the first sample has the first category more often; `less`: less often; `two-sided`:
            all tables that are no more probable than this one.

    Raises:
        ValueError: it is no such table.
    """
    counts = np.asarray(table)
    if counts.shape != (2, 2) or not (counts >= 0).all():
        raise ValueError("expected a table of 2 x 2 counts")
    (a, b), (c, d) = counts.astype(np.int64).tolist()
    first, seen, total = a + b, a + c, a + b + c + d
    least = max(0, first + seen - total)
    chances = _hypergeometric(least, min(first, seen), first, seen, total)
    own = a - least
    if alternative == "greater":
        return min(1.0, float(chances[own:].sum()))
    if alternative == "less":
        return min(1.0, float(chances[: own + 1].sum()))
    return min(1.0, float(chances[chances <= chances[own] * (1 + EQUAL * len(chances))].sum()))


def _hypergeometric(least: int, most: int, first: int, seen: int, total: int) -> FloatArray:
    """Return the chances of all possible counts in the upper left cell."""
    logs = log_factorials(total)
    k = np.arange(least, most + 1)
    ways = -logs[k] - logs[first - k] - logs[seen - k] - logs[total - first - seen + k]
    chances = np.exp(ways - ways.max())
    weighted: FloatArray = chances / chances.sum()
    return weighted


def _finite(values: ArrayLike) -> NDArray[np.floating]:
    """Return the finite ones of the values, sorted, in their own precision."""
    found = np.asarray(values)
    if not np.issubdtype(found.dtype, np.floating):
        found = found.astype(np.float64)
    found = np.sort(found[np.isfinite(found)])
    if not found.size:
        raise ValueError("a sample has no finite value")
    return found


def _matrix(values: ArrayLike) -> NDArray[np.floating]:
    found = np.asarray(values)
    if found.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"expected rows and columns, got {found.ndim} dimensions")
    return found


def _distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the largest difference of two distribution functions, from sorted values.

    That of `a` rises between values of `b`, where that of `b` stands: it is highest right before one of them, and
    lowest at one.
    """
    if not b.size:
        return math.nan
    share = np.arange(b.size + 1) / b.size
    below = np.searchsorted(a, b, side="left") / a.size
    reached = np.searchsorted(a, b, side="right") / a.size
    return max(float((below - share[:-1]).max()), float((share[1:] - reached).max()), 0.0)


def _ranks(values: NDArray[np.floating]) -> FloatArray:
    """Return ranks from 1, equal values with the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: FloatArray = (ends - (counts - 1) / 2)[inverse]
    return means
