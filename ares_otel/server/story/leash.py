"""How long a question may take."""

from __future__ import annotations

import math
import time

__all__ = ["Leash", "TooLongError"]


class TooLongError(Exception):
    """A question took longer than it may, or nobody waits for its answer any more."""


class Leash:
    """Ends a question that takes too long; it asks for itself, for nothing can stop Python in another thread.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._until = time.monotonic() + seconds
        self._reason = f"this takes longer than {seconds:g} s; a shorter time or more filters help"

    @property
    def ended(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self._until

    @property
    def error(self) -> TooLongError:
        """What to raise when it is."""
        return TooLongError(self._reason)

    def cut(self) -> None:
        """End the time now; from any thread."""
        if not self.ended:
            self._reason = "the question was broken off"
        self._until = -math.inf

    def check(self) -> None:
        """Go on.

        Raises:
            TooLongError: the time is over.
        """
        if self.ended:
            raise self.error
