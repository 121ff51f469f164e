"""What it is worth to name the regimes of a market: the same streams with their labels and without.

Volatility that a Markov chain doubles, the null of which short references show too little: false alarms, references
whose level of volatility cannot be tested, and how soon it is seen to rise. Seeds from 5,700,000 on, which nothing was
chosen by. Every stream goes through `DriftMonitor.update`, row by row. `--quick` takes a tenth of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import markets
import numpy as np
import power
from power import NEVER
from rows import Row, share
from working import each

from ares_otel.ml import DriftMonitor, Moment, Reference

__all__ = ["rows"]

SECTION: Final = "Regimes that are named"
STREAMS: Final = 200
SEED: Final = 5_700_000
BARS: Final = (1000, 3000)
SHIFTS: Final = ("vol x1.5", "vol x2")
SIZE: Final = "f1"
"""The size of returns, whose mean is the level of volatility."""


class Case(NamedTuple):
    """A stream, and whether its monitor is told in which regime a bar is."""

    shift: str
    named: bool
    seed: int
    bars: int


class Seen(NamedTuple):
    """What a monitor made of it: bars to the first alarm, NEVER without one; whether volatility had a test."""

    alarm: float
    testable: bool


def seen(case: Case) -> Seen:
    """Give a stream to a monitor, until it alarms."""
    stream = markets.stream("markov", case.shift, case.seed, case.bars)
    states = markets.regimes(case.seed, case.bars)
    labels = states[: case.bars] if case.named else None
    monitor = DriftMonitor(Reference.of(stream[: case.bars], regimes=labels), horizon=markets.HORIZON)
    testable = any(line.testable for line in monitor.card() if (line.feature, line.moment) == (SIZE, Moment.LOCATION))
    live = zip(stream[case.bars :], states[case.bars :].tolist(), strict=True)
    for bar, (row, state) in enumerate(live):
        if monitor.update(row, regime=state if case.named else None):
            return Seen(bar, testable)
    return Seen(NEVER, testable)


def found(shift: str, what: str, those: list[Seen]) -> Iterator[Row]:
    """Yield false alarms where nothing moved, else delay and recall of those without one."""
    if not shift:
        alarms = sum(each_.alarm < NEVER for each_ in those)
        yield share(SECTION, f"{what}: false alarms in 4,000 bars", alarms, len(those))
        blind = sum(not each_.testable for each_ in those)
        yield share(SECTION, f"{what}: volatility untestable", blind, len(those))
        return
    delays = np.array([each_.alarm - markets.CHANGE + 1 for each_ in those if each_.alarm >= markets.CHANGE])
    yield from power.seen(SECTION, f"{what}, {shift}", delays)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield what is found with the names of regimes and without."""
    seeds = range(SEED, SEED + (STREAMS // 10 if quick else STREAMS))
    for bars in BARS:
        for named in (False, True):
            what = f"N={bars}, {'named' if named else 'not named'}"
            for shift in ("", *SHIFTS):
                yield from found(shift, what, list(each(seen, [Case(shift, named, seed, bars) for seed in seeds])))
