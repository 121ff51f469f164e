"""Matrix products of a size that BLAS leaves to one thread.

Its threads wait for each other: with other work on the machine that took 20 times as long as the product itself. And
their number decides about the last bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ares_otel.ml.scores import Floats

__all__ = ["gram", "product"]

MOST: Final = 2**17
"""Multiplications at once; OpenBLAS takes more threads from twice as many on."""


def gram(series: Floats) -> Floats:
    """Return the products of each column with each other one, summed over rows."""
    size = max(1, MOST // max(1, series.shape[1] ** 2))
    found = np.zeros((series.shape[1], series.shape[1]))
    for start in range(0, len(series), size):
        part = series[start : start + size]
        found += part.T @ part
    return found


def product(left: Floats, right: Floats) -> Floats:
    """Return left @ right."""
    size = max(1, MOST // max(1, left.shape[1] * right.shape[1]))
    return np.concatenate([left[start : start + size] @ right for start in range(0, len(left), size)])
