"""Independent enough for tests that take values for independent: every so many bars, by the autocorrelation time."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ares_otel.ml.kolmogorov import FloatArray

__all__ = ["autocorrelation_time", "steps", "thinned"]

SHORTEST: Final = 8
"""Values below which nothing is known of their dependence."""


def autocorrelation_time(values: FloatArray) -> float:
    """Return an upper bound of the bars that one independent value takes; NaN are left out.

    It is the integrated autocorrelation time by the initial positive sequence of Geyer (1992), plus twice its standard
    error by Sokal (1989): a time that is too long costs power, one that is too short false alarms.
    """
    there = np.isfinite(values)
    n = int(there.sum())
    if n < SHORTEST:
        return math.inf
    centered = np.where(there, values - values[there].mean(), 0.0)
    size = 1 << (2 * len(values) - 1).bit_length()
    transformed = np.fft.rfft(centered, size)
    covariances = np.fft.irfft(np.abs(transformed) ** 2, size)[: n // 2 * 2]
    if covariances[0] <= 0:  # a constant
        return 1.0
    pairs = (covariances / covariances[0]).reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    last = int(negative[0]) if negative.size else len(pairs)
    time = max(1.0, 2 * float(pairs[:last].sum()) - 1)
    error = time * math.sqrt(2 * (4 * last + 1) / n)
    return time + 2 * error if time > 1 + 2 * error else time


def steps(reference: FloatArray, times: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return for each column the bars from one value that is used to the next, at least 1."""
    found = [autocorrelation_time(column) for column in reference.T] if times is None else times
    return np.maximum(1.0, np.rint(np.asarray(found, dtype=np.float64)))


def thinned(rows: FloatArray, first: int, step: NDArray[np.float64]) -> FloatArray:
    """Return rows in which only every so many values of each column are left, the others NaN.

    Args:
        rows: rows of consecutive bars.
        first: number of the first of them: windows that overlap use the same values.
        step: bars from one value to the next, for each column.
    """
    bars = np.arange(first, first + len(rows))
    return np.where(bars[:, None] % step == 0, rows, np.nan)
