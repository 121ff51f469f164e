"""When did a recorded history change? Change points found afterwards, for reports on what was replayed.

Eight well-known ways to date changes vote, each with its plain penalty, and a place counts that has three quarters of
the votes. Each is wrong in its own way: what is left is what does not depend on the model. The vote of a way is how
probable it thinks a change within five values, over all partitions of the history (Fearnhead 2006): one that doubts the
change, or knows its place badly, says so.

Three ways look at the history itself, with the criterion of Bayes for each change:
- spans that are an autoregression of their own (level, memory and noise),
- spans of constant level with one noise for all, that of short pieces,
- spans with a trend and a noise of their own.

Five look at what one memory leaves of it, as of a walk its steps (Chakar and others 2017), where prices are like noise:
- levels with one noise for all,
- lines with one noise for all,
- spans with a mean and a noise of their own,
- spans with a distribution of their own, by ten quantiles (Haynes, Fearnhead and Eckley 2017): no model, few tails,
- binary segmentation of the mean (Scott and Knott 1974): a vote is yes or no.

The last two have the modified criterion of Zhang and Siegmund (2007), as the package `changepoint` of R ships them. The
first value of a span that has a memory is given, not predicted from the span before: a jump is a change and no outlier.
A value far beyond both its neighbours is an outlier, and bridged like a gap.
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
Squares: TypeAlias = Callable[[NDArray[np.intp], NDArray[np.intp] | int], Values]
"""Squares about what spans from some places up to others have in common."""

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
"""Values over which the noise of a level or line is measured, where it hardly moves."""

STEPS: Final = 2.0
"""Penalty of a change of level, in those of the criterion: its noise is that of short pieces, so too small."""

MODIFIED: Final = 3.0
"""Penalty of the modified criterion for a change of one parameter, beside the logarithm of each span's length."""

LAGS: Final = (1, 2, 4)
"""Steps between values that tell a memory."""

FAR: Final = 3.0
"""Spans of the middle half beyond which Tukey (1977) calls a value far out."""

QUANTILES: Final = 10
SMALLEST: Final = 1e-8
FINEST: Final = 0.01
"""Of the median step: a span without any noise does not beat all others."""


def changes(values: ArrayLike) -> tuple[int, ...]:
    """Return the places, from 0, at which a history changed: each is the first value of a new span.

    Args:
        values: one value a row, or one row of values each; NaN, infinity and outliers are bridged, columns of
            NaN and infinity left out.
    """
    table = np.asarray(values, dtype=np.float64)
    if len(table) < 2 * LEAST:
        return ()
    table = _usable(table)
    block = math.ceil(len(table) / LARGEST)
    if block > 1:
        table = _usable(table[: len(table) // block * block].reshape(-1, block, table.shape[1]).mean(axis=1))
    n, columns = table.shape
    if not columns:
        return ()
    one = math.log(n)
    left = np.array([_left(column) for column in table.T]).T
    modified = MODIFIED * one * columns
    beliefs = (
        _beliefs(n, _total(_autoregression, table), one * (3 * columns + 1)),
        _beliefs(n, _total(_level, table), STEPS * one * (columns + 1)),
        _beliefs(n, _total(_trend, table), one * (3 * columns + 1)),
        _beliefs(n, _total(_level, left, given=1), one * (columns + 1)),
        _beliefs(n, _total(_line, left, given=1), one * (2 * columns + 1)),
        _beliefs(n, _total(_noisy, left, given=1), one * (2 * columns + 1)),
        _beliefs(n, _total(_distribution, left, given=1), modified),
        _halved(left, modified),
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
    """Return columns without gaps and outliers, standardized; those that say nothing are left out."""
    table = table[:, None] if table.ndim == 1 else table
    places = np.arange(len(table))
    kept = []
    for column in table.T:
        known = np.isfinite(column)
        if not known.any():
            continue
        bridged = np.interp(places, places[known], column[known])
        near = _near(bridged)
        bridged = np.interp(places, places[near], bridged[near])
        middle, spread = bridged.mean(), bridged.std()
        if math.isfinite(spread) and spread > 0.0:
            kept.append((bridged - middle) / spread)
    return np.array(kept).T if kept else np.empty((len(table), 0))


def _near(x: Values) -> NDArray[np.bool_]:
    """Return which values are no outliers: those beyond both neighbours by what is far out among steps are."""
    low, high = np.minimum(x[:-2], x[2:]), np.maximum(x[:-2], x[2:])
    beyond = np.concatenate(([0.0], np.maximum(x[1:-1] - high, low - x[1:-1]), [0.0]))
    first, third = np.quantile(np.diff(x), (0.25, 0.75))
    return np.asarray(beyond <= FAR * (third - first)) if third > first else np.ones(len(x), dtype=np.bool_)


def _left(x: Values) -> Values:
    """Return what one memory leaves, standardized.

    Medians tell the memory whether or not levels change. The least of some lags counts, for values that were averaged
    seem to be a walk from one to the next.
    """
    memory = 1.0
    for lag in LAGS:
        once, twice = (float(np.median((x[apart:] - x[:-apart]) ** 2)) for apart in (lag, 2 * lag))
        kept = max((twice + SMALLEST) / (once + SMALLEST) - 1.0, 0.0)
        memory = min(memory, kept ** (1.0 / lag))
    left = x[1:] - memory * x[:-1]
    # the first value has none before it
    left = np.concatenate((left[:1], left))
    return np.asarray((left - left.mean()) / max(float(left.std()), SMALLEST))


def _total(made: Callable[[Values], Cost], table: Values, given: int = 0) -> Cost:
    """Return the cost of all columns together, without so many first values of each span."""
    costs = [made(column) for column in table.T]
    return lambda starts, stop: np.sum([cost(starts + given, stop) for cost in costs], axis=0)


def _sums(values: Values) -> Values:
    return np.concatenate(([0.0], np.cumsum(values)))


def _autoregression(x: Values) -> Cost:
    """Return the cost of spans with their own constant, first coefficient and noise: minus twice log likelihood."""
    before = np.concatenate((x[:1], x[:-1]))
    y, z, yy, zz, zy = (_sums(each) for each in (x, before, x * x, before * before, x * before))
    floor = _floor(x)

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


def _floor(x: Values) -> float:
    """Return the least variance that is believed."""
    steps = np.abs(np.diff(x))
    moving = steps[steps > 0.0]
    return max((FINEST * float(np.median(moving))) ** 2 if len(moving) else 0.0, SMALLEST)


def _about_mean(x: Values) -> Squares:
    y, yy = _sums(x), _sums(x * x)

    def squares(starts: NDArray[np.intp], stops: NDArray[np.intp] | int) -> Values:
        total = y[stops] - y[starts]
        return np.asarray(np.maximum(yy[stops] - yy[starts] - total**2 / (stops - starts), 0.0))

    return squares


def _about_line(x: Values) -> Squares:
    time = np.linspace(-1.0, 1.0, len(x))
    about_mean, spread = _about_mean(x), _about_mean(time)
    y, t, ty = _sums(x), _sums(time), _sums(time * x)

    def squares(starts: NDArray[np.intp], stops: NDArray[np.intp] | int) -> Values:
        both = ty[stops] - ty[starts] - (y[stops] - y[starts]) * (t[stops] - t[starts]) / (stops - starts)
        explained = both**2 / np.maximum(spread(starts, stops), SMALLEST)
        return np.asarray(np.maximum(about_mean(starts, stops) - explained, 0.0))

    return squares


def _shared(squares: Squares, n: int, parameters: int) -> Cost:
    """Return the cost of spans with one noise for all, that of short pieces: squares in units of it."""
    starts = np.arange(0, max(1, n - LOCAL), LOCAL // 2)
    local = squares(starts, np.minimum(starts + LOCAL, n)) / (LOCAL - parameters)
    noise = max(float(np.median(local)), SMALLEST)
    return lambda starts, stop: squares(starts, stop) / noise


def _own(squares: Squares, floor: float) -> Cost:
    """Return the cost of spans with a noise of their own: minus twice log likelihood."""

    def cost(starts: NDArray[np.intp], stop: int) -> Values:
        n = stop - starts
        return np.asarray(n * np.log(squares(starts, stop) / n + floor))

    return cost


def _level(x: Values) -> Cost:
    return _shared(_about_mean(x), len(x), 1)


def _line(x: Values) -> Cost:
    return _shared(_about_line(x), len(x), 2)


def _noisy(x: Values) -> Cost:
    return _own(_about_mean(x), _floor(x))


def _trend(x: Values) -> Cost:
    return _own(_about_line(x), _floor(x))


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
    """Return where the mean changes, by halving where that gains most until no gain exceeds the penalty: 1, else 0.

    The first value of a second half is given: it holds the jump of a walk.
    """
    n, columns = table.shape
    sums = np.concatenate((np.zeros((1, columns)), np.cumsum(table, axis=0)))
    found, parts = np.zeros(n), [(0, n)]
    while parts:
        first, last = parts.pop()
        if last - first < 3:  # noqa: PLR2004  nothing to halve
            continue
        places = np.arange(first + 1, last - 1)
        before, after = (places - first).astype(float), last - places - 1.0
        left, right = sums[places] - sums[first], sums[last] - sums[places + 1]
        whole = (left + right) ** 2 / (last - first - 1)
        squares = (left**2 / before[:, None] + right**2 / after[:, None] - whole).sum(axis=1)
        gain = squares - columns * np.log(before * after / (last - first - 1))
        if gain.max() > penalty:
            place = int(places[gain.argmax()])
            found[place] = 1.0
            parts += [(first, place), (place + 1, last)]
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
