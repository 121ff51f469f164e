"""The one worker thread: about once a second it takes a snapshot of the queue and works through it.

It never chases the queue: what is appended meanwhile waits for the next round, so that the bot's thread is not
disturbed more than once a round. A scrape or a flush may ask for a round at once. Rounds run in this thread alone: who
asks waits for as long as they like and no longer, whatever the round meets and wherever this thread is held up (a
tracer may hold it anywhere, for a lock that the one who waits has), and a signal handler that interrupts the one who
waits can ask again. So no lock is ever held here, as the lock of a `Condition` would be: each of the two is woken by
the release of a lock that is theirs alone.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD

__all__ = ["Worker"]


class _Bell:
    """Wakes one who waits, now or the next time."""

    def __init__(self) -> None:
        self._quiet = threading.Lock()
        self._quiet.acquire()

    def ring(self) -> None:
        """Wake them; once more is as once."""
        with suppress(RuntimeError):
            self._quiet.release()

    def wait(self, timeout: float) -> bool:
        """Wait until it rings, at most `timeout` seconds; tell whether it did."""
        return self._quiet.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX))


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
        self._bell = _Bell()
        self._asked: deque[_Bell] = deque()
        self._ending: deque[_Bell] = deque()
        self._begun = self._done = 0
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
        turn = self._begun + 1
        self._wait(self._asked, timeout)
        return self._done >= turn

    def stop(self, timeout: float = 1.0) -> bool:
        """Ask for a last round and the end of the thread, and wait for it; False if that was not in time."""
        self._stopping = True
        self._wait(self._ending, timeout)
        return self._over

    def _wait(self, among: deque[_Bell], timeout: float) -> None:
        """Wake the thread, and wait to be woken by it; but not if it is over and looks for nobody any more."""
        mine = _Bell()
        among.append(mine)
        self._bell.ring()
        if self._over or not mine.wait(timeout):
            with suppress(ValueError):
                among.remove(mine)

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
            self._over = True
            _wake(_taken(self._asked))
            _wake(_taken(self._ending))

    def _is_due(self) -> bool:
        """Wait for the time, or for somebody who asks; False at the end."""
        self._bell.wait(self.interval)
        return not self._stopping

    def _turn(self) -> None:
        asked = _taken(self._asked)  # before the round has begun for those who ask: they count from the next one
        self._begun += 1
        with GUARD.shield("worker"):
            self.work()
        self._done = self._begun
        _wake(asked)


def _taken(waiting: deque[_Bell]) -> list[_Bell]:
    taken = []
    with suppress(IndexError):
        while True:
            taken.append(waiting.popleft())
    return taken


def _wake(waiting: list[_Bell]) -> None:
    for bell in waiting:
        bell.ring()
