"""A budget by the month, as `ares.model()` has it: alarms raised on streams that did not change, by those allowed.

`Budget.monthly` makes a chance of 5 % within a horizon of a rate; with bars of days that horizon is short, and episodes
end and begin again. Each bar goes through the monitor itself, its hysteresis included. Nothing was chosen by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import markets
import numpy as np
from rows import Row
from working import each

from ares_otel.ml import DriftMonitor
from ares_otel.ml.budget import Budget

__all__ = ["rows"]

STREAMS: Final = 200
SEED: Final = 3_100_000
MONTHLY: Final = 0.02
DAYS, HOURS = 21.0, 500.0
CASES: Final = (
    ("sp500", 1000, DAYS),
    ("sp500", 3000, DAYS),
    ("nasdaq", 1000, DAYS),
    ("eurusd", 1000, HOURS),
    ("eurusd", 3000, HOURS),
    ("garch", 1000, HOURS),
    ("garch", 3000, HOURS),
)
MOST: Final = 1.25
DRAWS: Final = 2000


class Case(NamedTuple):
    """A stream and its bars a month."""

    null: str
    bars: int
    month: float
    seed: int


def raised(case: Case) -> tuple[int, float]:
    """Return how many alarms there were, and how many its budget allows."""
    budget = Budget.monthly(MONTHLY, case.month)
    stream = markets.stream(case.null, "", case.seed, case.bars)
    monitor = DriftMonitor(stream[: case.bars], false_alarms=budget.false_alarms, horizon=budget.horizon)
    live = stream[case.bars :]
    alarms = sum(event.state == "started" for row in live for event in monitor.update(row))
    return alarms, budget.expected(len(live))


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield raised by allowed for each null, with the interval of a bootstrap over streams."""
    count = STREAMS // 10 if quick else STREAMS
    generator = np.random.default_rng(1)
    for null, bars, month in CASES:
        cases = [Case(null, bars, month, SEED + number) for number in range(count)]
        alarms, allowed = np.array(list(each(raised, cases))).T
        shares = [alarms[generator.integers(0, count, count)].mean() / allowed.mean() for _ in range(DRAWS)]
        low, high = np.quantile(shares, (0.025, 0.975)).tolist()
        what = f"{null}, N={bars}, {month:g} bars a month: raised / allowed"
        ratio = float(alarms.mean() / allowed.mean())
        yield Row("A budget by the month", what, ratio, low, high, f"≤ {MOST}", ratio <= MOST, count)
