"""The distributions of Kolmogorov and Smirnov: of one sample of any size, and of two, exactly.

One sample (Simard and L'Ecuyer 2011 say which of these is how exact where): the matrix of Durbin as Marsaglia, Tsang
and Wang (2003) evaluate it; twice the one-sided probability of Smirnov (1944), as Birnbaum and Tingey (1951) give it,
in the tail (Miller 1956), for more than a million values by Maag and Dicaire (1971); the expansion of Pelz and Good
(1976) between. Two samples: paths on a lattice (Hodges 1957), in the normalization of Kim and Jennrich (1973).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "log_factorials", "one_sample", "two_sample"]

FloatArray: TypeAlias = NDArray[np.float64]

SMALL: Final = 140
TAIL_OF_SMALL: Final = 4.0
TAIL: Final = 2.2
HEAD: Final = 1.4
LARGE: Final = 100_000
HARDLY: Final = 1_000_000
"""From where on each way is exact to ten digits, by sample size, n d^2 and n d^1.5."""

NEVER: Final = 0.04
"""A distance, times the root of n, below which no sample comes: 2 exp(-pi^2 / 8 / 0.04^2) is zero."""

HUGE: Final = 2.0**400
ROOT: Final = math.sqrt(2 * math.pi)


def one_sample(distance: ArrayLike, n: int) -> FloatArray:
    """Return the chance that an empirical distribution of n values is as far from its own as each distance.

    Args:
        distance: suprema of the difference between empirical and true distribution function, 0 to 1.
        n: how many independent values, at least 1.
    """
    x = np.clip(np.asarray(distance, dtype=np.float64), 0.0, 1.0)
    flat = x.ravel()
    tail, exact = _in_tail(flat, n), _in_head(flat, n)
    found = np.empty_like(flat)
    ways: tuple[tuple[NDArray[np.bool_], Callable[[FloatArray, int], FloatArray]], ...] = (
        (tail, _smirnov),
        (exact & ~tail, _durbin),
        (~exact & ~tail, _pelz_good),
    )
    for where, way in ways:
        if where.any():
            found[where] = way(flat[where], n)
    return np.clip(found, 0.0, 1.0).reshape(x.shape)


def _in_tail(x: FloatArray, n: int) -> NDArray[np.bool_]:
    square = n * x * x
    return (square >= (TAIL_OF_SMALL if n <= SMALL else TAIL)) | (x >= 0.5)  # noqa: PLR2004  both sides cannot be met


def _in_head(x: FloatArray, n: int) -> NDArray[np.bool_]:
    if n <= SMALL:
        return np.ones(x.shape, dtype=np.bool_)
    return (n * x**1.5 <= HEAD) & (n <= LARGE)


@functools.lru_cache(maxsize=32)
def log_factorials(n: int) -> FloatArray:
    """Return the logarithms of 0! to n!; nobody may write into the array."""
    found = np.fromiter(map(math.lgamma, range(1, n + 2)), np.float64, n + 1)
    found.flags.writeable = False
    return found


def _smirnov(x: FloatArray, n: int) -> FloatArray:
    if n > HARDLY:
        far: FloatArray = 2 * np.exp(-((6 * n * x + 1) ** 2) / (18 * n))
        return far
    rows = max(1, HARDLY // n)
    return np.concatenate([_birnbaum_tingey(x[at : at + rows], n) for at in range(0, len(x), rows)])


def _birnbaum_tingey(x: FloatArray, n: int) -> FloatArray:
    logs = log_factorials(n)
    chosen = logs[n] - logs - logs[::-1]
    j = np.arange(n + 1)
    above = x[:, None] + j / n
    below = np.maximum(1 - above, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = chosen + (n - j) * np.log(below) + (j - 1) * np.log(above)
    chance: FloatArray = 2 * x * np.exp(np.where(below > 0, terms, -np.inf)).sum(axis=1)
    return chance


def _durbin(x: FloatArray, n: int) -> FloatArray:
    return np.array([1 - _inside(float(each), n) for each in x])


def _inside(x: float, n: int) -> float:
    """Return the chance of staying below a distance, by the power of a matrix."""
    if n * x <= 0.5:  # noqa: PLR2004  half a step is the least that there is
        return 0.0
    if x >= 1:
        return 1.0
    k = math.floor(n * x) + 1
    power, exponent = _power(_steps(k, k - n * x), n)
    scale = log_factorials(n)[n] - n * math.log(n) + exponent * math.log(2.0)
    middle = float(power[k - 1, k - 1])
    return middle * math.exp(scale) if scale < 0 else math.exp(math.log(middle) + scale)


def _steps(k: int, h: float) -> FloatArray:
    size = 2 * k - 1
    rows, columns = np.indices((size, size))
    order = rows - columns + 1
    found = np.where(order >= 0, 1.0, 0.0)
    powers = h ** np.arange(1, size + 1)
    found[:, 0] -= powers
    found[-1, :] -= powers[::-1]
    found[-1, 0] += max(2 * h - 1, 0.0) ** size
    found /= np.exp(log_factorials(size)[np.maximum(order, 0)])
    return found


def _power(base: FloatArray, n: int) -> tuple[FloatArray, int]:
    """Return a power of a matrix, divided by 2 to the exponent that is returned with it."""
    result, exponent = np.eye(len(base)), 0
    square, its = base, 0
    while n:
        if n & 1:
            result, more = _scaled(result @ square)
            exponent += its + more
        n >>= 1
        if n:
            square, more = _scaled(square @ square)
            its = 2 * its + more
    return result, exponent


def _scaled(matrix: FloatArray) -> tuple[FloatArray, int]:
    most = float(matrix.max())
    if most < HUGE:
        return matrix, 0
    exponent = math.frexp(most)[1]
    return np.ldexp(matrix, -exponent), exponent


def _pelz_good(x: FloatArray, n: int) -> FloatArray:
    z = np.maximum(math.sqrt(n) * x[:, None], NEVER)
    most = math.ceil(16 * float(z.max()) / math.pi)
    odd = (np.arange(most + 1) + 0.5) * math.pi
    whole = np.arange(1, most + 1) * math.pi
    at_odd = np.exp(-((odd / z) ** 2) / 2)
    at_whole = np.exp(-((whole / z) ** 2) / 2)
    a, b = odd**2, whole**2
    first = at_odd.sum(axis=1) * 2
    second = ((a - z**2) * at_odd).sum(axis=1)
    third = ((6 * z**6 + 2 * z**4 + a * (2 * z**4 - 5 * z**2) + a**2 * (1 - 2 * z**2)) * at_odd).sum(axis=1)
    fourth = (
        (
            a**3 * (5 - 30 * z**2)
            + a**2 * (212 * z**4 - 60 * z**2)
            + a * (135 * z**4 - 96 * z**6)
            - 30 * z**6
            - 90 * z**8
        )
        * at_odd
    ).sum(axis=1)
    z = z[:, 0]
    # sums over all integers are twice those over the positive ones
    ways = (
        first / (2 * z),
        second / (6 * z**4),
        third / (72 * z**7) - (b * at_whole).sum(axis=1) / (36 * z**3),
        fourth / (6480 * z**10) + ((3 * b * z[:, None] ** 2 - b**2) * at_whole).sum(axis=1) / (216 * z**6),
    )
    terms: FloatArray = np.stack([way * n ** (-order / 2) for order, way in enumerate(ways)])
    chance: FloatArray = 1 - ROOT * terms.sum(axis=0)
    return chance


def two_sample(steps: int, n: int, m: int) -> float:
    """Return the chance that two samples of one distribution without ties differ by at least some steps.

    Args:
        steps: the distance times the least common multiple of both sizes.
        n: size of one sample.
        m: size of the other.
    """
    if steps <= 0:
        return 1.0
    few, many = sorted((n, m))
    common = math.gcd(n, m)
    return _Lattice(few, many, many // common, few // common, steps).outside()


class _Lattice:
    """Paths from (0, 0) to (rows, columns) that leave the band in which the samples differ by less than some steps.

    A cell (i, j) holds how many paths to it have been outside, times i! columns! / (i + columns)!, which keeps all
    numbers within 0 and 1.
    """

    def __init__(self, rows: int, columns: int, up: int, right: int, steps: int) -> None:
        self.rows, self.columns = rows, columns
        self.up, self.right, self.steps = up, right, steps
        self.logs = log_factorials(rows + columns)

    def outside(self) -> float:
        """Return the share of paths that do."""
        held = np.zeros(self.columns + 1)
        last = self._band(0)[1]
        for i in range(self.rows + 1):
            low, high = self._band(i)
            if high < low:
                return 1.0
            if i:
                held[last + 1 : high + 1] = self._all(i - 1, last + 1, high + 1)
                row = held[low : high + 1] * (i / (i + self.columns))
                if low:
                    row[0] += self._all(i, low - 1, low)[0]
                held[low : high + 1] = np.cumsum(row)
            last = high
        return min(float(held[self.columns]), 1.0)

    def _band(self, i: int) -> tuple[int, int]:
        """Return the first and the last column of a row that lie inside."""
        low = (i * self.up - self.steps) // self.right + 1
        high = -((-i * self.up - self.steps) // self.right) - 1
        return max(low, 0), min(high, self.columns)

    def _all(self, i: int, start: int, end: int) -> FloatArray:
        """Return what cells of a row would hold if every path to them counted."""
        logs, to = self.logs, self.columns
        found: FloatArray = np.exp(logs[i + start : i + end] - logs[start:end] + logs[to] - logs[i + to])
        return found
