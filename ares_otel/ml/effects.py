"""From mean scores back to what they mean: by how many reference sigmas values moved, or by how much they spread."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.scores import KNOTS, WIDTHS, Floats

__all__ = ["LARGEST", "Shape", "effect_of", "mean_of"]

LARGEST: Final = 20.0
"""Reference sigmas that an effect is at most said to be; ranks cannot tell larger ones apart."""
STEPS: Final = 16
"""Of bisection: an effect is right to a thousandth."""


class Shape(NamedTuple):
    """What maps effects to mean scores.

    Attributes:
        knots: of the feature.
        table: its standardized score for each bin.
        sigma: standard deviation in the reference for a location; 0 for a scale, whose effect is by how much sigma
            grew, in reference sigmas (1: it doubled; below 0: it fell).
    """

    knots: Floats
    table: Floats
    sigma: float


def mean_of(shape: Shape, effect: float) -> float:
    """Return the mean score under an effect, in excess of that without."""
    return _mean(shape, effect) - _mean(shape, 0.0)


def effect_of(shape: Shape, score: float) -> float:
    """Return the effect under which a feature has this mean score."""
    low, high = (-LARGEST if shape.sigma else -1.0), LARGEST
    wanted = score + _mean(shape, 0.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(shape, middle) < wanted else (low, middle)
    return (low + high) / 2


def _mean(shape: Shape, effect: float) -> float:
    knots, center = shape.knots, shape.knots[KNOTS // 2]
    with np.errstate(over="ignore", invalid="ignore"):  # knots near the largest numbers that there are
        moved = knots + effect * shape.sigma if shape.sigma else center + (1 + effect) * (knots - center)
        middles = (moved[1:] + moved[:-1]) / 2
    return float(shape.table[np.searchsorted(knots, middles)] @ WIDTHS)
