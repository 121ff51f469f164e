"""Ids that begin with the time, so that neighbours in time are neighbours in every index that holds them.

Correlation ids are UUIDv7 (RFC 9562). A decision's trace id is the left half of the UUID that was drawn for it (the
time) and, as right half, what is random in the UUID's; its span id is that right half. So the trace of most decisions
can be told from their correlation id, and three ids cost the bot's thread one string. All 64 bits of the right half
are random, because samplers decide by them; W3C Trace Context level 2 asks for 56. Other spans are counted from a
random number on: two processes count the same stretch as rarely as they draw the same ids, and where spans are stored
or sent together a counted id is compressed to a byte or two.

Randomness comes from a generator of our own: a bot that calls `random.seed(0)` must not make the same ids in every run.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from itertools import count

__all__ = ["IdSource", "clean_id", "correlation_of", "decision_id", "ids_of", "span_of", "trace_of"]

LOW_64 = (1 << 64) - 1
VERSION, VARIANT = 7, 2
POOL = 4_096
REFILL = 64
MILLISECOND = 1_000_000
LONGEST = 128


class IdSource:
    """Makes ids; random parts are drawn ahead in batches, because formatting a UUID costs more than a decision may.

    Used from several threads at once: a deque hands each prepared part to one caller only.

    Attributes:
        span: returns a span id of 64 bits, never 0: the next one of a count that began with a random number.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._stamp = (0, 0, "")
        self.reseed(seed)

    def reseed(self, seed: int | None = None) -> None:
        """Forget what was drawn ahead (a forked child must not use its parent's ids)."""
        self._random = random.Random(seed)  # noqa: S311  ids need to be unique, not secret
        self._pool: deque[str] = deque()
        self.span: Callable[[], int] = count(self._random.getrandbits(63) + 1).__next__
        self._moment = (0, 0)

    def take(self, wall_ns: int) -> tuple[int, int, str]:
        """Return trace id (128 bits), span id (64 bits) and correlation id, for the given Unix time in ns."""
        correlation = self.draw(wall_ns)
        return *ids_of(correlation), correlation

    def draw(self, wall_ns: int) -> str:
        """Return a correlation id; `trace_of` and `span_of` tell the ids that belong to it."""
        try:
            tail = self._pool.popleft()
        except IndexError:
            self.refill(REFILL)
            return self.draw(wall_ns)
        first, end, head = self._stamp
        if not first <= wall_ns < end:
            head = self._head(wall_ns // MILLISECOND)
        return head + tail

    def _head(self, millis: int) -> str:
        digits = f"{millis & 0xFFFFFFFFFFFF:012x}"
        head = f"{digits[:8]}-{digits[8:]}-7"
        self._stamp = (millis * MILLISECOND, (millis + 1) * MILLISECOND, head)
        return head

    def moment(self, wall_ns: int) -> int:
        """Return the trace id of what is said in a millisecond outside of any decision; used by one thread.

        What comes together, as the outcomes of all models or equity and positions, is one trace and not one for each.
        """
        millis, trace = self._moment
        if millis != wall_ns // MILLISECOND:
            trace = self.take(wall_ns)[0]
            self._moment = wall_ns // MILLISECOND, trace
        return trace

    def refill(self, upto: int = POOL) -> None:
        """Draw random parts ahead, called by the worker so that the bot's thread finds them ready."""
        bits, add = self._random.getrandbits, self._pool.append
        for _ in range(upto - len(self._pool)):
            drawn = bits(74)
            digits = ((drawn & 0xFFF) << 64 | (0x8000 | drawn >> 12 & 0x3FFF) << 48 | drawn >> 26).to_bytes(10).hex()
            add(f"{digits[1:4]}-{digits[4:8]}-{digits[8:]}")


def ids_of(correlation: str) -> tuple[int, int]:
    """Return the trace id and the span id that belong to a correlation id that was drawn here; neither is ever 0.

    The two bits of a UUID's right half that are the same in all of them give way to the last two of its left half.
    """
    bits = int(correlation.replace("-", ""), 16)
    left = bits >> 64
    span = (bits << 2 | left & 3) & LOW_64 or 1
    return left << 64 | span, span


def trace_of(correlation: str) -> int:
    """Return the trace id that belongs to a correlation id that was drawn here."""
    return ids_of(correlation)[0]


def span_of(correlation: str) -> int:
    """Return the span id that belongs to a correlation id that was drawn here."""
    return ids_of(correlation)[1]


def correlation_of(trace: int) -> str | None:
    """Return the correlation id that a trace id belongs to, or None for one that was not made by `trace_of`."""
    left, right = trace >> 64, trace & LOW_64
    if left >> 12 & 15 != VERSION or (left ^ right) & 3:
        return None
    digits = f"{left:016x}{VARIANT << 62 | right >> 2:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def decision_id(trace: int, span: int) -> str:
    """Return the id of a decision: its trace's 48 bits of time and its span's 64 bits, 28 hexadecimal digits."""
    return f"{trace >> 80:012x}{span:016x}"


def clean_id(text: str | None) -> str | None:
    """Return an id that came from outside if it is usable (printable, at most 128 characters), else None."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    return text if text and len(text) <= LONGEST and text.isprintable() else None
