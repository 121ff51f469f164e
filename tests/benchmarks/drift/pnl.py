"""Section: how fast a dead edge is seen by the CUSUM on profits, simulated by day, beside its formulas (ml.md 7.9).

The paths are those of the product's `PnlCusum`, many at once: `one_path` holds that both are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rows import Row

from ares_otel.ml.pnl import PnlCusum, delay

__all__ = ["one_path", "rows", "simulated"]

SECTION = "Dead edge: CUSUM on daily profits"
DAYS = 252
CASES = (
    (2.0, 0.0, 1.0),
    (2.0, 0.0, 5.0),
    (3.0, 0.0, 1.0),
    (3.0, 0.0, 5.0),
    (1.0, -1.0, 5.0),
    (4.0, 0.0, 5.0),
    (6.0, 0.0, 5.0),
)
"""Yearly Sharpe ratio alive and dead, years between false alarms."""

SEED = 100_000
NORMAL = 1.96


def one_path(watch: PnlCusum, profits: NDArray[np.float64]) -> int | None:
    """Return the day of the first alarm of the product itself; None without one."""
    return next((day for day, profit in enumerate(profits, 1) if watch.update(float(profit))), None)


def simulated(
    watch: PnlCusum, mean: float, alive: float, gap: float, paths: int, seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return days until the first alarm of many paths, and the share that had none in 120 years."""
    draw = np.random.default_rng(seed)
    level, ended = np.zeros(paths), np.full(paths, np.nan)
    going = np.arange(paths)
    middle = alive - gap / 2.0
    for day in range(1, 120 * DAYS + 1):
        level = np.maximum(0.0, level - gap * (draw.normal(mean, 1.0, len(going)) - middle))
        over = level >= watch.threshold
        if over.any():
            ended[going[over]] = day
            going, level = going[~over], level[~over]
        if not len(going):
            break
    return ended, len(going) / paths


def _mean(days: NDArray[np.float64]) -> tuple[float, float, float]:
    known = days[np.isfinite(days)]
    mean, half = float(known.mean()), NORMAL * float(known.std(ddof=1)) / math.sqrt(len(known))
    return mean, mean - half, mean + half


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield the ratios of what was simulated to what the formulas say."""
    paths = 1_000 if quick else 4_000
    for number, (sharpe, dead, years) in enumerate(CASES):
        watch = PnlCusum(sharpe, 1.0, dead=dead, periods=DAYS, years=years)
        alive, gap = sharpe / math.sqrt(DAYS), (sharpe - dead) / math.sqrt(DAYS)
        name = f"Sharpe {sharpe:g} to {dead:g}, a false alarm in {years:g} years"
        for what, mean, theory, seed in (
            ("mean time between false alarms", alive, years, 2 * number),
            ("mean delay", alive - gap, delay(sharpe - dead, years), 2 * number + 1),
        ):
            days, censored = simulated(watch, mean, alive, gap, paths, SEED + seed)
            ratio, low, high = (value / DAYS / theory for value in _mean(days))
            first = what != "mean delay"
            met = (ratio >= 1.0 and ratio <= 1.4) if first else abs(ratio - 1.0) <= 0.15
            yield Row(
                SECTION,
                f"{name}: {what}, simulated / formula",
                ratio,
                low,
                high,
                "1 to 1.4" if first else "0.85 to 1.15",
                met,
                paths,
                f"formula {theory * DAYS:.0f} days, {censored:.1%} without an alarm in 120 years",
            )
