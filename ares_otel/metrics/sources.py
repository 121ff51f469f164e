"""Values that are read when somebody scrapes: lengths of queues, open orders, what others have counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ares_otel.guard import GUARD, Guard
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Metric

__all__ = ["Reading", "Source", "guard_readings"]

Reading: TypeAlias = tuple[Metric, tuple[str | None, ...], float]
"""A counter or gauge, its label values in the declared order (None: unknown), its value: for a counter the total."""

Source: TypeAlias = Callable[[], Iterable[Reading]]
"""Called at each scrape, off the bot's thread, without any lock of the metrics held. Values of one label set add up
(seconds of a gauge: the largest counts), so that several senders or ledgers may each be a source."""


def guard_readings(guard: Guard = GUARD) -> Source:
    """Return the source of the telemetry's own errors by place and of bad values by record and field."""

    def read() -> Iterator[Reading]:
        for where, errors in guard.counts().items():
            yield m.TELEMETRY_ERRORS, (where,), errors
        for (record, field), values in guard.bad_values().items():
            yield m.BAD_VALUES, (record, field), values

    return read
