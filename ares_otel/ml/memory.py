"""The last bars, as the bins of their values: what a change point is estimated from, and what a window looks like."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ares_otel.ml.scores import BINS, Bins, Flags, Floats

__all__ = ["LAST", "MISSING", "Memory", "change_of", "no_times", "recent_of"]

LAST: Final = 512
"""Bars that are remembered."""
STRIDE: Final = 8
"""Every so many bars a time is kept."""
MISSING: Final = 255
NEWEST: Final = 4
"""A change is not placed within the last bars, where a single value would decide."""

Bytes: TypeAlias = NDArray[np.uint8]
Times: TypeAlias = NDArray[np.int64]
NEVER: Final = np.iinfo(np.int64).min


class Memory:
    """A ring of bins.

    Attributes:
        ring: bars x columns.
        times: Unix ns of the first and every STRIDE-th bar; NEVER if it had none.
    """

    def __init__(self, ring: Bytes, times: Times) -> None:
        self.ring, self.times = ring, times

    def put(self, bar: int, bins: Bytes, at: int | None) -> None:
        """Remember a bar."""
        self.ring[bar % LAST] = bins
        if bar % STRIDE == 0 or bar == 1:  # the first bar stands for those before the first stride
            self.times[bar // STRIDE % len(self.times)] = NEVER if at is None else at

    def last(self, bar: int, column: int) -> Bytes:
        """Return the bins of a column, the oldest first; the last is that of `bar`."""
        return np.roll(self.ring[:, column], -(bar % LAST) - 1)

    def time(self, bar: int, now: int) -> int | None:
        """Return the time of the last bar not after `bar` of which one is kept."""
        kept = len(self.times)
        if bar < 1 or bar // STRIDE <= now // STRIDE - kept:
            return None
        found = int(self.times[bar // STRIDE % kept])
        return None if found == NEVER else found

    def counts(self, column: int) -> Bins:
        """Return how often each bin occurred among the remembered bars."""
        return np.asarray(np.bincount(self.ring[:, column], minlength=MISSING + 1)[:BINS], np.intp)

    def share(self, codes: tuple[int, ...]) -> Floats:
        """Return, for each column, the share of the remembered bars that had one of some bins."""
        return np.asarray(np.isin(self.ring, codes).mean(0), np.float64)


def no_times() -> Times:
    """Return the times of a ring without any: one more than it has strides, for its oldest bar is within one."""
    return np.full(LAST // STRIDE + 1, NEVER, np.int64)


def recent_of(bins: Bins, missing: Flags) -> Bytes:
    """Return the ring of a reference's last bars: its last one is bar 0, so that bar 1 comes after it."""
    ring = np.full((LAST, bins.shape[1]), MISSING, np.uint8)
    last = np.where(missing, MISSING, bins)[-LAST:]
    ring[LAST - len(last) :] = last
    return np.roll(ring, 1, 0)


def change_of(scores: Floats) -> int:
    """Return for how many of the last bars a score has been away from 0, by the likelihood of a shifted mean."""
    sums = np.cumsum(scores[::-1])
    length = np.arange(1, len(scores) + 1)
    likelihood = sums**2 / length
    likelihood[:NEWEST] = 0
    return int(length[np.argmax(likelihood)])
