"""Bounded scores by rank: what a value is worth for its location, its scale and its part in a pair.

A value is placed among the quantiles of its reference; its score depends on its rank F there alone. Means of bounded
scores over a window are nearly Gaussian under heavy tails and clustered volatility, where means of values are not, at
little loss of efficiency (Hájek and Šidák 1967). Scores: tanh(6 (F - 1/2)) for location, |2 F - 1| for scale (Ansari
and Bradley 1960), F - 1/2 for pairs, whose product is Spearman's.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "ENDS", "KNOTS", "LEVELS", "WIDTHS", "Bins", "Flags", "Floats", "bins_of", "knots_of", "tables_of"]

Floats: TypeAlias = NDArray[np.float64]
Bins: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]

LEVELS: Final[Floats] = np.concatenate(
    ([0.005, 0.01, 0.02, 0.04, 0.065], np.linspace(0.1, 0.9, 21), [0.935, 0.96, 0.98, 0.99, 0.995])
)
"""Ranks of the inner knots."""
KNOTS: Final = LEVELS.size + 2
"""Knots of a feature: the least value of its reference, its quantiles at LEVELS, the largest value."""
BINS: Final = KNOTS + 1
"""The first and the last are for values outside the range of the reference."""
STEEPNESS: Final = 6.0


ENDS: Final[Floats] = np.concatenate(([0.0], LEVELS, [1.0]))
"""Ranks of all knots."""
WIDTHS: Final = np.diff(ENDS)


def _continuous() -> Floats:
    """Return the mean scores between knots (rows) of a feature without ties: location, scale, rank."""
    off = ENDS - 0.5
    integrals = (np.log(np.cosh(STEEPNESS * off)) / STEEPNESS, off * np.abs(off), off**2 / 2)
    return np.stack([np.diff(integral) / WIDTHS for integral in integrals], 1)


CONTINUOUS: Final = _continuous()


def knots_of(values: Floats) -> Floats:
    """Return the knots (rows) of each column, NaN left out; a column without any value gets zeros."""
    empty = ~np.isfinite(values).any(0)
    values = np.where(empty, 0.0, values)
    found = np.nanquantile(values, ENDS, axis=0) if np.isnan(values).any() else np.quantile(values, ENDS, axis=0)
    found[0] = np.nextafter(found[0], -np.inf)
    return np.asarray(found, np.float64)


def bins_of(values: Floats, knots: Floats) -> Bins:
    """Return the bin of each value: how many knots of its column are below it."""
    columns = [np.searchsorted(knots[:, column], values[:, column]) for column in range(values.shape[1])]
    return np.stack(columns, 1) if columns else np.zeros(values.shape, np.intp)


def tables_of(knots: Floats) -> Floats:
    """Return the scores of each bin: columns x BINS x (location, scale, rank).

    A value that many bars share fills several of the knots; it gets the mean of what it stands for, its middle rank.
    """
    tables = np.repeat(CONTINUOUS[None], knots.shape[1], 0)
    inner, largest = knots[1:-1], knots[-1]
    for column in np.flatnonzero((np.diff(inner, axis=0) <= 0).any(0) | (inner[-1] >= largest)):
        _join_ties(tables[column], np.append(inner[:, column], largest[column]))
    return np.concatenate((tables[:, :1], tables, tables[:, -1:]), 1)


def _join_ties(table: Floats, knots: Floats) -> None:
    """Give the bin that holds a value with several knots the mean of all the bins that these knots bound."""
    first = 0
    for last in range(len(knots)):
        if last + 1 < len(knots) and knots[last + 1] <= knots[first]:
            continue
        if last > first:
            table[first] = WIDTHS[first : last + 1] @ table[first : last + 1] / WIDTHS[first : last + 1].sum()
        first = last + 1
