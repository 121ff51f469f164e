"""A CUSUM for losses that creep up against those of training, with a known run length.

W = max(0, W + z - k) with z the loss in reference standard deviations; an alarm at W >= h (Page 1954). What it takes to
false alarms follows from the distribution of the reference itself: with r the root of E exp(r (z - k)) = 1, which for a
skewed loss is far from the 2 k of a Gaussian, the mean run length is (exp(r h) - r h - 1) / (r k), and r is divided by
tau for dependent losses. Neither tau nor the mean of the reference is known; the chance of a false alarm within the
horizon is averaged over all spectra that the reference leaves possible (`contrasts`), and for each over where the mean
may be.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from ares_otel.ml.contrasts import Noise
from ares_otel.ml.scores import Floats

__all__ = ["Design", "design", "run_length"]

DRIFTS: Final = (0.125, 0.25, 0.5)
"""Allowances k that are tried, the smallest first: each watches for a shift of twice as many standard deviations."""

NODES: Final = 15
CELLS: Final = 64
LARGEST: Final = 700.0
FLAT: Final = 1e-4
GRID: Final = 65
"""Allowances at which the root is looked for; between them it is interpolated."""


class Design:
    """A CUSUM that keeps its budget: allowance, threshold, and the mean periods until a shift of twice that is seen."""

    __slots__ = ("allowance", "delay", "threshold")

    def __init__(self, allowance: float, threshold: float) -> None:
        self.allowance = allowance
        self.threshold = threshold
        self.delay = threshold / allowance


def run_length(h: float, k: Floats, ratio: Floats) -> Floats:
    """Return the mean run length to h of sums whose steps fall by k, for the root of their distribution by k."""
    x = ratio * k * h
    grown = np.where(np.abs(x) < FLAT, x * x / 2.0, np.expm1(np.minimum(x, LARGEST)) - x)
    return np.asarray(grown / (ratio * k * k), np.float64)


def _cells(values: Floats) -> tuple[Floats, Floats]:
    """Return standardized values and their shares: each distinct one, or means of equally many when there are many."""
    z = np.sort((values - values.mean()) / values.std())
    distinct, counts = np.unique(z, return_counts=True)
    if len(distinct) <= CELLS:
        return distinct, counts / len(z)
    parts = np.array_split(z, CELLS)
    return np.array([part.mean() for part in parts]), np.array([len(part) for part in parts]) / len(z)


def _root(z: Floats, shares: Floats, k: float) -> float:
    """Return the root other than zero of E exp(r (z - k)) = 1, by bisection; its sign is that of k."""
    sign = math.copysign(1.0, k)

    def above(r: float) -> bool:
        exponents = np.minimum(sign * r * (z - k), LARGEST)
        return float((shares * np.exp(exponents)).sum()) > 1.0

    low, high = 0.0, 1.0
    while not above(high) and high < LARGEST:
        high *= 2.0
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (low, middle) if above(middle) else (middle, high)
    return sign * low


def _off_zero(k: Floats) -> Floats:
    """Return allowances that have a root other than zero."""
    return np.where(np.abs(k) < FLAT, FLAT, k)


def _smallest(weight: Floats, k: Floats, ratio: Floats, horizon: float, chance: float) -> float | None:
    """Return the least threshold that keeps the chance, None if none does; weights sum to 1."""

    def false(h: float) -> float:
        return float((weight * -np.expm1(-horizon / run_length(h, k, ratio))).sum())

    low, high = 0.0, 4096.0
    if false(high) > chance:
        return None
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if false(middle) > chance else (low, middle)
    return high


def design(reference: Floats, noise: Noise, chance: float, horizon: float) -> Design | None:
    """Return the CUSUM that sees small lasting shifts first; None if the reference is worth too little for any.

    Args:
        reference: losses of training or validation, in their order.
        noise: what is believed of them.
        chance: of a false alarm within the horizon.
        horizon: in losses.
    """
    if len(reference) == 0 or not reference.std() > 0.0:
        return None
    z, shares = _cells(reference)
    places, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weight = weights / weights.sum() * noise.weight[:, None]
    error = np.sqrt(noise.mean)[:, None]
    for allowance in DRIFTS:
        k = _off_zero(allowance - error * places)
        grid = _off_zero(np.linspace(k.min(), k.max(), GRID))
        ratio = np.interp(k, grid, [_root(z, shares, float(each)) / each for each in grid])
        found = _smallest(weight, k, ratio / noise.tau[:, None], horizon, chance)
        if found is not None and found / allowance <= horizon / 2.0:
            return Design(allowance, found)
    return None
