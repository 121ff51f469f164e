"""The last bars of each feature beside its reference: shares of both in bins of the reference's quantiles.

Where regimes are named, a bar is compared with those of its own regime, and so it is in the picture: what is shown of
the reference are its bars of the regimes of the window, each as often as there. Bars without a regime are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.memory import LAST, MISSING, Bytes
from ares_otel.ml.regimes import NOWHERE
from ares_otel.ml.scores import BINS, ENDS, Floats, tables_of
from ares_otel.ml.stream import Stream
from ares_otel.semconv.enums import DriftAgainst

__all__ = ["Window", "window_of", "windows"]

SHOWN: Final = (0.0, 0.01, 0.04, *np.linspace(0.1, 0.9, 11), 0.96, 0.99, 1.0)
COARSE: Final = np.array([np.abs(ENDS - rank).argmin() for rank in SHOWN])
"""Knots that bound the bins which are shown: no picture needs all of them."""
FEW: Final = len(COARSE)
TWO: Final = 2


class Window(NamedTuple):
    """A feature's last bars.

    Attributes:
        feature: its name.
        edges: upper ends of the bins, the last infinite; the first bin is for what is below the reference's values.
        expected: share of the reference in each bin.
        observed: share of the window's values.
        n: values in the window that are compared.
        bars: how long it is; those without a value are among them.
        against: what it is held against.
    """

    feature: str
    edges: tuple[float, ...]
    expected: tuple[float, ...]
    observed: tuple[float, ...]
    n: int
    bars: int
    against: DriftAgainst = DriftAgainst.REFERENCE


def windows(stream: Stream, named: Iterable[tuple[int, str]], bars: int) -> tuple[Window, ...]:
    """Return the last bars of some columns; those without a value, and that never moved in the reference, are left out.

    Args:
        stream: has seen them.
        named: columns with their names.
        bars: at most so many, and no more than are remembered.
    """
    length = max(0, min(bars, stream.bar, LAST))
    found = (_window(stream, column, name, length) for column, name in named) if length else ()
    return tuple(each for each in found if each is not None)


def window_of(name: str, before: Floats, now: Floats, against: DriftAgainst) -> Window | None:
    """Return values that are known one by one beside others of before; None where either has none."""
    if not len(before) or not len(now):
        return None
    distinct = np.unique(before)
    edges = np.append(distinct if len(distinct) <= FEW else np.unique(np.quantile(before, SHOWN)), np.inf)
    shares = (
        np.bincount(np.searchsorted(edges, values), minlength=len(edges)) / len(values) for values in (before, now)
    )
    expected, observed = (tuple(each.tolist()) for each in shares)
    return Window(name, tuple(edges.tolist()), expected, observed, len(now), len(now), against)


def _window(stream: Stream, column: int, name: str, length: int) -> Window | None:
    knots = stream.knots[:, column]
    distinct = np.unique(knots[1:])
    bins, shares, against = _beside(stream, column, len(distinct), length)
    counts = np.bincount(bins, minlength=BINS)[:BINS]
    n = int(counts.sum())
    if len(distinct) < TWO or not n:
        return None
    edges = np.append(np.unique(knots if len(distinct) < FEW else knots[COARSE]), np.inf)
    place = np.searchsorted(edges, np.append(knots, np.inf))
    expected = np.bincount(place, shares, len(edges))
    observed = np.bincount(place, counts, len(edges)) / n
    return Window(name, tuple(edges.tolist()), tuple(expected.tolist()), tuple(observed.tolist()), n, length, against)


def _beside(stream: Stream, column: int, distinct: int, length: int) -> tuple[Bytes, Floats, DriftAgainst]:
    """Return the bins of the last bars, the share of the reference in each bin, and what of it that is."""
    bins, placed = stream.memory.last(stream.bar, column)[-length:], stream.placed
    if placed is None or not placed.counts.size:
        return bins, _shares(stream, column, distinct), DriftAgainst.REFERENCE
    table = np.full((NOWHERE + 1, BINS), np.nan)
    table[: len(placed.counts)] = placed.shares(column)
    expected = table[placed.last(stream.bar)[-length:]]
    there = (bins != MISSING) & ~np.isnan(expected[:, 0])
    return bins[there], expected[there].sum(0) / max(there.sum(), 1), DriftAgainst.REGIMES


def _shares(stream: Stream, column: int, distinct: int) -> Floats:
    """Return the share of the reference in each bin: by quantiles, and exactly, by the mean score, of two values."""
    shares = np.concatenate(([0.0], np.diff(ENDS), [0.0]))
    if distinct == TWO:
        knots = stream.knots[:, column]
        upper = int(np.searchsorted(knots, knots[-1]))
        table = tables_of(stream.knots[:, column : column + 1])[0, :, 0]
        share = (float(stream.center[column]) - table[1]) / (table[upper] - table[1])
        shares[:] = 0.0
        shares[1], shares[upper] = 1 - share, share
    return shares
