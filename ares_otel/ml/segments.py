"""When did a recorded history change? Change points found afterwards, for reports on what was replayed.

Exact optimal partitioning (Jackson and others 2005) twice, with a penalty of the Bayesian information criterion for
each change: into spans that are an autoregression of their own (level, memory and noise), and into spans of constant
level with one noise for all. Only what both find within ten places is told, dated by the first: a level that wanders
off makes changes of level that its own memory explains, and a volatile stretch changes of noise without any of level.
The first value of a span is given, not predicted from the span before: a jump is a change and no outlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST", "changes"]

Values: TypeAlias = NDArray[np.float64]
Cost: TypeAlias = Callable[[NDArray[np.intp], int], Values]
"""Cost of the spans from each of some places up to one."""

LARGEST: Final = 4000
"""Longer histories are told in blocks of so many means, for time grows with the square."""

LEAST: Final = 5
"""Values of a span at least."""

AGREE: Final = 10
LOCAL: Final = 20
"""Values over which the noise of a level is measured, where the level hardly moves."""

OWN: Final = 1.5
"""Penalty of an autoregression of its own, in those of the criterion: noise of markets has heavy tails."""

STEPS: Final = 4.0
"""Penalty of a change of level, in those of the criterion: levels of a market move all the time."""

SMALLEST: Final = 1e-8
FINEST: Final = 0.01
"""Of the median step: a span without any noise does not beat all others."""


def changes(values: ArrayLike) -> tuple[int, ...]:
    """Return the places, from 0, at which a history changed: each is the first value of a new span.

    Args:
        values: one value a row, or one row of values each; NaN and infinity are bridged, columns of them left out.
    """
    table = _usable(np.asarray(values, dtype=np.float64))
    block = math.ceil(len(table) / LARGEST)
    if block > 1:
        table = table[: len(table) // block * block].reshape(-1, block, table.shape[1]).mean(axis=1)
    n, columns = table.shape
    if not columns or n < 2 * LEAST:
        return ()
    one = math.log(n)
    own = _partition(n, _total([_autoregression(column) for column in table.T]), OWN * one * (3 * columns + 1))
    level = _partition(n, _total([_level(column) for column in table.T]), STEPS * one * (columns + 1))
    return tuple(place * block for place in own if any(abs(place - other) <= AGREE for other in level))


def _usable(table: Values) -> Values:
    """Return columns without gaps, standardized; those that say nothing are left out."""
    table = table[:, None] if table.ndim == 1 else table
    places = np.arange(len(table))
    kept = []
    for column in table.T:
        known = np.isfinite(column)
        if not known.any():
            continue
        bridged = np.interp(places, places[known], column[known])
        middle, spread = bridged.mean(), bridged.std()
        if math.isfinite(spread) and spread > 0.0:
            kept.append((bridged - middle) / spread)
    return np.array(kept).T if kept else np.empty((len(table), 0))


def _total(costs: Sequence[Cost]) -> Cost:
    return lambda starts, stop: np.sum([cost(starts, stop) for cost in costs], axis=0)


def _sums(values: Values) -> Values:
    return np.concatenate(([0.0], np.cumsum(values)))


def _autoregression(x: Values) -> Cost:
    """Return the cost of spans with their own constant, first coefficient and noise: minus twice log likelihood."""
    before = np.concatenate((x[:1], x[:-1]))
    y, z, yy, zz, zy = (_sums(each) for each in (x, before, x * x, before * before, x * before))
    steps = np.abs(np.diff(x))
    moving = steps[steps > 0.0]
    floor = max((FINEST * float(np.median(moving))) ** 2 if len(moving) else 0.0, SMALLEST)

    def cost(starts: NDArray[np.intp], stop: int) -> Values:
        second = starts + 1
        n = stop - second
        sum_y, sum_z = y[stop] - y[second], z[stop] - z[second]
        spread_y = yy[stop] - yy[second] - sum_y**2 / n
        spread_z = zz[stop] - zz[second] - sum_z**2 / n
        both = zy[stop] - zy[second] - sum_y * sum_z / n
        rest = np.maximum(spread_y - both**2 / np.maximum(spread_z, SMALLEST), 0.0)
        return np.asarray(n * np.log(rest / n + floor))

    return cost


def _level(x: Values) -> Cost:
    """Return the cost of spans of constant level: squares, in units of the noise about a local level."""
    y, yy = _sums(x), _sums(x * x)
    starts = np.arange(0, max(1, len(x) - LOCAL), LOCAL // 2)
    stops = np.minimum(starts + LOCAL, len(x))
    local = (yy[stops] - yy[starts] - (y[stops] - y[starts]) ** 2 / (stops - starts)) / (LOCAL - 1)
    noise = max(float(np.median(local)), SMALLEST)

    def cost(starts: NDArray[np.intp], stop: int) -> Values:
        total = y[stop] - y[starts]
        return np.asarray(np.maximum(yy[stop] - yy[starts] - total**2 / (stop - starts), 0.0) / noise)

    return cost


def _partition(n: int, cost: Cost, penalty: float) -> list[int]:
    """Return where the spans of the cheapest partition begin, the first one left out."""
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=np.intp)
    for stop in range(LEAST, n + 1):
        # no span may end before the first that is long enough
        starts = np.concatenate(([0], np.arange(LEAST, stop - LEAST + 1)))
        totals = best[starts] + penalty + cost(starts, stop)
        cheapest = int(totals.argmin())
        best[stop], last[stop] = totals[cheapest], starts[cheapest]
    found, place = [], int(last[n])
    while place > 0:
        found.append(place)
        place = int(last[place])
    return found[::-1]
