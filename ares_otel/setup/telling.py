"""Says now and then, in a span of its own, what this process has recorded and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.model import Scope, SpanData
from ares_otel.pipeline.recorder import Recorder
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s

__all__ = ["SECONDS", "TELLING", "Teller"]

SECONDS: Final = 10.0
"""Shortest time between two words; a process that ends before the first says none."""

TELLING: Final = Scope("ares_otel.telemetry")


class Teller:
    """Counts as the sender does: at every word recorded = acknowledged + lost + waiting.

    Batches are delivered in their order, so when a word has arrived, all that was waiting then has, or was lost since.

    Args:
        resource: of the process.
        recorder: gives time and ids.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        recorder: Recorder,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._who = {key: str(resource[key]) for key in (a.SERVICE_NAME.key, a.INSTANCE_ID.key) if key in resource}
        self._recorder = recorder
        self._now = now
        self._due = now() + SECONDS
        self._told = 0

    def words(self, known: Callable[[], Accounts], *, last: bool) -> Sequence[SpanData]:
        """Return a word if one is due and there is news, at the end also before its time; it counts itself.

        Args:
            known: tells where all spans are.
            last: there will be no other.
        """
        if self._now() < self._due and not (last and self._told):
            return ()
        accounts = known()
        waiting = accounts.queued + accounts.spooled + 1
        gone = sum(accounts.dropped.values())
        recorded = accounts.exported + gone + waiting
        if recorded == self._told + 1:
            return ()
        self._due, self._told = self._now() + SECONDS, recorded
        return (
            self._word(
                {
                    a.RECORDED.key: recorded,
                    a.ACKNOWLEDGED.key: accounts.exported,
                    a.LOST.key: gone,
                    a.WAITING.key: waiting,
                    a.SPOOLED.key: accounts.spooled,
                }
            ),
        )

    def _word(self, counts: Mapping[str, int]) -> SpanData:
        wall = self._recorder.clock.now()
        trace, span, _ = self._recorder.ids.take(wall)
        return SpanData(trace, span, 0, s.TELEMETRY.name, 1, wall, wall, {**self._who, **counts})
