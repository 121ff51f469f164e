"""Ids that begin with the time, so that neighbours in time are neighbours in every index that holds them.

Correlation ids are UUIDv7 (RFC 9562); trace ids hold the same 48 bits of Unix milliseconds and 80 random bits, which
leaves the right 7 bytes random as W3C Trace Context level 2 asks. Randomness comes from a generator of our own: a bot
that calls `random.seed(0)` must not make the same ids in every run.
"""

from __future__ import annotations

import random
from collections import deque

__all__ = ["IdSource", "clean_id", "decision_id", "span_of", "stamped"]

LOW_80 = (1 << 80) - 1
LOW_144 = (1 << 144) - 1
POOL = 4_096
REFILL = 64
MILLISECOND = 1_000_000
LONGEST = 128


class IdSource:
    """Makes ids; random parts are drawn ahead in batches, because formatting a UUID costs more than a decision may.

    Used from several threads at once: a deque hands each prepared part to one caller only.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  ids need to be unique, not secret
        self._pool: deque[tuple[int, str]] = deque()
        self._stamp = (0, 0, "")

    def reseed(self, seed: int | None = None) -> None:
        """Forget what was drawn ahead (a forked child must not use its parent's ids)."""
        self._random = random.Random(seed)  # noqa: S311  ids need to be unique, not secret
        self._pool = deque()

    def take(self, wall_ns: int) -> tuple[int, int, str]:
        """Return trace id (128 bits), span id (64 bits) and correlation id, for the given Unix time in ns."""
        drawn, correlation = self.draw(wall_ns)
        return stamped(wall_ns, drawn), span_of(drawn), correlation

    def draw(self, wall_ns: int) -> tuple[int, str]:
        """Return 144 random bits, for `stamped` and `span_of`, and a correlation id: half of what `take` costs."""
        try:
            drawn, tail = self._pool.popleft()
        except IndexError:
            self.refill(REFILL)
            return self.draw(wall_ns)
        first, end, head = self._stamp
        if not first <= wall_ns < end:
            head = self._head(wall_ns // MILLISECOND)
        return drawn, head + tail

    def _head(self, millis: int) -> str:
        digits = f"{millis & 0xFFFFFFFFFFFF:012x}"
        head = f"{digits[:8]}-{digits[8:]}-7"
        self._stamp = (millis * MILLISECOND, (millis + 1) * MILLISECOND, head)
        return head

    def span(self) -> int:
        """Return a span id: 64 random bits, never 0."""
        return self._random.getrandbits(64) or 1

    def refill(self, upto: int = POOL) -> None:
        """Draw random parts ahead, called by the worker so that the bot's thread finds them ready."""
        bits, add = self._random.getrandbits, self._pool.append
        for _ in range(upto - len(self._pool)):
            drawn = bits(218)
            rest = drawn >> 144
            tail = f"{rest & 0xFFF:03x}-{0x8000 | rest >> 12 & 0x3FFF:04x}-{rest >> 26:012x}"
            add((drawn & LOW_144, tail))


def stamped(wall_ns: int, drawn: int) -> int:
    """Return the trace id of a Unix time in ns and 144 random bits, of which it takes 80."""
    return (wall_ns // MILLISECOND & 0xFFFFFFFFFFFF) << 80 | drawn & LOW_80


def span_of(drawn: int) -> int:
    """Return the span id of 144 random bits: the other 64, never 0."""
    return drawn >> 80 or 1


def decision_id(trace: int, span: int) -> str:
    """Return the id of a decision: its trace's 48 bits of time and its span's 64 bits, 28 hexadecimal digits."""
    return f"{trace >> 80:012x}{span:016x}"


def clean_id(text: str | None) -> str | None:
    """Return an id that came from outside if it is usable (printable, at most 128 characters), else None."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    return text if text and len(text) <= LONGEST and text.isprintable() else None
