"""The one worker thread: about once a second it takes a snapshot of the queue and works through it.

It never chases the queue: what is appended meanwhile waits for the next round, so that the bot's thread is not
disturbed more than once a round. A scrape or a flush may ask for a round at once. Rounds run in this thread alone: who
asks waits for as long as they like and no longer, whatever the round meets, and a signal handler that interrupts the
one who waits can ask again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD

__all__ = ["Worker"]


class Worker:
    """Runs a round of work about every `interval` seconds, in a daemon thread that starts with `start()`.

    Args:
        work: one round.
        last: what is done when the last round is over.
        interval: seconds between rounds.
        name: of the thread.
    """

    def __init__(
        self, work: Callable[[], None], last: Callable[[], None], interval: float, name: str = "ares-otel"
    ) -> None:
        self.name = name
        self.work = work
        self.last = last
        self.interval = interval
        self._over = True
        self._thread: threading.Thread | None = None
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._asked = self._begun = self._done = 0
        self._stopping = False

    def start(self) -> None:
        """Start the thread, or start it again in a forked child.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self._begin()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._over = False
        try:
            self._thread.start()
        except RuntimeError:
            self._over = True
            raise

    def round(self, timeout: float = 5.0) -> bool:
        """Ask for a round, and wait until one that began after this call is over; False if that was not in time."""
        if threading.current_thread() is self._thread:
            return False
        with self._changed:
            turn = self._asked = self._begun + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._done >= turn, max(timeout, 0.0))
            return self._done >= turn

    def stop(self, timeout: float = 1.0) -> bool:
        """Ask for a last round and the end of the thread, and wait for it; False if that was not in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._over, max(timeout, 0.0))

    def _run(self) -> None:
        process = os.getpid()
        try:
            while self._is_due():
                keep_to(process)
                self._turn()
            self._turn()
            with GUARD.shield("worker"):
                self.last()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _is_due(self) -> bool:
        """Wait for the time, or for somebody who asks; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._asked > self._begun, self.interval)
            return not self._stopping

    def _turn(self) -> None:
        with self._changed:
            self._begun += 1
        with GUARD.shield("worker"):
            self.work()
        with self._changed:
            self._done = self._begun
            self._changed.notify_all()
