"""How soon, and how often at all, a change is seen at the same budget (ml.md 7.2).

Shifts begin at the 1000th monitored bar; streams with a false alarm before are left out. Seeds from 5,400,000 on, which
nothing was chosen by. `--quick` takes a tenth of the streams. Streams are judged many bars at a time, and all shifts of
one by the same reference; some of each kind go through `DriftMonitor.update`, too, whose alarms have to be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import batch
import markets
import numpy as np
from numpy.typing import NDArray
from rows import Row, share
from working import each

__all__ = ["rows"]

STREAMS: Final = 600
SEED: Final = 5_400_000
WITHIN: Final = 2000
NEVER: Final = np.inf
RESAMPLED: Final = 400
BARS: Final = (1000, 3000)
NULLS: Final = ("garch", "eurusd")
MUST: Final[dict[tuple[int, str, str], tuple[int, float]]] = {
    (3000, "garch", "vol x1.5"): (1000, 0.70),
    (3000, "eurusd", "vol x1.5"): (1400, 0.58),
    **{(3000, null, "vol x2"): (320, 0.96) for null in NULLS},
    **{(3000, null, "correlation"): (80, 0.99) for null in NULLS},
    **{(3000, null, "fast mean"): (80, 0.99) for null in NULLS},
    **{(3000, null, "drift"): (420, 0.97) for null in NULLS},
    **{(1000, null, "vol x2"): (500, 0.75) for null in NULLS},
    **{(1000, null, "drift"): (650, 0.85) for null in NULLS},
    **{(1000, null, shift): (90, 0.98) for null in NULLS for shift in ("correlation", "fast mean")},
}
"""Largest median delay in bars, and least share found within 2,000 bars."""

AIM: Final = {(3000, "garch", "vol x1.5"): (400, 0.98), (3000, "garch", "vol x2"): (160, 1.0)}
"""The same that nobody has been at."""


class Case(NamedTuple):
    """A stream, before it is shifted."""

    null: str
    seed: int
    bars: int


def delays(case: Case) -> list[float | None]:
    """Return the bars from each shift to the first alarm, NEVER without one, None if that came before the shift."""
    streams = [markets.stream(case.null, shift, case.seed, case.bars) for shift in markets.SHIFTS]
    references = [stream[: case.bars] for stream in streams]
    assert all(np.array_equal(references[0], other) for other in references)
    reference, (plan,) = batch.learned(references[0], [0.05], markets.HORIZON)
    return [delay(batch.squares(reference, plan, stream[case.bars :]) / plan.threshold) for stream in streams]


def delay(evidence: NDArray[np.float64]) -> float | None:
    """Return the bars from the change to the first alarm by squared evidence: bars x tests."""
    crossed = np.flatnonzero((evidence > 1.0).any(1))
    if not len(crossed):
        return NEVER
    return None if crossed[0] < markets.CHANGE else crossed[0] - markets.CHANGE + 1.0


def interval(delays: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a median, by the bootstrap."""
    generator = np.random.default_rng(0)
    again = generator.choice(delays, (RESAMPLED, len(delays)))
    medians = np.quantile(again, 0.5, axis=1, method="nearest")
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    return float(low), float(high)


def found(bars: int, null: str, shift: str, known: NDArray[np.float64]) -> Iterator[Row]:
    """Yield delay and recall of a shift, beside what was asked."""
    must = MUST.get((bars, null, shift), (None, None))
    aims = [f"aim: {sign} {bound:g}" for sign, bound in zip("≤≥", AIM.get((bars, null, shift), ()), strict=False)]
    yield from seen(f"Power at nominal .05, N={bars}", f"{null}, {shift}", known, must, aims or ("", ""))


def seen(
    section: str,
    what: str,
    known: NDArray[np.float64],
    must: tuple[int | None, float | None] = (None, None),
    notes: Sequence[str] = ("", ""),
) -> Iterator[Row]:
    """Yield the median of delays and the share of those that are not too long, which must be so much."""
    soon, often = must
    median = float(np.quantile(known, 0.5, method="nearest"))
    hits = int((known <= WITHIN).sum())
    target, met = ("", None) if soon is None else (f"≤ {soon}", median <= soon)
    yield Row(section, f"{what}: median delay in bars", median, *interval(known), target, met, len(known), notes[0])
    target, met = ("", None) if often is None else (f"≥ {often}", hits / len(known) >= often)
    yield share(section, f"{what}: found within 2,000", hits, len(known), target, met=met, note=notes[1])


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield delay and recall of each shift."""
    count = STREAMS // 10 if quick else STREAMS
    for bars in BARS:
        for null in NULLS:
            cases = [Case(null, SEED + number, bars) for number in range(count)]
            for shift, those in zip(markets.SHIFTS, zip(*each(delays, cases), strict=True), strict=True):
                yield from found(bars, null, shift, np.array([bars_ for bars_ in those if bars_ is not None]))
    kinds = [batch.Kind(null, shift, bars, SEED) for bars in BARS for null in NULLS for shift in markets.SHIFTS]
    yield batch.checked("Power by rows", kinds, quick=quick)
