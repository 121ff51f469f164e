"""A panel that is asked in a thread of its own: whoever hands over a row never waits for a detector."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD
from ares_otel.ml.kolmogorov import FloatArray
from ares_otel.ml.opinion.model import Health, Verdict
from ares_otel.ml.opinion.panel import Panel

__all__ = ["SecondOpinion"]

WAITING: Final = 20_000
VERDICTS: Final = 1_000


class _Row(NamedTuple):
    values: FloatArray
    at: int | None


class SecondOpinion:
    """Rows go in without waiting, verdicts are there later; what is too much for the detectors is counted and lost.

    The same rows give the same verdicts, live and replayed, as long as none was lost.

    Args:
        panel: the detectors.
        waiting: rows that may wait for them.

    Attributes:
        lost: rows that were not judged because too many waited.
    """

    def __init__(self, panel: Panel, waiting: int = WAITING) -> None:
        self._panel = panel
        self._limit = waiting
        self._changed = threading.Condition()
        self._rows: deque[_Row] = deque()
        self._verdicts: deque[Verdict] = deque(maxlen=VERDICTS)
        self._busy, self._closed = False, False
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.lost = 0
        atexit.register(_close, weakref.ref(self))

    def observe(self, row: ArrayLike, at: int | None = None) -> None:
        """Hand over the row of the next bar, with its time in Unix ns; never waits, never raises."""
        with GUARD.shield("ml.opinion"):
            values = np.array(row, dtype=np.float64)
            self._here()
            with self._changed:
                if self._closed:
                    return
                if len(self._rows) >= self._limit:
                    self.lost += 1
                    return
                self._rows.append(_Row(values, at))
                self._changed.notify_all()
                self._start()

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts since the last call, oldest first, at most a thousand."""
        self._here()
        with self._changed:
            found = list(self._verdicts)
            self._verdicts.clear()
        return found

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until all rows so far are judged; return whether they are."""
        self._here()
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or not (self._rows or self._busy), timeout)

    def health(self) -> tuple[Health, ...]:
        """Return which detectors work, and why the others do not."""
        return self._panel.health()

    def close(self) -> None:
        """End thread and process; what waits is not judged any more."""
        self._here()
        with self._changed:
            self._closed = True
            self._rows.clear()
            self._changed.notify_all()
        self._panel.close()

    def _here(self) -> None:
        """Begin anew in a forked child: thread and pipes are its parent's, which goes on with both."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._changed = threading.Condition()
            self._rows, self._verdicts = deque(), deque(maxlen=VERDICTS)
            self._thread, self._busy = None, False
            self._panel.leave()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(os.getpid(),), name="ares-opinion", daemon=True)
            self._thread.start()

    def _run(self, process: int) -> None:
        while (row := self._next(process)) is not None:
            found: list[Verdict] = []
            with GUARD.shield("ml.opinion"):
                found = self._panel.update(row.values, row.at)
            with self._changed:
                self._verdicts.extend(found)
                self._busy = False
                self._changed.notify_all()

    def _next(self, process: int) -> _Row | None:
        with self._changed:
            while not self._rows and not self._closed:
                self._changed.wait()
                keep_to(process)
            if self._closed:
                return None
            self._busy = True
            return self._rows.popleft()


def _close(opinion: weakref.ref[SecondOpinion]) -> None:
    """Close what is still there when the bot ends."""
    if found := opinion():
        found.close()
