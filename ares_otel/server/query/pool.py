"""Readers in threads of their own, so that a question never holds up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from ares_otel.server.store.driver import Location
from ares_otel.server.story.leash import Leash
from ares_otel.server.story.reader import Reader

__all__ = ["Pool"]

Found = TypeVar("Found")

PATIENCE = 0.5
"""Share of the time for closing after which questions are broken off."""

ROUND = 0.02


class Pool:
    """Asks questions; each thread has a reader of its own, opened with its first question.

    SQL can be broken off from outside, Python cannot: a question looks at its time before each statement and where it
    walks rows, so that none holds a reader for ever, and none that nobody waits for any more.

    Args:
        database: what is read; it has to be there with the first question.
        threads: questions at the same time; further ones wait.
        seconds: how long a question may take, waiting included.
    """

    def __init__(self, database: Location, threads: int = 3, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._database = database
        self._own = threading.local()
        self._readers: list[Reader] = []
        self._lock = threading.Lock()
        self._running: dict[Leash, Reader | None] = {}
        self._idle = threading.Event()
        self._idle.set()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ares-read")

    async def ask(self, question: Callable[[Reader], Found]) -> Found:
        """Return the answer to a question; it is broken off where the caller is cancelled.

        Raises:
            TooLongError: it took longer than it may.
            DatabaseError: there is no database, or it cannot be read.
        """
        leash = Leash(self.seconds)
        answer = asyncio.get_running_loop().run_in_executor(self._executor, self._answer, question, leash)
        try:
            await asyncio.wait({answer}, timeout=self.seconds)
        finally:
            if not answer.done():
                self._break_off(leash)
                # nobody hears of what comes of it
                answer.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                answer.cancel()
        if answer.cancelled():
            raise leash.error
        return answer.result()

    def close(self, timeout: float = 2.0) -> bool:
        """Let running questions end; break them off where that takes longer than the timeout in seconds.

        Returns:
            Whether all readers are closed.
        """
        deadline = time.monotonic() + timeout
        self._executor.shutdown(wait=False, cancel_futures=True)
        ended = self._idle.wait(timeout * PATIENCE)
        while not ended and time.monotonic() < deadline:
            # a statement that began after its leash was looked at is met by the next round
            for leash in [*self._running]:
                self._break_off(leash)
            ended = self._idle.wait(ROUND)
        if ended:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        return ended

    def _break_off(self, leash: Leash) -> None:
        leash.cut()
        # under the lock, so that it does not meet the reader's next question
        with self._lock, contextlib.suppress(Exception):
            reader = self._running.get(leash)
            if reader is not None:
                reader.interrupt()

    def _answer(self, question: Callable[[Reader], Found], leash: Leash) -> Found:
        with self._lock:
            self._running[leash] = None
            self._idle.clear()
        try:
            leash.check()
            reader = self._reader()
            reader.leash = leash
            with self._lock:
                self._running[leash] = reader
            return question(reader)
        except DBAPIError as error:
            if leash.ended:
                raise leash.error from error
            raise
        finally:
            with self._lock:
                del self._running[leash]
                if not self._running:
                    self._idle.set()

    def _reader(self) -> Reader:
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = Reader(self._database)
            self._readers.append(reader)
        return reader
