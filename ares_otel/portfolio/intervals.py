"""Intervals in closed form: Sharpe's (Lo 2002), a share's (Wilson 1927), a correlation's (Fisher 1921)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from ares_otel.portfolio.figures import deviation, mean
from ares_otel.portfolio.serial import long_run_variance
from ares_otel.portfolio.statistic import Interval

__all__ = ["LO", "critical", "fisher", "sharpe_interval", "wilson"]

LO = "Lo 2002, robust to autocorrelation"


def critical(level: float) -> float:
    """Return how many standard errors reach from the value to each end of a two-sided interval."""
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def sharpe_interval(values: Sequence[float], periods: float, free: float, level: float) -> Interval | None:
    """Return the interval of the yearly Sharpe ratio; None without any deviation.

    The ratio's influence function (delta method on mean and variance, which covers skewed and fat-tailed returns) with
    the long-run variance in place of the plain one.
    """
    spread = deviation(values)
    if spread is None:
        return None
    middle = mean(values)
    ratio = (middle - free) / spread
    scores = [(value - middle) / spread for value in values]
    influence = [score - ratio / 2.0 * (score * score - 1.0) for score in scores]
    half = critical(level) * math.sqrt(long_run_variance(influence) / len(values))
    root = math.sqrt(periods)
    return Interval((ratio - half) * root, (ratio + half) * root, LO)


def wilson(hits: int, n: int, level: float) -> Interval:
    """Return the interval of a share of at least one."""
    z = critical(level)
    share, square = hits / n, z * z / n
    middle = share + square / 2.0
    half = z * math.sqrt(share * (1.0 - share) / n + square / (4.0 * n))
    low, high = (middle - half) / (1.0 + square), (middle + half) / (1.0 + square)
    return Interval(max(low, 0.0), min(high, 1.0), "Wilson 1927, trades taken as independent")


def fisher(correlation: float, n: float, level: float) -> Interval:
    """Return the interval of a correlation of `n` (more than 3) independent pairs."""
    middle, half = math.atanh(correlation), critical(level) / math.sqrt(n - 3.0)
    return Interval(math.tanh(middle - half), math.tanh(middle + half), "Fisher z with the effective number of pairs")
