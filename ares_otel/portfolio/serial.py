"""What autocorrelation does to a mean: its long-run variance, and how many independent values it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import mul

__all__ = ["autocorrelations", "effective_pairs", "long_run_variance"]

CLOSEST = 0.97
"""Greatest first-order coefficient that is taken out beforehand: closer to 1 the correction explodes."""

LAGS = 10.0


def _products(values: Sequence[float], lag: int) -> float:
    return math.fsum(map(mul, values, values[lag:]))


def autocorrelations(values: Sequence[float], lags: int) -> list[float]:
    """Return the autocorrelations of lag 1 to `lags`; zeros if all values are equal."""
    middle = math.fsum(values) / len(values)
    centered = [value - middle for value in values]
    scale = _products(centered, 0)
    return [_products(centered, lag) / scale if scale > 0.0 else 0.0 for lag in range(1, lags + 1)]


def long_run_variance(values: Sequence[float]) -> float:
    """Return the variance that the mean of autocorrelated values has, times their number.

    Bartlett's kernel on values whitened by an AR(1), recolored (Andrews and Monahan 1992), bandwidth by Andrews 1991.
    """
    first = autocorrelations(values, 1)[0]
    rho = max(-CLOSEST, min(CLOSEST, first))
    middle = math.fsum(values) / len(values)
    centered = [value - middle for value in values]
    white = [after - rho * before for before, after in pairwise(centered)]
    rest = autocorrelations(white, 1)[0]
    lags = min(_bandwidth(rest, len(white)), len(white) // 4)
    total = _products(white, 0) + 2.0 * math.fsum(
        (1.0 - lag / (lags + 1.0)) * _products(white, lag) for lag in range(1, lags + 1)
    )
    return total / len(white) / (1.0 - rho) ** 2


def _bandwidth(rho: float, n: int) -> int:
    alpha = 4.0 * rho**2 / ((1.0 - rho) * (1.0 + rho)) ** 2
    return math.floor(1.1447 * math.cbrt(alpha * n))


def effective_pairs(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how many independent pairs two autocorrelated series are worth for their correlation (Bartlett 1935)."""
    n = len(first)
    lags = min(round(LAGS * math.log10(n)), n // 4)
    both = zip(autocorrelations(first, lags), autocorrelations(second, lags), strict=True)
    inflation = 1.0 + 2.0 * math.fsum((1.0 - lag / n) * a * b for lag, (a, b) in enumerate(both, 1))
    return min(float(n), n / max(inflation, 1.0 / n))
