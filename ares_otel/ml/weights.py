"""Weights of location scores: a bar counts for more the calmer its market has been.

The mean of returns is known best from calm bars, where a shift is large beside the noise. How calm a bar will be, is
told before it: by the last two bars, and by those one and two days of hours before it, of a column that is never
negative (a range, a size, a volume). Bars themselves may not tell: a shift moves their range, too, and what seems to be
gained by that is lost where the shift is in the path within bars. Which column tells most and how much less bars count
is learned: by the square of what a shift moves the mean score, divided by the variance of that score.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ares_otel.ml.memory import LAST, MISSING, Bytes
from ares_otel.ml.scores import BINS, WIDTHS, Bins, Floats

__all__ = ["FORGOTTEN", "Weighed", "Weights", "lagged", "signal_of", "weighted", "weights_of"]

LAGS: Final = np.array([1, 2, 24, 48])
"""Bars before a bar that tell what it counts."""
PARTS: Final[Floats] = np.array([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
"""How much each of them tells, without and with a daily season of hours."""
STEEPNESS: Final[Floats] = np.arange(0.0, 5.1, 0.5)
"""How much less bars count: by exp(-this) from the calmest to the wildest."""
RELATED: Final = 0.1
"""Least correlation of how far a column is from its middle with what tells of that."""
ASKED: Final = 2
"""Columns that are tried for each: those most related."""
FORGOTTEN: Final = 0.15
"""Autocorrelation of a location score from one bar to the next up to which it may be weighted."""
WORTH_IT: Final = 1.02
"""Gain of information, as a factor of the number of bars, from which on weights are used."""
SHIFT: Final = 0.15
"""Shift by which information is measured, in standard deviations."""
RANKS: Final[Floats] = np.full(MISSING + 1, 0.5)
"""Middle rank of each bin; of a missing value that of the middle."""
RANKS[:BINS] = np.concatenate(([0.0], np.cumsum(WIDTHS) - WIDTHS / 2, [1.0]))


class Weights(NamedTuple):
    """What bars count for the location of some columns.

    Attributes:
        column: those columns.
        source: of each the column that tells what a bar counts.
        part: by how much the logarithm of what it counts falls from the lowest to the highest rank of the source at
            each of LAGS: lags x columns.
        scale: of the weighted score, so that its standard deviation is 1.
        middle: mean of the weighted score in the reference.
        unit: standardized score without weights that a weighted one of 1 stands for.
    """

    column: Bins
    source: Bins
    part: Floats
    scale: Floats
    middle: Floats
    unit: Floats


class Weighed:
    """Weights the scores of each live bar.

    Attributes:
        weights: what bars count.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._place = {column: place for place, column in enumerate(weights.column.tolist())}
        self._ranks, self._part = RANKS.astype(np.float32), -weights.part.astype(np.float32)
        self._scale, self._middle = weights.scale.astype(np.float32), weights.middle.astype(np.float32)
        self._lags = LAGS[:, None]

    def put(self, scores: np.ndarray[Any, np.dtype[np.float32]], ring: Bytes, bar: int) -> None:
        """Weight the location scores of a bar, in place; `ring` holds the bins of those before."""
        weights = self.weights
        told = self._ranks.take(ring[(bar - self._lags) % LAST, weights.source])
        told *= self._part
        counts = np.add.reduce(told, 0)
        np.exp(counts, out=counts)
        counts *= self._scale
        counts *= scores[weights.column]
        counts -= self._middle
        scores[weights.column] = counts

    def unit(self, score: int) -> float:
        """Return the standardized score without weights that a score of 1 stands for."""
        place = self._place.get(score)
        return 1.0 if place is None else float(self.weights.unit[place])


def weighted(weights: Weights, location: Floats, told: Floats) -> Floats:
    """Return location scores (bars x columns), weighted where they are; see `lagged` for what is told."""
    found = location.copy()
    counts = np.exp(-np.einsum("lbc,lc->bc", told[:, :, weights.source], weights.part))
    found[:, weights.column] = location[:, weights.column] * counts * weights.scale - weights.middle
    return found


def lagged(bins: Bins | Bytes, before: Bytes | None = None) -> Floats:
    """Return the ranks that columns had before each bar: lags x bars x columns.

    Args:
        bins: bars x columns, MISSING where there is no value.
        before: of bars before them; None if there are none.
    """
    most = int(LAGS.max())
    early = np.full((most, bins.shape[1]), MISSING) if before is None else before[-most:]
    ranks = RANKS[np.concatenate((early, bins))]
    return np.stack([ranks[most - lag : len(ranks) - lag] for lag in LAGS])


def signal_of(knots: Floats, table: Floats, deviation: float) -> Floats:
    """Return by how much the score of each bin moves when its values do, on average over both directions."""
    middle, shift = (knots[1:] + knots[:-1]) / 2, SHIFT * deviation
    up, down = (np.interp(middle + side * shift, middle, table[1:-1]) for side in (1, -1))
    return np.concatenate(([0.0], (up - down) / 2, [0.0]))


def weights_of(location: Floats, moved: Floats, told: Floats, far: Floats) -> Weights | None:
    """Learn which columns get weights; None if none do.

    Args:
        location: standardized scores, NaN where missing: bars x columns.
        moved: by how much a shift moves each of them.
        told: ranks of the bars before: lags x bars x columns.
        far: correlation of how far a column is from its middle with others that may tell of that: columns x columns.
    """
    learned: list[_Learned] = []
    for column in np.flatnonzero(far.max(1) > RELATED).tolist():
        known = np.isfinite(location[:, column])
        own, its = location[known, column], moved[known, column]
        sources = [source for source in np.argsort(-far[column])[:ASKED].tolist() if far[column, source] > RELATED]
        best = max(_best(source, told[:, known, source], own, its) for source in sources)
        if best.gain >= WORTH_IT:
            learned.append(_learned(column, best, told[:, known, best.source], own, its))
    if not learned:
        return None
    columns, told_by, part, *others = (np.array(each) for each in zip(*learned, strict=True))
    return Weights(columns, told_by, part.T, *others)


class _Best(NamedTuple):
    """By how much information grows with a source, and with which of PARTS and how steeply that is most."""

    gain: float
    source: int
    kind: int
    steepness: float


def _best(source: int, told: Floats, own: Floats, moved: Floats) -> _Best:
    found = []
    for kind, part in enumerate(PARTS):
        level = part @ told
        for steepness in STEEPNESS.tolist():
            counts = np.exp(-steepness * level)
            found.append((float((counts @ moved) ** 2 / (counts**2 @ own**2 + 1e-12)), kind, steepness))
    most, kind, steepness = max(found)
    return _Best(most / max(found[0][0], 1e-12), source, kind, steepness)


_Learned = tuple[int, int, Floats, float, float, float]
"""One column's part of `Weights`."""


def _learned(column: int, best: _Best, told: Floats, own: Floats, moved: Floats) -> _Learned:
    part = best.steepness * PARTS[best.kind]
    counts = np.exp(-part @ told)
    score = counts * own
    spread = float(score.std()) + 1e-9
    unit = float(moved.mean() * spread / (counts @ moved / len(moved)))
    return column, best.source, part, 1 / spread, float(score.mean()) / spread, unit
