"""Readers in threads of their own, so that a question never holds up the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ares_otel.server.story.reader import Reader

__all__ = ["Pool"]

Found = TypeVar("Found")


class Pool:
    """Asks questions; each thread has a reader of its own, opened with its first question.

    Args:
        database: what is read; it has to be there with the first question.
        threads: questions at the same time; further ones wait.
    """

    def __init__(self, database: Path, threads: int = 3) -> None:
        self._database = database
        self._own = threading.local()
        self._readers: list[Reader] = []
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ares-read")

    async def ask(self, question: Callable[[Reader], Found]) -> Found:
        """Return the answer to a question.

        Raises:
            DatabaseError: there is no database, or it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._answer, question)

    def close(self) -> None:
        """Let running questions end, then close the readers."""
        self._executor.shutdown(cancel_futures=True)
        for reader in self._readers:
            reader.close()
        self._readers.clear()

    def _answer(self, question: Callable[[Reader], Found]) -> Found:
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = Reader(self._database)
            self._readers.append(reader)
        return question(reader)
