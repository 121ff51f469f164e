"""Which decisions stand behind the bars of a monitor: what its checks and episodes are linked to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

__all__ = ["Awaited", "Trail"]

DECISIONS: Final = 1_024
"""Decisions that are remembered for a monitor."""
WAITING: Final = 4_096
"""Predictions without an outcome whose decision is remembered."""


class Trail:
    """Decisions by number of bar, as one monitor counts its bars."""

    def __init__(self, found: Iterable[tuple[int, str]] = ()) -> None:
        self._found: deque[tuple[int, str]] = deque(found, maxlen=DECISIONS)

    def add(self, bar: int, decision: str) -> None:
        """Remember the decision (W3C `traceparent`) of a bar."""
        self._found.append((bar, decision))

    def links(self, first: int, last: int, most: int) -> tuple[str, ...]:
        """Return decisions of some bars, at most so many, evenly spread from the first to the last."""
        found = [decision for bar, decision in self._found if first <= bar <= last]
        if len(found) <= most:
            return tuple(found)
        step = (len(found) - 1) / (most - 1)
        return tuple(found[round(place * step)] for place in range(most))

    def state(self) -> list[tuple[int, str]]:
        """Return all that it remembers."""
        return list(self._found)


class Awaited:
    """Decisions by the key of their prediction, until its outcome is known; beyond a limit the oldest goes."""

    def __init__(self, found: dict[str, str] | None = None) -> None:
        self._found = dict(found or {})

    def expect(self, key: str, decision: str) -> None:
        """Remember the decision of a prediction; of a key that waits already the first one counts."""
        self._found.setdefault(key, decision)
        if len(self._found) > WAITING:
            del self._found[next(iter(self._found))]

    def of(self, key: str) -> str | None:
        """Return the decision of a prediction."""
        return self._found.get(key)

    def settle(self, key: str) -> None:
        """Forget a prediction: it has its outcome."""
        self._found.pop(key, None)

    def state(self) -> dict[str, str]:
        """Return all that it remembers."""
        return self._found
