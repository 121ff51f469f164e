"""What runs beside the telemetry and ends with it: it is asked to finish first, so that what it says still goes out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

from ares_otel.guard import GUARD

if TYPE_CHECKING:
    from ares_otel.metrics import Reading

__all__ = ["COMPANIONS", "Companion", "drain", "readings", "stop"]

SHARE: Final = 0.4
"""Of the time for the end, what companions may take at most."""


class Companion(Protocol):
    """Something with a thread of its own."""

    def drain(self, timeout: float) -> bool:
        """Work through what waits; tell whether that was done in time."""

    def stop(self, timeout: float) -> None:
        """Work through what waits, and end."""

    def after_fork(self) -> None:
        """Begin anew in a forked child."""

    def readings(self) -> Iterator[Reading]:
        """Yield what a scrape shows."""


COMPANIONS: Final[list[Companion]] = []


def drain(timeout: float) -> bool:
    """Let all companions work through what waits for them, within a time; tell whether they did."""
    deadline, done = time.monotonic() + timeout, True
    for each in COMPANIONS:
        with GUARD.shield("companion"):
            done = each.drain(max(deadline - time.monotonic(), 0.0)) and done
    return done


def stop(timeout: float) -> None:
    """End all companions within their share of a time."""
    deadline = time.monotonic() + SHARE * timeout
    while COMPANIONS:
        each = COMPANIONS.pop()
        with GUARD.shield("companion"):
            each.stop(max(deadline - time.monotonic(), 0.0))


def readings() -> Iterator[Reading]:
    """Yield what all companions show at a scrape."""
    for each in COMPANIONS[:]:
        yield from each.readings()
