"""The circular block bootstrap (Politis and Romano 1992): intervals of what has no formula, in pure Python.

Blocks keep the autocorrelation of returns. All that a block adds to a statistic is computed once for each place a block
can begin at, so that a replicate costs a few additions a block and none a return. A drawdown is such a sum too: of
neighboring blocks only their growth, highest, lowest and deepest place matter.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Final, NamedTuple, TypeAlias

from ares_otel.portfolio.figures import normal_shortfall, normal_value_at_risk, quantile
from ares_otel.portfolio.statistic import Interval

__all__ = ["LEVELS", "REPLICATES", "SEED", "block_length", "interval", "intervals", "replicates", "resampled"]

REPLICATES: Final = 1_000
SEED: Final = 1_992
LEVELS: Final = (0.95, 0.99)
"""Levels of value at risk and expected shortfall."""

MISSING: Final = 0.05
TAIL: Final = 3.0
LARGEST: Final = 700.0
Replicates: TypeAlias = dict[str, tuple[float, ...]]


def block_length(n: int) -> int:
    """Return the length of blocks for so many returns: the cube root, the order at which the error is least."""
    return max(1, round(math.cbrt(n)))


def interval(found: Sequence[float], level: float, length: int) -> Interval | None:
    """Return the percentile interval of ascending replicates; None if more than one in twenty had no value."""
    if len(found) < REPLICATES * (1.0 - MISSING):
        return None
    rest = (1.0 - level) / 2.0
    method = f"circular block bootstrap, {REPLICATES} replicates, blocks of {length}, percentile"
    return Interval(quantile(found, rest), quantile(found, 1.0 - rest), method)


def resampled(
    columns: Sequence[Sequence[float]], statistic: Callable[[list[float], int], float | None]
) -> tuple[float, ...]:
    """Return ascending replicates of a statistic of sums.

    Args:
        columns: what is summed up, each of the same length.
        statistic: gets the sum of each column and the number of values, and returns the statistic if there is one.
    """
    n = len(columns[0])
    length = block_length(n)
    sums = [_block_sums(column, length) for column in columns]
    found = [
        statistic([math.fsum(map(each.__getitem__, starts)) for each in sums], len(starts) * length)
        for starts in _draws(n, length)
    ]
    return tuple(sorted(value for value in found if value is not None))


@lru_cache(maxsize=64)
def intervals(values: tuple[float, ...], periods: int, target: float, level: float) -> dict[str, Interval | None]:
    """Return the interval, by name, of each figure of `replicates`; remembered, for pages ask for the same again."""
    length = block_length(len(values))
    return {name: interval(found, level, length) for name, found in replicates(values, periods, target).items()}


def replicates(values: tuple[float, ...], periods: int, target: float) -> Replicates:
    """Return ascending replicates, by name, of what is said about a series of returns above -1.

    Args:
        values: the returns.
        periods: returns a year.
        target: of one period, for Sortino.
    """
    length = block_length(len(values))
    blocks = _blocks(values, length, target)
    found: dict[str, list[float]] = {}
    for starts in _draws(len(values), length):
        for name, value in _figures(blocks, starts, len(starts) * length, periods).items():
            found.setdefault(name, []).append(value)
    return {name: tuple(sorted(each)) for name, each in found.items()}


class _Blocks(NamedTuple):
    """What the block from each place on adds: sums of returns, excess, squares, squared downside; curve; low returns.

    A curve is the log growth of a block, its highest and lowest place, and its deepest fall.
    """

    sums: tuple[list[float], ...]
    curves: list[tuple[float, float, float, float]]
    tails: list[list[float]]


def _draws(n: int, length: int) -> list[list[int]]:
    """Return where the blocks of each replicate begin: about as many returns as there are, in whole blocks."""
    draw = random.Random(SEED)  # noqa: S311  equal numbers each time are the point
    return [draw.choices(range(n), k=max(1, round(n / length))) for _ in range(REPLICATES)]


def _block_sums(column: Sequence[float], length: int) -> list[float]:
    sums = [0.0, *accumulate([*column, *column[: length - 1]])]
    return [after - before for before, after in zip(sums, sums[length:], strict=False)]


def _blocks(values: Sequence[float], length: int, target: float) -> _Blocks:
    bound = quantile(sorted(values), min(1.0, TAIL * (1.0 - LEVELS[0])))
    around = [*values, *values[: length - 1]]
    columns = (
        values,
        [value - target for value in values],
        [value * value for value in values],
        [min(value - target, 0.0) ** 2 for value in values],
    )
    parts = [around[start : start + length] for start in range(len(values))]
    return _Blocks(
        tuple(_block_sums(column, length) for column in columns),
        [_curve(part) for part in parts],
        [[value for value in part if value <= bound] for part in parts],
    )


def _curve(part: Sequence[float]) -> tuple[float, float, float, float]:
    """Return log growth, highest and lowest place and deepest fall of a block that begins at zero."""
    place = top = bottom = fall = 0.0
    for value in part:
        place += math.log1p(value)
        top, bottom = max(top, place), min(bottom, place)
        fall = max(fall, top - place)
    return place, top, bottom, fall


def _figures(blocks: _Blocks, starts: Sequence[int], n: int, periods: int) -> dict[str, float]:
    total, excess, squares, downs = (sum(map(column.__getitem__, starts)) for column in blocks.sums)
    middle = total / n
    spread = math.sqrt(max(squares - n * middle * middle, 0.0) / (n - 1)) if n > 1 else 0.0
    growth, fall = _chained([blocks.curves[start] for start in starts])
    yearly, deepest = math.expm1(min(growth * periods / n, LARGEST)), -math.expm1(-fall)
    found = {"volatility": spread * math.sqrt(periods), "cagr": yearly, "max_drawdown": deepest}
    if deepest > 0.0:
        found["calmar"] = yearly / deepest
    if downs > 0.0:
        found["sortino"] = excess / n / math.sqrt(downs / n) * math.sqrt(periods)
    low = sorted(chain.from_iterable(map(blocks.tails.__getitem__, starts)))
    return found | _tails(low, n, middle, spread)


def _chained(curves: Sequence[tuple[float, float, float, float]]) -> tuple[float, float]:
    """Return log growth and deepest log fall of blocks one after the other."""
    place = peak = deepest = 0.0
    for growth, top, bottom, fall in curves:
        # written out, for `max` takes as long as all the rest
        if fall > deepest:  # noqa: PLR1730
            deepest = fall
        if peak - place - bottom > deepest:  # noqa: PLR1730
            deepest = peak - place - bottom
        if place + top > peak:  # noqa: PLR1730
            peak = place + top
        place += growth
    return place, deepest


def _tails(low: Sequence[float], n: int, middle: float, spread: float) -> dict[str, float]:
    found = {}
    for level in LEVELS:
        if low:
            bound = _low_quantile(low, (1.0 - level) * (n - 1))
            within = low[: bisect_right(low, bound)] or low[:1]
            found[f"value_at_risk historical {level}"] = -bound
            found[f"expected_shortfall historical {level}"] = -sum(within) / len(within)
        found[f"value_at_risk parametric {level}"] = normal_value_at_risk(middle, spread, level)
        found[f"expected_shortfall parametric {level}"] = normal_shortfall(middle, spread, level)
    return found


def _low_quantile(low: Sequence[float], place: float) -> float:
    """Return what stands at a place of ascending values of which only the lowest are given."""
    below = min(math.floor(place), len(low) - 1)
    above = min(below + 1, len(low) - 1)
    return low[below] + (low[above] - low[below]) * (place - math.floor(place))
