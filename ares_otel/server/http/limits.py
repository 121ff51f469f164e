"""How much each client may ask, and all together."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Final

from ares_otel.server.http.head import Refusal

__all__ = ["Gauge", "Rates"]

CLIENTS: Final = 10_000
BURST_SECONDS: Final = 2.0
TOO_MANY, UNAVAILABLE = 429, 503


class Rates:
    """A bucket of requests for each client, filled at a rate and twice a second's worth deep.

    Args:
        rate: requests a second; 0: no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._depth = max(rate * BURST_SECONDS, 1.0)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> None:
        """Count a request of a client.

        Raises:
            Refusal: 429 with `Retry-After` where its bucket is empty.
        """
        if not self._rate:
            return
        now = self._clock()
        left, at = self._buckets.pop(client, (self._depth, now))
        left = min(self._depth, left + (now - at) * self._rate)
        if left < 1.0:
            self._keep(client, left, now)
            wait = str(math.ceil((1.0 - left) / self._rate)).encode()
            raise Refusal(TOO_MANY, f"more than {self._rate:,.0f} requests a second", (b"retry-after", wait))
        self._keep(client, left - 1.0, now)

    def _keep(self, client: str, left: float, now: float) -> None:
        # the oldest stands first; its bucket is full again unless thousands ask within two seconds
        if len(self._buckets) >= CLIENTS:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[client] = (left, now)


class Gauge:
    """Counts what is at work, up to a limit.

    Attributes:
        now: how many are at work.
    """

    def __init__(self, limit: int, what: str) -> None:
        self.now = 0
        self._limit = limit
        self._what = what

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Count one more while the block runs.

        Raises:
            Refusal: 503 with `Retry-After` where that is too many.
        """
        if self.now >= self._limit:
            raise Refusal(
                UNAVAILABLE, f"more than {self._limit:,} {self._what} at the same time", (b"retry-after", b"1")
            )
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1
