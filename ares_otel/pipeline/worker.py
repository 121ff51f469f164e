"""The one worker thread: about once a second it takes a snapshot of the queue and works through it.

It never chases the queue: what is appended meanwhile waits for the next round, so that the bot's thread is not
disturbed more than once a round. A scrape or a flush may ask for a round at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ares_otel.guard import GUARD

__all__ = ["Worker"]

JOIN = 0.05


class Worker:
    """Runs a round of work about every `interval` seconds, in a daemon thread that starts with `start()`."""

    def __init__(self, work: Callable[[], None], interval: float) -> None:
        self.work = work
        self.interval = interval
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, or start it again in a forked child."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="ares-otel", daemon=True)
        self._thread.start()

    def round(self, timeout: float = 5.0) -> bool:
        """Work through what is queued now, in the caller's thread; False if another round held it up too long."""
        if not self._lock.acquire(timeout=max(timeout, 0.0)):
            return False
        try:
            with GUARD.shield("worker"):
                self.work()
        finally:
            self._lock.release()
        return True

    def stop(self, timeout: float = 1.0) -> None:
        """End the thread; what is queued stays for a last `round()`."""
        self._stopped = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(timeout, JOIN))

    def _run(self) -> None:
        while not self._wake.wait(self.interval):
            self.round()
