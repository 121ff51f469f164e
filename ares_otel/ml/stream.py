"""The statistics of all tests, bar after bar: one pass over small arrays, whatever the number of bars."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ares_otel.ml.memory import MISSING, Memory, no_times
from ares_otel.ml.plan import Plan
from ares_otel.ml.reference import Reference, standardized
from ares_otel.ml.regimes import UNCOUNTED, Placed
from ares_otel.ml.scores import BINS, KNOTS, Flags, Floats
from ares_otel.ml.weights import Weighed, Weights

__all__ = ["Stream"]

PARTS: Final = (
    "knots",
    "center",
    "spread",
    "deviation",
    "pairs",
    "score",
    "window",
    "threshold",
    "average",
    "square",
    "runs",
    "infinite",
    "last",
)
RING: Final = ("ring", "times")
SLOTS: Final = ("shift", "stretch", "slots", "counts")
"""There only with regimes; the last one is not in a state of before."""
WEIGHTS: Final = tuple(f"weights_{name}" for name in Weights._fields)
"""There only where bars count more or less."""

Array = np.ndarray[Any, np.dtype[Any]]


class Stream:
    """Moving averages of scores and of their squares.

    Attributes:
        knots: KNOTS x columns.
        deviation: standard deviation of each column in the reference.
        score: of each test.
        window: of each test, in bars.
        threshold: of each test, squared.
        average: moving average of each test.
        square: moving average of the square.
        infinite: how often each column was infinite.
        runs: for how many bars each column has not changed.
        last: the last numbers.
        memory: the last bars.
        placed: compares bars with their regime; None without regimes.
        weighed: weights bars; None where all count the same.
        bar: how many bars were seen.
    """

    def __init__(self, arrays: dict[str, Array], bar: int = 0) -> None:
        self.knots, self.center, self.spread = arrays["knots"], arrays["center"], arrays["spread"]
        self.deviation = arrays["deviation"]
        self.pairs, self.score, self.window = arrays["pairs"], arrays["score"], arrays["window"]
        self.threshold, self.average, self.square = arrays["threshold"], arrays["average"], arrays["square"]
        self.runs, self.infinite, self.last = arrays["runs"], arrays["infinite"], arrays["last"]
        self.memory = Memory(arrays["ring"], arrays["times"])
        slots = {"counts": UNCOUNTED, **arrays}
        self.placed = Placed(*(slots[name] for name in SLOTS)) if SLOTS[0] in arrays else None
        self.weighed = Weighed(Weights(*(arrays[name] for name in WEIGHTS))) if WEIGHTS[0] in arrays else None
        self.bar = bar
        self._prepare()

    @classmethod
    def of(cls, reference: Reference, plan: Plan) -> Stream:
        """Begin where a reference ends."""
        scored, run, test = reference.scored, reference.run, (plan.score, plan.window)
        columns = reference.columns
        arrays: dict[str, Array] = {
            "knots": scored.knots,
            "center": scored.center,
            "spread": scored.spread,
            "deviation": scored.deviation,
            "pairs": scored.pairs,
            "score": plan.score,
            "window": np.array(reference.windows, np.int64)[plan.window],
            "threshold": plan.threshold,
            "average": run.average[test],
            "square": run.square[test],
            "runs": np.zeros(columns, np.int64),
            "infinite": np.zeros(columns, np.int64),
            "last": np.full(columns, np.nan),
            "ring": reference.recent.copy(),
            "times": no_times(),
        }
        if reference.slots is not None:
            slots = reference.slots
            arrays.update(zip(SLOTS, (slots.shift, slots.stretch, slots.recent.copy(), slots.counts), strict=True))
        if reference.weights is not None:
            arrays.update(zip(WEIGHTS, reference.weights, strict=True))
        return cls(arrays)

    def arrays(self) -> dict[str, Array]:
        """Return all that has to be kept to go on."""
        placed = self.placed
        kept = () if placed is None else (placed.shift, placed.stretch, placed.ring, placed.counts)
        slots = () if placed is None else zip(SLOTS, kept, strict=True)
        own, ring = {name: getattr(self, name) for name in PARTS}, {name: getattr(self.memory, name) for name in RING}
        weights = () if self.weighed is None else zip(WEIGHTS, self.weighed.weights, strict=True)
        return {**own, **ring, **dict(slots), **dict(weights)}

    def _prepare(self) -> None:
        columns = self.knots.shape[1]
        tables = standardized(self.knots, self.center, self.spread)
        self._location, self._scale = (np.ascontiguousarray(tables[:, :, part], np.float32).ravel() for part in (0, 1))
        paired = np.unique(self.pairs)
        self._rank = np.ascontiguousarray(tables[paired, :, 2], np.float32).ravel()
        self._first = np.searchsorted(paired, self.pairs[:, 0])
        self._second = np.searchsorted(paired, self.pairs[:, 1])
        self._paired, self._base = paired, np.arange(columns) * BINS
        self._paired_base = np.arange(len(paired)) * BINS
        self._middle = self.center[2 * columns :].astype(np.float32)
        self._width = (1 / self.spread[2 * columns :]).astype(np.float32)
        self._rate = 2 / (self.window + 1.0)
        self._inverse = 1 / self.threshold
        self._above = np.empty((KNOTS, columns), np.bool_)
        self._bytes = self._above.view(np.uint8)
        self._bins = np.empty(columns, np.uint8)
        self._at = np.empty(columns, np.intp)
        self._scores = np.empty(len(self.center), np.float32)
        self._same = np.empty(columns, np.bool_)
        self._step, self._now = np.empty(len(self.score)), np.empty(len(self.score))

    def put(self, row: Floats, at: int | None, slot: int | None = None) -> Floats:
        """Take the numbers of a bar; return for each test the square of its evidence, valid until the next bar.

        Args:
            row: the numbers.
            at: its time.
            slot: of its regime; None without one, which is no evidence where the reference has regimes.
        """
        np.greater(row, self.knots, out=self._above)
        np.add.reduce(self._bytes, axis=0, dtype=np.uint8, out=self._bins)
        np.add(self._base, self._bins, out=self._at)
        scores, columns = self._scores, len(self._base)
        self._location.take(self._at, out=scores[:columns], mode="clip")
        self._scale.take(self._at, out=scores[columns : 2 * columns], mode="clip")
        if len(self._first):
            ranks = self._rank.take(self._paired_base + self._bins[self._paired])
            both = ranks[self._first]
            both *= ranks[self._second]
            both -= self._middle
            np.multiply(both, self._width, out=scores[2 * columns :])
        if self.weighed is not None:
            self.weighed.put(scores, self.memory.ring, self.bar + 1)
        is_placed = self.placed is None or self.placed.put(scores, self.bar + 1, slot)
        now, step = self._now, self._step
        now[:] = scores[self.score]
        np.isfinite(row, out=self._same)
        gone = None if is_placed and self._same.all() else self._missing(row, is_placed)
        kept = None if gone is None else self.square[gone]
        self._remember(row, at)
        np.subtract(now, self.average, out=step)
        step *= self._rate
        self.average += step
        now *= now
        now -= self.square
        now *= self._rate
        self.square += now
        if gone is not None:
            self.square[gone] = kept
        np.multiply(self.average, self.average, out=step)
        np.maximum(self.square, 1, out=now)
        step /= now
        step *= self._inverse
        return step

    def table(self, score: int) -> Floats:
        """Return a score of location or scale for each bin."""
        tables = self._location if score < len(self._base) else self._scale
        start = score % len(self._base) * BINS
        return tables[start : start + BINS].astype(np.float64)

    def unit(self, score: int) -> float:
        """Return what a score of 1 is in terms of one without regimes and weights."""
        if self.weighed is not None:
            return self.weighed.unit(score)
        return 1.0 if self.placed is None else float(self.placed.unit[score])

    def scores(self, score: int) -> Floats:
        """Return a score without weights at each of the last bars, the oldest first; 0 where it is missing."""
        columns = len(self._base)
        found = self._alone(score) if score < 2 * columns else self._both(score - 2 * columns)
        if self.placed is not None:
            found = found - self.placed.means(self.bar, score)
        return np.where(np.isnan(found), 0, found)

    def _alone(self, score: int) -> Floats:
        table = np.append(self.table(score), np.full(MISSING + 1 - BINS, np.nan))
        return table[self.memory.last(self.bar, score % len(self._base))]

    def _both(self, pair: int) -> Floats:
        first, second = (
            self._ranks(place, self.pairs[pair, side])
            for side, place in enumerate((self._first[pair], self._second[pair]))
        )
        return np.asarray((first * second - self._middle[pair]) * self._width[pair], np.float64)

    def _ranks(self, place: int, column: int) -> Floats:
        table = self._rank[place * BINS : (place + 1) * BINS].astype(np.float64)
        return np.append(table, np.full(MISSING + 1 - BINS, np.nan))[self.memory.last(self.bar, column)]

    def _missing(self, row: Floats, is_placed: bool) -> Flags:  # noqa: FBT001  (an attribute of the bar)
        """Leave the averages of what is missing as they are: no value is no evidence, in neither direction."""
        missing = ~np.isfinite(row)
        self._bins[missing] = MISSING
        self.infinite += np.isinf(row)
        pairs = missing[self.pairs[:, 0]] | missing[self.pairs[:, 1]]
        gone = np.asarray(np.concatenate((missing, missing, pairs))[self.score] | (not is_placed), np.bool_)
        self._now[gone] = self.average[gone]
        return gone

    def _remember(self, row: Floats, at: int | None) -> None:
        self.bar += 1
        np.equal(row, self.last, out=self._same)
        self.runs += 1
        self.runs *= self._same
        self.last[:] = row
        self.memory.put(self.bar, self._bins, at)
