"""When did a recorded history change? Change points found afterwards, for reports on what was replayed.

Five well-known ways to date changes vote, each with its plain penalty, and a place counts that has three quarters of
the votes. Each is wrong in its own way: what is left is what does not depend on the model. The vote of a way is how
probable it thinks a change within five values, over all partitions of the history (Fearnhead 2006): one that doubts the
change, or knows its place badly, says so.

- Spans that are an autoregression of their own (level, memory and noise), the criterion of Bayes for each change.
- Levels of what one memory leaves of the history, as of a walk its steps (Chakar and others 2017).
- Spans of constant level with one noise for all, that of short pieces.
- Spans with a distribution of their own, by ten quantiles (Haynes, Fearnhead and Eckley 2017): no model, few tails.
- Binary segmentation of the mean (Scott and Knott 1974): a vote is yes or no.

The last two have the modified criterion of Zhang and Siegmund (2007), as the package `changepoint` of R ships them. The
first value of a span that has a memory is given, not predicted from the span before: a jump is a change and no outlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

VOTES: Final = 0.75
"""Of all that is asked of a place."""

NEAR: Final = 5
"""Values about a place whose votes are for it."""

NEGLIGIBLE: Final = 1e-6
"""Probability of a change below which what it says of those before it is left out."""

LOCAL: Final = 20
"""Values over which the noise of a level is measured, where the level hardly moves."""

STEPS: Final = 2.0
"""Penalty of a change of level, in those of the criterion: its noise is that of short pieces, so too small."""

MODIFIED: Final = 3.0
"""Penalty of the modified criterion for a change of one parameter, beside the logarithm of each span's length."""

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
    beliefs = (
        _beliefs(n, _total(_autoregression, table), one * (3 * columns + 1)),
        _beliefs(n, _total(_remembered, table), one * (columns + 1)),
        _beliefs(n, _total(_level, table), STEPS * one * (columns + 1)),
        _beliefs(n, _total(_distribution, table), modified),
        _halved(table, modified),
    )
    return tuple(place * block for place in _agreed(np.array(beliefs)))


def _agreed(beliefs: Values) -> list[int]:
    """Return the places with enough votes, each in the middle of those for it; `beliefs` are ways by places."""
    n = beliefs.shape[1]
    sums = np.concatenate((np.zeros((len(beliefs), 1)), np.cumsum(beliefs, axis=1)), axis=1)
    first, last = np.maximum(np.arange(n) - NEAR, 0), np.minimum(np.arange(n) + NEAR + 1, n)
    votes = np.minimum(sums[:, last] - sums[:, first], 1.0).mean(axis=0)
    total = sums.mean(axis=0)
    agreed: list[int] = []
    while votes.max() >= VOTES:
        most = int(votes.argmax())
        agreed.append(int(np.searchsorted(total[1:], (total[first[most]] + total[last[most]]) / 2.0)))
        votes[max(most - 2 * NEAR, 0) : most + 2 * NEAR + 1] = 0.0
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


def _remembered(x: Values) -> Cost:
    """Return the cost of levels of what one memory leaves, which two medians tell whether or not levels change."""
    once, twice = (float(np.median((x[lag:] - x[:-lag]) ** 2)) for lag in (1, 2))
    memory = min((twice + SMALLEST) / (once + SMALLEST) - 1.0, 1.0)
    level = _level(x - memory * np.concatenate((x[:1], x[:-1])))
    return lambda starts, stop: level(starts + 1, stop)


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


def _halved(table: Values, penalty: float) -> Values:
    """Return where the mean changes, by halving where that gains most until no gain exceeds the penalty: 1, else 0."""
    n, columns = table.shape
    sums = np.concatenate((np.zeros((1, columns)), np.cumsum(table, axis=0)))
    found, parts = np.zeros(n), [(0, n)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:  # noqa: PLR2004  nothing to halve
            continue
        before = np.arange(1.0, last - first)
        after = last - first - before
        left, right = sums[first + 1 : last] - sums[first], sums[last] - sums[first + 1 : last]
        whole = (sums[last] - sums[first]) ** 2 / (last - first)
        squares = (left**2 / before[:, None] + right**2 / after[:, None] - whole).sum(axis=1)
        gain = squares - columns * np.log(before * after / (last - first))
        if gain.max() > penalty:
            place = first + 1 + int(gain.argmax())
            found[place] = 1.0
            parts += [(first, place), (place, last)]
    return found


def _beliefs(n: int, cost: Cost, penalty: float) -> Values:
    """Return how probable it is that a span begins at each place; of the first, which is sure to, nothing is said."""
    weight = np.full(n + 1, -np.inf)
    weight[0] = penalty / 2.0

    def partitions(stop: int) -> tuple[NDArray[np.intp], Values]:
        # no span may end before the first that is long enough
        starts = np.concatenate(([0], np.arange(LEAST, stop - LEAST + 1)))
        return starts, weight[starts] - (penalty + cost(starts, stop)) / 2.0

    for stop in range(LEAST, n + 1):
        _, weights = partitions(stop)
        likeliest = weights.max()
        weight[stop] = likeliest + np.log(np.exp(weights - likeliest).sum())
    begins = np.zeros(n + 1)
    begins[n] = 1.0
    for stop in range(n, LEAST - 1, -1):
        if begins[stop] > NEGLIGIBLE:
            starts, weights = partitions(stop)
            begins[starts] += begins[stop] * np.exp(weights - weight[stop])
    begins[0] = 0.0
    return begins[:n]
