"""Readers in threads of their own, so that a question never holds up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ares_otel.server.store.driver import Location
from ares_otel.server.story.reader import Reader

__all__ = ["Pool"]

Found = TypeVar("Found")

PATIENCE = 0.5
"""Share of the time for closing after which questions are broken off."""

ROUND = 0.02


class Pool:
    """Asks questions; each thread has a reader of its own, opened with its first question.

    Args:
        database: what is read; it has to be there with the first question.
        threads: questions at the same time; further ones wait.
    """

    def __init__(self, database: Location, threads: int = 3) -> None:
        self._database = database
        self._own = threading.local()
        self._readers: list[Reader] = []
        self._lock = threading.Lock()
        self._running = 0
        self._idle = threading.Event()
        self._idle.set()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ares-read")

    async def ask(self, question: Callable[[Reader], Found]) -> Found:
        """Return the answer to a question.

        Raises:
            DatabaseError: there is no database, or it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._answer, question)

    def close(self, timeout: float = 2.0) -> bool:
        """Let running questions end; break them off where that takes longer than the timeout in seconds.

        Returns:
            Whether all readers are closed.
        """
        deadline = time.monotonic() + timeout
        self._executor.shutdown(wait=False, cancel_futures=True)
        ended = self._idle.wait(timeout * PATIENCE)
        while not ended and time.monotonic() < deadline:
            # one that is between two queries is met by the next round
            for reader in [*self._readers]:
                with contextlib.suppress(Exception):
                    reader.interrupt()
            ended = self._idle.wait(ROUND)
        if ended:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        return ended

    def _answer(self, question: Callable[[Reader], Found]) -> Found:
        with self._lock:
            self._running += 1
            self._idle.clear()
        try:
            return question(self._reader())
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._idle.set()

    def _reader(self) -> Reader:
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = Reader(self._database)
            self._readers.append(reader)
        return reader
