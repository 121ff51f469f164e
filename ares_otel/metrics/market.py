"""Market-data feeds and calls of the venue's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from ares_otel.clock import Clock
from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.decisions import seconds
from ares_otel.metrics.registry import Instruments
from ares_otel.metrics.sources import Reading
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import ExchangeRequest, MarketData
from ares_otel.semconv import metrics as m

__all__ = ["Exchange", "Market"]

FEEDS_LIMIT: Final = 1_000
HTTP_ERROR: Final = 400
Feed: TypeAlias = "tuple[str | None, str | None, str | None]"


class Market:
    """Group "market data" of the reference.

    The age of a feed goes on growing while nothing is reported: a scrape shows the reported age plus the time since
    the report, so that a feed that died looks old, not fresh. Messages reported without an age make it unknown. Of
    symbols without series of their own the oldest age is shown.
    """

    def __init__(self, instruments: Instruments, clock: Clock, guard: Guard = GUARD) -> None:
        self._clock = clock
        self._guard = guard
        self._gaps = instruments.counter(m.MARKET_DATA_GAPS)
        self._messages = instruments.counter(m.MARKET_DATA_MESSAGES)
        self._age = instruments.gauge(m.MARKET_DATA_AGE, mixes=True)
        self._newest: dict[Feed, int] = {}
        instruments.attach(self._ages)

    def feed(self, data: MarketData, facts: RecordFacts) -> None:
        """Count gaps and messages, and remember when the newest one came."""
        feed = (data.venue or facts.origin.venue, data.symbol, data.channel)
        if data.gaps is not None:
            self._gaps.cell(feed).inc(data.gaps)
        if data.messages is not None:
            self._messages.cell(feed).inc(data.messages)
        if data.age is not None:
            self._seen(feed, facts.at - round(float(data.age) * 1e9))
        elif data.messages:
            self._newest.pop(feed, None)

    def _seen(self, feed: Feed, newest: int) -> None:
        if feed in self._newest or len(self._newest) < FEEDS_LIMIT:
            self._newest[feed] = newest
        else:
            self._guard.complain("metrics.market", "feeds", f"more than {FEEDS_LIMIT} feeds; the rest shows no age")

    def _ages(self) -> Iterator[Reading]:
        now = self._clock.now()
        for feed, newest in tuple(self._newest.items()):
            yield m.MARKET_DATA_AGE, feed, max(now - newest, 0) / 1e9


class Exchange:
    """Group "exchange" of the reference."""

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        self._guard = guard
        self._duration = instruments.histogram(m.EXCHANGE_DURATION)
        self._errors = instruments.counter(m.EXCHANGE_ERRORS)
        self._wait = instruments.histogram(m.RATE_LIMIT_WAIT)
        self._used = instruments.gauge(m.RATE_LIMIT_USED)

    def request(self, request: ExchangeRequest, facts: RecordFacts) -> None:
        """Count a call; without a class of error, a status of 400 and more is one."""
        venue = request.venue or facts.origin.venue
        duration = seconds("ExchangeRequest", request.duration, self._guard)
        if duration is not None:
            self._duration.cell((venue, request.operation)).observe(duration)
        error = request.error_type
        if error is None and request.status is not None and request.status >= HTTP_ERROR:
            error = str(request.status)
        if error is not None:
            self._errors.cell((venue, request.operation, error)).inc()
        if request.rate_limit_wait is not None:
            self._wait.cell((venue,)).observe(float(request.rate_limit_wait))
        if request.rate_limit_used is not None:
            self._used.cell((venue,)).set(float(request.rate_limit_used))
