"""One clock: durations by the monotonic clock, wall time by one anchor between the two."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock"]

JUMP = 50_000_000


class Clock:
    """Monotonic nanoseconds and their place in Unix time.

    A new anchor is taken only when the wall clock has moved against the monotonic one by more than 50 ms, so that
    spans of one decision keep their order while a corrected system time is followed.

    Attributes:
        offset: nanoseconds to add to a monotonic reading to get Unix time.
        jumps: how often the wall clock was found to have jumped.
    """

    __slots__ = ("_wall", "jumps", "monotonic", "offset")

    def __init__(
        self, monotonic: Callable[[], int] = time.perf_counter_ns, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self.monotonic = monotonic
        self._wall = wall
        self.offset = wall() - monotonic()
        self.jumps = 0

    def wall(self, monotonic: int) -> int:
        """Return the Unix time in ns of a monotonic reading in ns."""
        return monotonic + self.offset

    def now(self) -> int:
        """Return the Unix time in ns by the anchored clock."""
        return self.monotonic() + self.offset

    def follow(self) -> None:
        """Take a new anchor if the wall clock jumped."""
        offset = self._wall() - self.monotonic()
        if abs(offset - self.offset) > JUMP:
            self.offset = offset
            self.jumps += 1
