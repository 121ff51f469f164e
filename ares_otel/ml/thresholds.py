"""How high a moving average climbs by chance within a horizon, and the threshold that keeps that rare enough.

The average of a score is taken as a Gaussian process that looks like an Ornstein-Uhlenbeck one nearby; the chance that
it crosses a level follows from the rate at which its autocorrelation decays (Pickands 1969), with Siegmund's correction
(1985) for being looked at bar by bar. How much the average varies is an estimate itself: a level counts for as much
less as it is rarer under a normal law than under Student's t with the degrees of freedom of that estimate (Wallace
1959).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ares_otel.ml.scores import Floats

__all__ = ["crossing", "solved"]

ROOT: Final = float(np.sqrt(2 / np.pi))
STEPS: Final = 14
"""Of bisection: a threshold is right to a hundredth of a percent."""


def crossing(level: Floats, rate: Floats, horizon: float | Floats) -> Floats:
    """Return the expected number of crossings of ±level, in standard deviations, within the horizon.

    Args:
        level: how high.
        rate: decay of the log autocorrelation per bar at small lags.
        horizon: bars.
    """
    path = rate * horizon
    high = np.maximum(level, 1.0)
    seen = high + 0.583 * np.sqrt(2 * rate)
    rising = path * (seen - 1 / seen) * np.exp(-seen * seen / 2)
    return np.asarray(ROOT * (rising + 0.95 * np.exp(-level * level / 2) / high), np.float64)


def solved(
    sigma: Floats, weight: Floats, rate: Floats, horizon: float | Floats, target: Floats, freedom: Floats
) -> Floats:
    """Return the threshold of each test: the last axis of sigma, weight and rate are models, averaged by weight.

    Args:
        sigma: standard deviation of the average under each model.
        weight: of each model.
        rate: decay of the log autocorrelation per bar at small lags.
        horizon: bars.
        target: chance of a crossing.
        freedom: degrees of freedom of the estimate of sigma.
    """
    freedom = freedom[:, None]
    typical = np.sqrt((sigma**2 * weight).sum(-1))
    low, high = 2 * typical, 16 * typical
    for _ in range(STEPS):
        middle = (low + high) / 2
        level = np.sqrt(freedom * np.log1p((middle[..., None] / sigma) ** 2 / freedom))
        chance = (np.minimum(1, crossing(level, rate, horizon)) * weight).sum(-1)
        above = chance > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(high, np.float64)
