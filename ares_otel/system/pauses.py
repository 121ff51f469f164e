"""How long the garbage collector stops everything."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from time import perf_counter_ns

from ares_otel.metrics.cells import Spread

__all__ = ["Pauses"]


class Pauses:
    """A callback of the garbage collector that counts its pauses into a histogram by generation.

    It runs in whichever thread happens to trigger the collector, perhaps while that thread holds one of our locks, so
    it takes none: collections never overlap, which makes it the only writer. It counts at once, without a queue that
    ten thousand collections a second would overflow, and costs well under a microsecond.
    """

    def __init__(self, cells: Sequence[Spread]) -> None:
        self._cells = cells
        self._began = 0

    def start(self) -> None:
        """Begin to count."""
        if self not in gc.callbacks:
            gc.callbacks.append(self)

    def stop(self) -> None:
        """Leave the collector as it was found."""
        if self in gc.callbacks:
            gc.callbacks.remove(self)

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """Note the start, count the time at the stop."""
        if phase == "start":
            self._began = perf_counter_ns()
        elif self._began:
            self._cells[info["generation"]].observe((perf_counter_ns() - self._began) / 1e9)
            self._began = 0
