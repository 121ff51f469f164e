"""Slots per regime: what the scores of a reference are like within each regime that its user names.

Who knows the regime of each bar (calm or stormy, session or night) may say so with the reference and with each live
bar. A bar is then compared with those of its own regime, so that a regime that comes back, or stays, is no drift. A
regime with too few bars has no slot of its own: such regimes share one, and where they have too few together as well,
their bars are no evidence. The error of the mean of the smallest slot is what thresholds are made for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from ares_otel.ml.frames import is_missing
from ares_otel.ml.memory import LAST
from ares_otel.ml.scores import BINS, Bins, Flags, Floats
from ares_otel.records import Regime

__all__ = ["ENOUGH_BARS", "NOWHERE", "UNCOUNTED", "Placed", "Places", "Slots", "label_of", "labels_of", "slots_of"]

ENOUGH_BARS: Final = 250
"""Bars of the reference that a slot has at least."""
MOST: Final = 8
"""Slots at most, with the shared one."""
NOWHERE: Final = 255
"""In place of the slot of a bar that has none."""
NARROWEST: Final = 0.5
"""Standard deviation within a slot at least, in terms of that of the reference: columns may stand still in a regime."""

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Counts = np.ndarray[Any, np.dtype[np.uint32]]
UNCOUNTED: Final[Counts] = np.zeros((0, 0, BINS), np.uint32)
"""In place of counts that are not known."""


class Places(msgspec.Struct, frozen=True):
    """Which regime has which slot.

    Attributes:
        labels: the regimes, the most frequent one first.
        slot: of each regime, NOWHERE without one.
        bars: of the reference in each regime.
        visits: how often each regime began.
        shared: the slot of those that share one, None if none do.
    """

    labels: tuple[str, ...]
    slot: tuple[int, ...]
    bars: tuple[int, ...]
    visits: tuple[int, ...]
    shared: int | None

    @property
    def least(self) -> int:
        """Bars of the reference in the smallest slot."""
        sizes: Counter[int] = Counter()
        for slot, bars in zip(self.slot, self.bars, strict=True):
            sizes[slot] += bars
        return min(size for slot, size in sizes.items() if slot != NOWHERE)

    @property
    def note(self) -> str:
        """What has to be known of regimes without a slot of their own; "" if all have one."""
        shared = [label for label, slot in zip(self.labels, self.slot, strict=True) if slot == self.shared]
        nowhere = [label for label, slot in zip(self.labels, self.slot, strict=True) if slot == NOWHERE]
        said = [f"regimes without {ENOUGH_BARS} bars share a slot: {', '.join(shared)}"] if shared else []
        if nowhere:
            said.append(f"regimes without {ENOUGH_BARS} bars are no evidence: {', '.join(nowhere)}")
        return "; ".join(said)


class Slots(NamedTuple):
    """The regimes of a reference.

    Attributes:
        places: which regime has which slot.
        mean: of the values: regimes x columns, NaN where a regime has none. Of a column with two values it is
            the share.
        deviation: standard deviation of the values.
        shift: mean of the standardized scores: slots x scores.
        stretch: their standard deviation.
        recent: slots of the last bars, as a ring.
        counts: values in each bin: slots x columns x BINS; UNCOUNTED in a file of before.
    """

    places: Places
    mean: Floats
    deviation: Floats
    shift: Floats
    stretch: Floats
    recent: Bytes
    counts: Counts


class Placed:
    """Compares the scores of each live bar with its own slot.

    Attributes:
        shift: slots x scores.
        stretch: slots x scores.
        ring: slots of the last bars.
        counts: values of the reference in each bin: slots x columns x BINS; UNCOUNTED in a state of before.
    """

    def __init__(self, shift: Floats, stretch: Floats, ring: Bytes, counts: Counts) -> None:
        self.shift, self.stretch, self.ring, self.counts = shift, stretch, ring, counts
        self._middle, self._width = shift.astype(np.float32), (1 / stretch).astype(np.float32)
        self.unit = stretch.mean(0)

    def put(self, scores: np.ndarray[Any, np.dtype[np.float32]], bar: int, slot: int | None) -> bool:
        """Compare the scores of a bar with its slot, in place; return whether it has one."""
        self.ring[bar % LAST] = NOWHERE if slot is None else slot
        if slot is None:
            return False
        scores -= self._middle[slot]
        scores *= self._width[slot]
        return True

    def means(self, bar: int, score: int) -> Floats:
        """Return what a score is like in the slot of each of the last bars, the oldest first; NaN without a slot."""
        table = np.full(NOWHERE + 1, np.nan)
        table[: len(self.shift)] = self.shift[:, score]
        return table[self.last(bar)]

    def last(self, bar: int) -> Bytes:
        """Return the slots of the last bars, the oldest first; the last is that of `bar`."""
        return np.roll(self.ring, -(bar % LAST) - 1)

    def shares(self, column: int) -> Floats:
        """Return the share of the reference in each bin of a column: slots x BINS; NaN without a value."""
        counts = self.counts[:, column].astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(counts / counts.sum(1, keepdims=True), np.float64)


def label_of(regime: object) -> str:
    """Return a regime as a text: that of a record its name, a whole number the same whatever its type.

    >>> label_of(Regime("bull_trend", 0.9)), label_of(np.float64(2.0)), label_of(2)
    ('bull_trend', '2', '2')
    """
    name = regime.name if isinstance(regime, Regime) else regime
    if isinstance(name, (float, np.floating)) and float(name).is_integer():
        return str(int(name))
    return str(name)


def labels_of(given: Any, bars: int) -> list[str]:
    """Return the regime of each bar as a text; ValueError if there is not one for each."""
    numpy = getattr(given, "to_numpy", None)
    labels: Sequence[Any] = list(np.asarray(numpy() if numpy is not None else given, object))
    if len(labels) != bars:
        raise ValueError(f"{len(labels)} regimes for {bars} bars")
    if any(is_missing(label) for label in labels):
        raise ValueError("each bar of the reference needs a regime")
    return [label_of(label) for label in labels]


def slots_of(labels: list[str], values: Floats, bins: Bins, series: Floats, known: Flags) -> tuple[Slots, Floats]:
    """Return the regimes of a reference, and its series of scores with each bar compared with its slot.

    Args:
        labels: regime of each bar.
        values: bars x columns, NaN where missing.
        bins: their bins: bars x columns.
        series: standardized scores: bars x scores, 0 where missing.
        known: which scores are not missing: bars x scores.
    """
    places = _places(labels)
    number = dict(zip(places.labels, places.slot, strict=True))
    of_bar = np.array([number[label] for label in labels], np.uint8)
    count = len({slot for slot in places.slot if slot != NOWHERE})
    shift, stretch = np.zeros((count, series.shape[1])), np.ones((count, series.shape[1]))
    found = np.zeros_like(series)
    for slot in range(count):
        its = of_bar == slot
        own, there = series[its], known[its]
        present = np.maximum(there.sum(0), 1)
        shift[slot] = own.sum(0) / present
        own = np.where(there, own - shift[slot], 0)
        stretch[slot] = np.maximum(np.sqrt((own**2).sum(0) / present), NARROWEST)
        found[its] = own / stretch[slot]
    names = np.array(labels)
    means = [_moments(values[names == label]) for label in places.labels]
    recent = np.full(LAST, NOWHERE, np.uint8)
    recent[max(0, LAST - len(labels)) :] = of_bar[-LAST:]
    mean, deviation = (np.stack([part[side] for part in means]) for side in (0, 1))
    counts = _counts(of_bar, count, bins, ~np.isnan(values))
    return Slots(places, mean, deviation, shift, stretch, np.roll(recent, 1), counts), found


def _counts(of_bar: Bytes, slots: int, bins: Bins, known: Flags) -> Counts:
    """Return how many of the known values of each slot and column are in each bin."""
    there = known & (of_bar != NOWHERE)[:, None]
    bar, column = np.nonzero(there)
    shape = slots, bins.shape[1], BINS
    place = np.ravel_multi_index((of_bar[bar], column, bins[there]), shape)
    return np.bincount(place, minlength=math.prod(shape)).reshape(shape).astype(np.uint32)


def _places(labels: list[str]) -> Places:
    """Give slots to the most frequent regimes, and one to the others together if they have enough bars."""
    count = Counter(labels)
    visits = Counter(label for label, before in zip(labels, [None, *labels], strict=False) if label != before)
    own = [label for label, bars in count.most_common(MOST - 1) if bars >= ENOUGH_BARS]
    others = [label for label, _ in count.most_common() if label not in own]
    shared = len(own) if sum(count[label] for label in others) >= ENOUGH_BARS else None
    last = NOWHERE if shared is None else shared
    return Places(
        (*own, *others),
        (*range(len(own)), *(last for _ in others)),
        tuple(count[label] for label in (*own, *others)),
        tuple(visits[label] for label in (*own, *others)),
        shared,
    )


def _moments(values: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(values)
    count = known.sum(0)
    mean = np.sum(values, 0, where=known) / np.maximum(count, 1)
    deviation = np.sqrt(np.sum((values - mean) ** 2, 0, where=known) / np.maximum(count, 1))
    return np.where(count > 0, mean, np.nan), np.where(count > 0, deviation, np.nan)
