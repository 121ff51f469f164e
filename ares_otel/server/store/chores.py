"""Small work of the writer's thread between two commits, in steps that ingestion does not feel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

from ares_otel.guard import GUARD
from ares_otel.server.store.store import Store

__all__ = ["Chore", "Chores"]

Chore: TypeAlias = Callable[[Store], float]
"""Does one step of some milliseconds and returns after how many seconds the next is due."""

RETRY_SECONDS = 60.0


class Chores:
    """Takes turns between chores; one that fails is counted and comes again after a minute.

    Args:
        chores: each is due at once.
        now: a monotonic clock in seconds.
    """

    def __init__(self, chores: Iterable[Chore] = (), now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due: dict[Chore, float] = dict.fromkeys(chores, now())

    def wait(self) -> float | None:
        """Return for how many seconds there is nothing to do; None: for ever."""
        return max(min(self._due.values()) - self._now(), 0.0) if self._due else None

    def step(self, store: Store) -> None:
        """Do a step of what has been due for longest, if anything is."""
        chore = min(self._due, key=self._due.__getitem__, default=None)
        if chore is None or self._due[chore] > self._now():
            return
        pause = RETRY_SECONDS
        with GUARD.shield("store chore"):
            pause = chore(store)
        self._due[chore] = self._now() + pause
