"""When did a recorded history change? Change points found afterwards, for reports on what was replayed.

Four well-known ways to date changes vote, each with its plain penalty, and a place counts that three of them find
within ten values of each other. Each is wrong in its own way: what is left is what does not depend on the model.

- Spans that are an autoregression of their own (level, memory and noise), the criterion of Bayes for each change. It
  dates best, so its places are told where it has one.
- Binary segmentation of the mean (Scott and Knott 1974), the largest changes first, at most one in a hundred values.
- Spans with a distribution of their own, by ten quantiles (Haynes, Fearnhead and Eckley 2017): no model, few tails.
- Spans of constant level with one noise for all, that of short pieces.

The second and third are as the package `changepoint` of R ships them, with the modified criterion of Zhang and Siegmund
(2007). All but the second are exact (Jackson and others 2005). The first value of a span of an autoregression is given,
not predicted from the span before: a jump is a change and no outlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST", "changes"]

Values: TypeAlias = NDArray[np.float64]
Places: TypeAlias = Sequence[int]
Cost: TypeAlias = Callable[[NDArray[np.intp], int], Values]
"""Cost of the spans from each of some places up to one."""

LARGEST: Final = 4000
"""Longer histories are told in blocks of so many means, for time grows with the square."""

LEAST: Final = 5
"""Values of a span at least."""

VOTES: Final = 3
AGREE: Final = 10
LOCAL: Final = 20
"""Values over which the noise of a level is measured, where the level hardly moves."""

STEPS: Final = 2.0
"""Penalty of a change of level, in those of the criterion: its noise is that of short pieces, so too small."""

MODIFIED: Final = 3.0
"""Penalty of the modified criterion for a change of one parameter, beside the logarithm of each span's length."""

FEWEST: Final = 5
HUNDRED: Final = 100
"""Binary segmentation ends after so many changes, and one in so many values."""

QUANTILES: Final = 10
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
        table = _usable(table[: len(table) // block * block].reshape(-1, block, table.shape[1]).mean(axis=1))
    n, columns = table.shape
    if not columns or n < 2 * LEAST:
        return ()
    one = math.log(n)
    modified = MODIFIED * one * columns
    found = (
        _partition(n, _total(_autoregression, table), one * (3 * columns + 1)),
        _halved(table, modified),
        _partition(n, _total(_distribution, table), modified),
        _partition(n, _total(_level, table), STEPS * one * (columns + 1)),
    )
    return tuple(place * block for place in _agreed(found))


def _agreed(found: Sequence[Places]) -> list[int]:
    """Return the places with enough votes, as the first one that has them dates them."""
    agreed: list[int] = []
    for place in (place for places in found for place in places):
        if all(abs(place - other) > AGREE for other in agreed):
            votes = sum(any(abs(place - other) <= AGREE for other in places) for places in found)
            agreed += [place] * (votes >= VOTES)
    return sorted(agreed)


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


def _total(made: Callable[[Values], Cost], table: Values) -> Cost:
    """Return the cost of all columns together."""
    costs = [made(column) for column in table.T]
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


def _distribution(x: Values) -> Cost:
    """Return the cost of spans with a distribution of their own: minus twice log likelihood at ten quantiles."""
    n = len(x)
    width = math.log(2 * n - 1)
    levels = 1.0 / (1.0 + np.exp(width * (1.0 - (2.0 * np.arange(1, QUANTILES + 1) - 1.0) / QUANTILES)))
    edges = np.quantile(x, levels)[:, None]
    # doubled counts of what is below each quantile, a tie being half below: whole numbers, to look logarithms up
    below = np.concatenate((np.zeros((QUANTILES, 1)), np.cumsum(2 * (x < edges) + (x == edges), axis=1)), axis=1)
    counts = below.astype(np.intp)
    halves = np.arange(2 * n + 1) / 2.0
    entropy = halves * np.log(np.maximum(halves, 0.5))

    def cost(starts: NDArray[np.intp], stop: int) -> Values:
        length = 2 * (stop - starts)
        under = counts[:, stop, None] - counts[:, starts]
        likelihood = entropy[under].sum(axis=0) + entropy[length - under].sum(axis=0) - QUANTILES * entropy[length]
        return np.asarray(-2.0 * width / QUANTILES * likelihood + np.log(stop - starts))

    return cost


def _halved(table: Values, penalty: float) -> list[int]:
    """Return where the mean changes, by halving where that gains most until no gain exceeds the penalty."""
    n, columns = table.shape
    sums = np.concatenate((np.zeros((1, columns)), np.cumsum(table, axis=0)))

    def best(first: int, last: int) -> tuple[float, int, int, int]:
        if last - first < 2:  # noqa: PLR2004  nothing to halve
            return -math.inf, first, first, last
        before = np.arange(1.0, last - first)
        after = last - first - before
        left, right = sums[first + 1 : last] - sums[first], sums[last] - sums[first + 1 : last]
        whole = (sums[last] - sums[first]) ** 2 / (last - first)
        squares = (left**2 / before[:, None] + right**2 / after[:, None] - whole).sum(axis=1)
        gain = squares - columns * np.log(before * after / (last - first))
        place = int(gain.argmax())
        return float(gain[place]), first + 1 + place, first, last

    parts, found = [best(0, n)], list[int]()
    while len(found) < max(FEWEST, n // HUNDRED):
        gain, place, first, last = largest = max(parts)
        if gain <= penalty:
            break
        found.append(place)
        parts.remove(largest)
        parts += [best(first, place), best(place, last)]
    return found


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
