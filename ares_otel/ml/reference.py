"""What features looked like when a model was trained, as far as a monitor has to know it.

A reference keeps quantiles, moments and spectra of scores, and no bar of the data. It is written as a file of arrays
with a header in JSON and a hash over both (`ml/archive.py`), and says what it was made of and when.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ares_otel.ml import archive
from ares_otel.ml.frames import Column, Table, table_of
from ares_otel.ml.memory import MISSING, Bytes, recent_of
from ares_otel.ml.products import gram, product
from ares_otel.ml.regimes import UNCOUNTED, Places, Slots, labels_of, slots_of
from ares_otel.ml.scores import Bins, Flags, Floats, bins_of, knots_of, tables_of
from ares_otel.ml.seasons import Seasons, seasons_of
from ares_otel.ml.spectra import EVIDENT, Terms, Waves, posterior_of, terms_of, waves_of
from ares_otel.ml.weights import FORGOTTEN, Weights, lagged, signal_of, weighted, weights_of

__all__ = ["FAST", "LEAST", "QUICK", "Made", "Reference", "Run", "Scored", "checked", "made_reference", "standardized"]

LEAST: Final = 500
"""Bars that a reference has at least."""
FAST: Final = 0.4
"""Autocorrelation from one bar to the next below which a score is fast."""
QUICK: Final = 0.75
"""The same, up to which a score is no smoothed one, so that it may tell of regimes."""
DEPENDENT: Final = 0.3
"""Least rank correlation, without its sign, of a pair that is watched."""
SAME: Final = 0.98
"""Above it two columns say the same."""
MOST_PAIRS: Final = 10
WINDOWS: Final = (64, 128, 512)
"""Bars of memory of the moving averages."""
OF: Final = "ares_otel drift reference"
VERSION: Final = 2
OLDEST: Final = 1
"""Of the versions that are read: it has no weights."""


class Made(msgspec.Struct, frozen=True):
    """Where a reference comes from.

    Attributes:
        names: of the columns, in order.
        binary: whether each column is a share: 0 or 1, or one category of a feature.
        bars: how many were given.
        first: time of the first bar, Unix ns; None without times.
        last: time of the last bar.
        made: when the reference was made, Unix ns.
    """

    names: tuple[str, ...]
    binary: tuple[bool, ...]
    bars: int
    first: int | None
    last: int | None
    made: int


class Scored(NamedTuple):
    """The scores of a reference: location of each column, scale of each column, then pairs.

    Attributes:
        knots: KNOTS x columns.
        center: mean of each score.
        spread: standard deviation of each score; infinite where a column never moved, so that its scores are 0.
        pairs: columns of each pair: pairs x 2.
        lag: autocorrelation of each score from one bar to the next.
        positive: which columns are never negative, so that they may follow volatility.
        present: share of bars at which a column had a value.
        low: least value of each column, infinite without any.
        high: largest value, -infinite without any.
        mean: of the values.
        deviation: standard deviation of the values.
        rarer: share of bars that a column with two values has the rarer of them.
        longest: for how many bars in a row each column did not change, at most.
    """

    knots: Floats
    center: Floats
    spread: Floats
    pairs: Bins
    lag: Floats
    positive: Flags
    present: Floats
    low: Floats
    high: Floats
    mean: Floats
    deviation: Floats
    rarer: Floats
    longest: Floats


class Run(NamedTuple):
    """Where the statistics of a reference went: scores x windows.

    Attributes:
        average: moving averages at its end.
        square: moving averages of squares at its end.
        highest: largest squared statistic within.
    """

    average: Floats
    square: Floats
    highest: Floats


class Reference(NamedTuple):
    """All that a monitor is made of.

    Attributes:
        made: where it comes from.
        source: the features as they were given.
        scored: the scores.
        waves: what of their periodogram is used.
        related: correlation of each score with each other one, without sign.
        run: where the statistics went.
        recent: bins of its last bars, MISSING where there was no value.
        windows: of the moving averages, in bars.
        seasons: what columns are like by hour and day; None without times.
        slots: what scores are like by regime; None without regimes.
        weights: what bars count for locations; None where all count the same.
    """

    made: Made
    source: tuple[Column, ...]
    scored: Scored
    waves: Waves
    related: Floats
    run: Run
    recent: Bytes
    windows: tuple[int, ...]
    seasons: Seasons | None = None
    slots: Slots | None = None
    weights: Weights | None = None

    @classmethod
    def of(
        cls, data: object, names: Sequence[str] | None = None, times: object = None, regimes: object = None
    ) -> Reference:
        """Learn a reference.

        Args:
            data: at least 500 bars: an array (bars x features), NaN where missing, a frame of pandas or polars, or a
                mapping of columns. A column of texts is watched by its categories.
            names: of the features, in order: which columns of a frame, or what those of an array are called; else those
                of the frame, else f0, f1, …
            times: of the bars, in their order; else the index of a pandas frame, if it has times.
            regimes: the regime of each bar, by any name or number, of those who know it and will say it of each live
                bar: bars are then compared with those of their own regime.

        Raises:
            TypeError, ValueError: what is wrong with it, in words.
        """
        table = checked(data, names, times)
        return cls.learned(table, None if regimes is None else labels_of(regimes, len(table.values)))

    @classmethod
    def learned(cls, table: Table, labels: list[str] | None = None) -> Reference:
        """Learn a reference from what `checked` has found to be one, and from the regimes of its bars."""
        bars = len(table.values)
        first, last = (None, None) if table.times is None else (int(table.times[0]), int(table.times[-1]))
        made = Made(table.names, table.binary, bars, first, last, time.time_ns())
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest that there are
            learned = made_reference(table.values, made, table.columns, labels)
        return learned._replace(seasons=seasons_of(table.values, table.times))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, to be read by `load` years later; OSError if that fails."""
        arrays = {
            **{f"scored_{name}": array for name, array in self.scored._asdict().items()},
            **{f"run_{name}": array for name, array in self.run._asdict().items()},
            "waves_fit": self.waves.fit,
            "waves_fast": self.waves.fast,
            "related": self.related,
            "recent": self.recent,
            **{f"seasons_{name}": array for name, array in (self.seasons._asdict() if self.seasons else {}).items()},
            **{f"slots_{name}": getattr(self.slots, name) for name in (Slots._fields[1:] if self.slots else ())},
            **{f"weights_{name}": array for name, array in (self.weights._asdict() if self.weights else {}).items()},
        }
        places = self.slots.places if self.slots else None
        archive.write(path, OF, VERSION, _Facts(self.made, self.source, self.windows, places), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Return the reference that was written; `archive.ArchiveError`, a ValueError, if a file is none."""
        facts, arrays = archive.read(path, OF, VERSION, _Facts, OLDEST)
        slots = {"slots_counts": UNCOUNTED, **arrays}
        return cls(
            facts.made,
            facts.source,
            Scored(*(arrays[f"scored_{field}"] for field in Scored._fields)),
            Waves(arrays["waves_fit"], arrays["waves_fast"], facts.made.bars),
            arrays["related"],
            Run(*(arrays[f"run_{field}"] for field in Run._fields)),
            arrays["recent"],
            facts.windows,
            Seasons(*(arrays[f"seasons_{name}"] for name in Seasons._fields)) if facts.made.first is not None else None,
            Slots(facts.places, *(slots[f"slots_{name}"] for name in Slots._fields[1:])) if facts.places else None,
            Weights(*(arrays[f"weights_{name}"] for name in Weights._fields)) if "weights_column" in arrays else None,
        )

    @property
    def least(self) -> int:
        """Bars that a live one is compared with, at least: those of the smallest slot."""
        return self.slots.places.least if self.slots else self.made.bars

    @property
    def enough_present(self) -> float:
        """Share of bars that a column has to have a value at."""
        return min(1.0, LEAST / self.made.bars)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.made.names)


def checked(data: object, names: Sequence[str] | None = None, times: object = None) -> Table:
    """Return the data of a reference, copied, without learning anything of it yet; see `Reference.of`."""
    table = table_of(data, names, times)
    if len(table.values) < LEAST:
        raise ValueError(f"a reference has at least {LEAST} bars, not {len(table.values)}")
    return table


def standardized(knots: Floats, center: Floats, spread: Floats) -> Floats:
    """Return the scores of each bin: columns x BINS x (location, scale: standardized; rank: as it is)."""
    tables, columns = tables_of(knots), knots.shape[1]
    for part in (0, 1):
        its = slice(part * columns, (part + 1) * columns)
        tables[:, :, part] = (tables[:, :, part] - center[its, None]) / spread[its, None]
    return tables


class _Facts(msgspec.Struct):
    """What of a reference is no array."""

    made: Made
    source: tuple[Column, ...]
    windows: tuple[int, ...]
    places: Places | None = None


def made_reference(
    values: Floats, made: Made, source: tuple[Column, ...], labels: list[str] | None = None
) -> Reference:
    """Learn a reference from values (bars x columns), NaN where they are missing, and the regimes of bars."""
    knots = knots_of(values)
    bins = bins_of(values, knots)
    scored, series = _scored(values, knots, bins, np.array(made.binary, np.bool_))
    slots, weights = None, None
    if labels is not None:
        slots, series = slots_of(labels, values, bins, series, _known(values, scored.pairs))
    windows = tuple(window for window in WINDOWS if window <= 0.6 * len(values))
    terms = terms_of(len(values), windows)
    waves = waves_of(series, terms)
    if labels is None and not _regimes_are_evident(scored, waves, terms):
        weights, series = _weighted(scored, series, np.where(np.isnan(values), MISSING, bins), made)
    if weights is not None:
        again = waves_of(series[:, weights.column], terms)
        waves.fit[weights.column], waves.fast[weights.column] = again.fit, again.fast
    related = np.abs(gram(series) / len(values))
    run = _run(series, np.array(windows, np.float64))
    recent = recent_of(bins, np.isnan(values))
    return Reference(made, source, scored, waves, related, run, recent, windows, None, slots, weights)


def _regimes_are_evident(scored: Scored, waves: Waves, terms: Terms) -> bool:
    """Return whether there are regimes of volatility, whose means may differ: bars then count the same."""
    columns = len(scored.positive)
    volatile = np.arange(len(scored.lag)) // columns == 1
    volatile[:columns] = scored.positive
    factor = posterior_of(waves, terms, np.full(len(volatile), 0.5)).factor
    return bool((volatile & (scored.lag < QUICK) & (factor > EVIDENT)).any())


def _weighted(scored: Scored, series: Floats, bins: Bins, made: Made) -> tuple[Weights | None, Floats]:
    """Learn what bars count for locations; return it with the series of scores in which they count that."""
    columns = len(made.names)
    moves = np.isfinite(scored.spread[:columns]) & ~np.array(made.binary, np.bool_)
    may = moves & ~scored.positive & (np.abs(scored.lag[:columns]) < FORGOTTEN)
    if not (may.any() and (moves & scored.positive).any()):
        return None, series
    far = product(series[:, columns : 2 * columns].T, series[:, :columns]) / len(series)
    tables = standardized(scored.knots, scored.center, scored.spread)[:, :, 0]
    signal = np.stack([signal_of(*each) for each in zip(scored.knots.T, tables, scored.deviation, strict=True)])
    missing, told = bins == MISSING, lagged(bins)
    location = np.where(missing, np.nan, series[:, :columns] * scored.present)
    moved = signal[np.arange(columns), np.where(missing, 0, bins)]
    weights = weights_of(location, moved, told, np.where(may[:, None] & moves & scored.positive, far, 0))
    if weights is None:
        return None, series
    found = np.nan_to_num(weighted(weights, location, told)) / scored.present
    return weights, np.concatenate((found, series[:, columns:]), 1)


def _known(values: Floats, pairs: Bins) -> Flags:
    """Return which scores are not missing: bars x scores."""
    known = ~np.isnan(values)
    return np.concatenate((known, known, known[:, pairs[:, 0]] & known[:, pairs[:, 1]]), 1)


def _scored(values: Floats, knots: Floats, bins: Bins, binary: Flags) -> tuple[Scored, Floats]:
    """Return the scores and their standardized series (bars x scores)."""
    missing = np.isnan(values)
    columns = values.shape[1]
    low, high = np.min(values, 0, initial=np.inf, where=~missing), np.max(values, 0, initial=-np.inf, where=~missing)
    scores = tables_of(knots)[np.arange(columns), bins]
    count = np.maximum((~missing).sum(0), 1)[:, None]
    scores[missing] = 0
    center = scores.sum(0) / count
    scores -= center
    scores[missing] = 0
    spread = np.sqrt((scores**2).sum(0) / count)
    spread[~(low < high)] = np.inf
    spread[binary, 1] = np.inf
    present = count[:, 0] / len(values)
    parts = scores[:, :, :2] / (spread[:, :2] + 1e-9) / present[:, None]  # a gap must not look like stability
    series = parts.transpose(0, 2, 1).reshape(len(values), -1)
    lag = (series[1:] * series[:-1]).mean(0)
    slow = (lag[:columns] >= FAST) | (low >= 0) | binary
    pairs = _pairs(scores[:, :, 2] / (spread[:, 2] + 1e-9), slow)
    ranks = np.where(missing[:, :, None], 0, scores + center)[:, :, 2]
    both = ranks[:, pairs[:, 0]] * ranks[:, pairs[:, 1]]
    middle, width = both.mean(0), both.std(0) + 1e-9
    both = (both - middle) / width
    scored = Scored(
        knots,
        np.concatenate((center[:, 0], center[:, 1], middle)),
        np.concatenate((spread[:, 0], spread[:, 1], width)) + 1e-9,
        pairs,
        np.concatenate((lag, (both[1:] * both[:-1]).mean(0))),
        (low >= 0) & ~binary,
        present,
        low,
        high,
        *_moments(values, missing, count[:, 0]),
        _rarer(values, high, count[:, 0]),
        _longest(values),
    )
    return scored, np.concatenate((series, both), 1)


def _moments(values: Floats, missing: Flags, count: Floats) -> tuple[Floats, Floats]:
    mean = np.sum(values, 0, where=~missing) / count
    return mean, np.sqrt(np.sum((values - mean) ** 2, 0, where=~missing) / count)


def _rarer(values: Floats, high: Floats, count: Floats) -> Floats:
    upper = (values == high).sum(0) / count
    return np.asarray(np.minimum(upper, 1 - upper), np.float64)


def _longest(values: Floats) -> Floats:
    """Return for how many bars in a row each column did not change, at most."""
    changed = np.ones((len(values) + 1, values.shape[1]), np.bool_)
    changed[1:-1] = values[1:] != values[:-1]
    ends = [np.flatnonzero(column) for column in changed.T]
    return np.array([np.diff(end).max() - 1 for end in ends], np.float64)


def _pairs(ranks: Floats, slow: Flags) -> Bins:
    """Return the columns of the most dependent pairs of fast columns with both signs."""
    strength = np.abs(gram(ranks)) / len(ranks)
    strength[slow] = strength[:, slow] = 0
    strength = np.triu(strength, 1)
    strength[(strength < DEPENDENT) | (strength >= SAME)] = 0
    order = np.argsort(-strength, axis=None, kind="stable")[:MOST_PAIRS]
    found = np.stack(np.unravel_index(order, strength.shape), 1)
    return found[strength[found[:, 0], found[:, 1]] > 0]


def _run(series: Floats, windows: Floats) -> Run:
    """Let the statistics run through a reference."""
    rate = 2 / (windows + 1)
    average = np.zeros((series.shape[1], len(windows)))
    square, highest = np.ones_like(average), np.zeros_like(average)
    for scores in series:
        now = scores[:, None]
        average += rate * (now - average)
        square += rate * (now * now - square)
        np.maximum(highest, average * average / np.maximum(1, square), out=highest)
    return Run(average, square, highest)
