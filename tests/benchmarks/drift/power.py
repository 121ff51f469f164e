"""How soon, and how often at all, a change is seen at the same budget (ml.md 7.2).

Shifts begin at the 1000th monitored bar; streams with a false alarm before are left out. Seeds from 3,900,000 on, which
nothing was chosen by. `--quick` takes a tenth of the streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import batch
import markets
import numpy as np
from numpy.typing import NDArray
from rows import Row, share

__all__ = ["rows"]

STREAMS: Final = 200
SEED: Final = 3_900_000
WITHIN: Final = 2000
NEVER: Final = np.inf
RESAMPLED: Final = 400
MUST: Final[dict[tuple[int, str, str], tuple[int, float]]] = {
    (3000, "garch", "vol x1.5"): (1000, 0.70),
    (3000, "eurusd", "vol x1.5"): (1400, 0.58),
    **{(3000, null, "vol x2"): (320, 0.96) for null in ("garch", "eurusd")},
    **{(3000, null, "correlation"): (80, 0.99) for null in ("garch", "eurusd")},
    **{(3000, null, "fast mean"): (80, 0.99) for null in ("garch", "eurusd")},
    **{(3000, null, "drift"): (420, 0.97) for null in ("garch", "eurusd")},
    **{(1000, null, "vol x2"): (500, 0.75) for null in ("garch", "eurusd")},
    **{(1000, null, "drift"): (650, 0.85) for null in ("garch", "eurusd")},
    **{(1000, null, shift): (90, 0.98) for null in ("garch", "eurusd") for shift in ("correlation", "fast mean")},
}
"""Largest median delay in bars, and least share found within 2,000 bars."""


class Case(NamedTuple):
    """A stream."""

    null: str
    shift: str
    seed: int
    bars: int


def delay(case: Case) -> float | None:
    """Return the bars from the change to the first alarm, NEVER without one, None if that came before the change."""
    stream = markets.stream(case.null, case.shift, case.seed, case.bars)
    reference, (plan,) = batch.learned(stream[: case.bars], [0.05], markets.HORIZON)
    crossed = (batch.squares(reference, plan, stream[case.bars :]) > plan.threshold).any(1)
    first = int(crossed.argmax()) if crossed.any() else None
    if first is None:
        return NEVER
    return None if first < markets.CHANGE else first - markets.CHANGE + 1.0


def interval(delays: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a median, by the bootstrap."""
    generator = np.random.default_rng(0)
    again = generator.choice(delays, (RESAMPLED, len(delays)))
    medians = np.quantile(again, 0.5, axis=1, method="nearest")
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    return float(low), float(high)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield delay and recall of each shift."""
    count = STREAMS // 10 if quick else STREAMS
    for bars in (1000, 3000):
        for null in ("garch", "eurusd"):
            for shift in markets.SHIFTS:
                cases = [Case(null, shift, SEED + number, bars) for number in range(count)]
                found = np.array([each for each in batch.each(delay, cases) if each is not None])
                soon, often = MUST.get((bars, null, shift), (None, None))
                median = float(np.quantile(found, 0.5, method="nearest"))
                hits = int((found <= WITHIN).sum())
                section, what = f"Power at nominal .05, N={bars}", f"{null}, {shift}"
                target, met = ("", None) if soon is None else (f"≤ {soon}", median <= soon)
                yield Row(section, f"{what}: median delay in bars", median, *interval(found), target, met, len(found))
                target, met = ("", None) if often is None else (f"≥ {often}", hits / len(found) >= often)
                yield share(section, f"{what}: found within 2,000", hits, len(found), target, met=met)
