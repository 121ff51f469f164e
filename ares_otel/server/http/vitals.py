"""How the server does, for the live stream."""

from __future__ import annotations

import time
from collections.abc import Callable

from ares_otel.server.push.events import Health, moment
from ares_otel.server.store.writer import Writer

__all__ = ["Vitals"]


class Vitals:
    """Tells the state of a writer, and the rate since it was asked last."""

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._clock = clock
        self._last: tuple[float, int] | None = None

    def __call__(self, clients: int) -> Health:
        """Return the state; without a rate the first time."""
        now, stored, problem = self._clock(), self._writer.stored, self._writer.problem
        rate = None
        if self._last is not None and now > self._last[0]:
            rate = (stored - self._last[1]) / (now - self._last[0])
        self._last = (now, stored)
        return Health(
            time=moment(time.time_ns()) or "",
            status="failing" if problem else "ok",
            problem=problem,
            spans_stored=stored,
            spans_per_second=rate,
            queue_length=self._writer.waiting,
            clients=clients,
        )
