"""Section: names of moved features, and decisions about them beside the package online-fdr.

Streams of ten columns that share a volatility (GARCH of EURUSD) and a factor, every second with a memory. One to three
of them move by some of their standard deviations in each. Seeds from 5,700,000 on, which nothing was chosen by.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
from markets import FITTED, Floats, garch
from rows import Row, share
from working import each

from ares_otel.ml import DriftMonitor
from ares_otel.ml.fdr import Lond
from ares_otel.ml.naming import RATE, Naming

__all__ = ["rows"]

SECTION: Final = "LOND beside online-fdr"
SEED: Final = 100_000
NAMES: Final = "Names of features"
STREAMS: Final = 400
FIRST: Final = 5_700_000
SIZES: Final = (0.7, 1.0, 1.5)
COLUMNS: Final = 10
MOST: Final = 3
REFERENCE: Final = 1500
CHANGE: Final = 300
BARS: Final = 1300
MEMORY: Final = 0.6
SHARED: Final = 0.5
"""Share of a column's variance that is the factor's."""


class Case(NamedTuple):
    """A stream, and by how many standard deviations some of its columns move."""

    seed: int
    size: float


class Told(NamedTuple):
    """What was named: wrongly; rightly and out of how many that had moved, of columns with a memory and without one."""

    wrong: int
    slow: int
    slow_moved: int
    fast: int
    fast_moved: int


def columns(generator: np.random.Generator, bars: int) -> Floats:
    """Return ten columns, of variance one but for what volatility does."""
    constant, news, memory, _ = FITTED
    volatility = np.abs(garch(generator.normal(size=bars + 2000), constant, news, memory))[2000:]
    scale = (np.convolve(volatility, np.ones(24) / 24, "same") / volatility.mean())[:, None]
    noise = generator.normal(size=(bars, COLUMNS + 1)) * scale
    found: Floats = np.sqrt(SHARED) * noise[:, -1:] + np.sqrt(1 - SHARED) * noise[:, :-1]
    for bar in range(1, bars):
        found[bar, ::2] = MEMORY * found[bar - 1, ::2] + np.sqrt(1 - MEMORY**2) * found[bar, ::2]
    return found


def told(case: Case) -> Told:
    """Give a stream to a monitor; return what it has named by its end."""
    generator = np.random.default_rng(case.seed)
    stream = columns(generator, REFERENCE + BARS)
    moved = generator.choice(COLUMNS, generator.integers(1, MOST + 1), replace=False)
    sign = generator.choice([-1.0, 1.0], len(moved))
    stream[REFERENCE + CHANGE :, moved] += case.size * sign * stream[:REFERENCE, moved].std(0)
    monitor, naming = DriftMonitor(stream[:REFERENCE]), Naming()
    names: set[str] = set()
    for bar, row in enumerate(stream[REFERENCE:], 1):
        named = naming.look(monitor.update(row), bar, None, monitor.account)
        names |= set(named.features) if named else set()
    wrong = len(names - {f"f{column}" for column in moved})
    slow, fast = ([f"f{column}" in names for column in moved if column % 2 == odd] for odd in (0, 1))
    return Told(wrong, sum(slow), len(slow), sum(fast), len(fast))


def names(*, quick: bool) -> Iterator[Row]:
    """Yield how many of those that moved are named, and how many names are wrong."""
    seeds = range(FIRST, FIRST + (STREAMS // 10 if quick else STREAMS))
    wrong = named = 0
    for size in SIZES:
        each_told = each(told, [Case(seed, size) for seed in seeds])
        found = Told(*(sum(part) for part in zip(*each_told, strict=True)))
        what = f"named of those that moved by {size:g} sigma"
        yield share(NAMES, f"{what}, without memory", found.fast, found.fast_moved)
        yield share(NAMES, f"{what}, with an autocorrelation of {MEMORY:g}", found.slow, found.slow_moved)
        wrong, named = wrong + found.wrong, named + found.wrong + found.slow + found.fast
    yield share(NAMES, "wrong names among all names", wrong, named, f"≤ {RATE:g}", met=wrong <= RATE * named)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield what is named, and how many decisions agree with and without dependence."""
    yield from names(quick=quick)
    oracle: Any = import_module("online_fdr.p_values.investing.lond.lond").Lond
    cases = 50 if quick else 500
    for dependent in (False, True):
        agreed = total = 0
        for seed in range(SEED, SEED + cases):
            draw = np.random.default_rng(seed)
            values = draw.random(100) ** draw.choice([1.0, 8.0], 100)
            ours, theirs = Lond(0.1, dependent=dependent), oracle(0.1, dependent=dependent)
            agreed += sum(ours.test(float(p)).found == theirs.test_one(float(p)) for p in values)
            total += len(values)
        what = f"decisions that agree, {'any dependence' if dependent else 'independent'}"
        yield share(SECTION, what, agreed, total, "all", met=agreed == total)
