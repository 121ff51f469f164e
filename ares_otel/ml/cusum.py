"""A CUSUM for losses that creep up against those of training, with a known run length.

W = max(0, W + z - k) with z the loss in reference standard deviations; an alarm at W >= h (Page 1954). What it takes to
false alarms follows from the distribution of the reference itself: with r the root of E exp(r (z - k)) = 1, which for a
skewed loss is far from the 2 k of a Gaussian, the mean run length is (exp(r h) - r h - 1) / (r k), and r is divided by
tau for dependent losses. The mean of the reference is itself uncertain; the chance of a false alarm within the horizon
is averaged over where it may be.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Design", "design", "run_length"]

DRIFTS: Final = (0.125, 0.25, 0.5)
"""Allowances k that are tried, the smallest first: each watches for a shift of twice as many standard deviations."""

NODES: Final = 15
CELLS: Final = 64
LARGEST: Final = 700.0
FLAT: Final = 1e-9


class Design:
    """A CUSUM that keeps its budget: allowance, threshold, and the mean periods until a shift of twice that is seen."""

    __slots__ = ("allowance", "delay", "threshold")

    def __init__(self, allowance: float, threshold: float) -> None:
        self.allowance = allowance
        self.threshold = threshold
        self.delay = threshold / allowance


def run_length(h: float, k: float, root: float) -> float:
    """Return the mean run length to h of sums whose steps fall by k, for the root of their distribution."""
    x = root * h
    if abs(x) < FLAT:
        return math.inf if k == 0.0 else h * h
    return (math.exp(min(x, LARGEST)) - x - 1.0) / (root * k)


def _cells(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standardized values and their shares: each distinct one, or means of equally many when there are many."""
    z = np.sort((values - values.mean()) / values.std())
    distinct, counts = np.unique(z, return_counts=True)
    if len(distinct) <= CELLS:
        return distinct, counts / len(z)
    parts = np.array_split(z, CELLS)
    return np.array([part.mean() for part in parts]), np.array([len(part) for part in parts]) / len(z)


def _root(z: NDArray[np.float64], shares: NDArray[np.float64], k: float) -> float:
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
    return sign * max(low, FLAT)


def _smallest(lengths: list[tuple[float, float, float]], horizon: float, chance: float) -> float | None:
    """Return the least threshold that keeps the chance, None if none does; lengths are (weight, k, root)."""

    def false(h: float) -> float:
        return sum(weight * -math.expm1(-horizon / run_length(h, k, root)) for weight, k, root in lengths)

    low, high = 0.0, 4096.0
    if false(high) > chance:
        return None
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if false(middle) > chance else (low, middle)
    return high


def design(reference: NDArray[np.float64], tau: float, chance: float, horizon: float) -> Design | None:
    """Return the CUSUM that sees small lasting shifts first; None if the reference is worth too little for any.

    Args:
        reference: losses of training or validation, in their order.
        tau: losses that one independent one takes.
        chance: of a false alarm within the horizon.
        horizon: in losses.
    """
    if len(reference) == 0 or not reference.std() > 0.0:
        return None
    z, shares = _cells(reference)
    places, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    error = math.sqrt(tau / len(reference))
    for allowance in DRIFTS:
        lengths = []
        for place, weight in zip(places, weights, strict=True):
            k = allowance - error * float(place)
            lengths.append((float(weight), k, _root(z, shares, k) / tau))
        found = _smallest(lengths, horizon, chance)
        if found is not None and found / allowance <= horizon / 2.0:
            return Design(allowance, found)
    return None
