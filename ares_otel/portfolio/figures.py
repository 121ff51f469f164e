"""The formulas, without any interval: plain numbers in, a plain number out, None where there is none.

Values are simple returns of equal periods unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

__all__ = [
    "cagr",
    "calmar",
    "deviation",
    "downside",
    "max_drawdown",
    "mean",
    "normal_shortfall",
    "normal_value_at_risk",
    "profit_factor",
    "quantile",
    "sharpe",
    "shortfall",
    "sortino",
    "value_at_risk",
    "volatility",
]

NOISE = 1e-12
NORMAL = NormalDist()


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float], ddof: int = 1) -> float | None:
    """Return the standard deviation; None if there are too few values, or all are equal."""
    if len(values) <= ddof or not values:
        return None
    middle = mean(values)
    squares = math.fsum((value - middle) ** 2 for value in values)
    found = math.sqrt(squares / (len(values) - ddof))
    # what rounding leaves of equal values is no deviation
    return found if found > NOISE * max(map(abs, values)) else None


def downside(values: Sequence[float], target: float = 0.0) -> float | None:
    """Return the root mean square of what lies below a target, over all values; None if nothing does."""
    squares = math.fsum(min(value - target, 0.0) ** 2 for value in values)
    return math.sqrt(squares / len(values)) if squares > 0.0 else None


def volatility(values: Sequence[float], periods: float) -> float | None:
    """Return the yearly standard deviation."""
    found = deviation(values)
    return None if found is None else found * math.sqrt(periods)


def sharpe(values: Sequence[float], periods: float, free: float = 0.0) -> float | None:
    """Return the yearly Sharpe ratio; `free` is the risk-free rate of one period."""
    found = deviation(values)
    return None if found is None else (mean(values) - free) / found * math.sqrt(periods)


def sortino(values: Sequence[float], periods: float, target: float = 0.0) -> float | None:
    """Return the yearly Sortino ratio over all periods; `target` is that of one period."""
    found = downside(values, target)
    return None if found is None else (mean(values) - target) / found * math.sqrt(periods)


def cagr(values: Sequence[float], periods: float) -> float | None:
    """Return the yearly compound growth rate; None once everything is lost, infinite if it is beyond all numbers."""
    growth = math.prod(1.0 + value for value in values)
    if growth <= 0.0:
        return None
    try:
        return math.pow(growth, periods / len(values)) - 1.0
    except OverflowError:
        return math.inf


def max_drawdown(equity: Iterable[float]) -> float:
    """Return the deepest loss since a peak as a fraction of the peak; equity is above zero where it begins."""
    peak, deepest = 0.0, 0.0
    for value in equity:
        peak = max(peak, value)
        deepest = max(deepest, 1.0 - value / peak)
    return deepest


def calmar(values: Sequence[float], equity: Sequence[float], periods: float) -> float | None:
    """Return the yearly growth rate by the deepest drawdown of the same time; None without a drawdown."""
    growth, deepest = cagr(values, periods), max_drawdown(equity)
    return None if growth is None or deepest <= 0.0 else growth / deepest


def profit_factor(values: Sequence[float]) -> float | None:
    """Return what was won by what was lost; None without a loss."""
    lost = -math.fsum(value for value in values if value < 0.0)
    return math.fsum(value for value in values if value > 0.0) / lost if lost > 0.0 else None


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ascending values, between two of them by a straight line (Hyndman and Fan's type 7)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def value_at_risk(ordered: Sequence[float], level: float) -> float:
    """Return the historical value at risk of ascending returns, a loss as a positive fraction."""
    return -quantile(ordered, 1.0 - level)


def shortfall(ordered: Sequence[float], level: float) -> float:
    """Return the historical expected shortfall: the mean loss of the returns not above the value at risk."""
    bound = quantile(ordered, 1.0 - level)
    tail = [value for value in ordered if value <= bound]
    return -mean(tail or ordered[:1])


def normal_value_at_risk(middle: float, spread: float, level: float) -> float:
    """Return the value at risk of a normal distribution, a loss as a positive fraction."""
    return -(middle + NORMAL.inv_cdf(1.0 - level) * spread)


def normal_shortfall(middle: float, spread: float, level: float) -> float:
    """Return the expected shortfall of a normal distribution."""
    return spread * NORMAL.pdf(NORMAL.inv_cdf(1.0 - level)) / (1.0 - level) - middle
