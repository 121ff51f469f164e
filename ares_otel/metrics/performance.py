"""Performance ratios of the equity that the bot reports, by days of market time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.registry import Instruments
from ares_otel.metrics.sources import Reading
from ares_otel.portfolio.conventions import CONVENTION, DAY, Convention
from ares_otel.portfolio.performance import Performance, performances
from ares_otel.portfolio.returns import Curve
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import Equity
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Gauge

__all__ = ["Performances"]

DAYS: Final = 3_653
"""Days that are kept: ten years."""

STRATEGIES: Final = 64
AGAIN: Final = 30
"""A day that lies so many days back is no late report: a replay began anew, and so do the ratios."""

RATIOS: Final = ((m.SHARPE, "sharpe"), (m.SORTINO, "sortino"), (m.CALMAR, "calmar"))
Shown: TypeAlias = "tuple[Reading, ...]"


class _Days:
    """Equity at the end of the days of one strategy; the newest day has not ended, so it does not count yet.

    Attributes:
        currency: of the equity.
        mixed: equity came in another currency, too: there are no returns then.
    """

    def __init__(self, currency: str | None) -> None:
        self.currency = currency
        self.mixed = False
        self.changed = False
        self._ended: deque[tuple[int, float]] = deque(maxlen=DAYS)
        self._newest: tuple[int, float] | None = None

    def add(self, day: int, value: float) -> None:
        """Take a value; one of a day that has ended comes too late to count."""
        newest = self._newest
        if newest is not None and day < newest[0] - AGAIN:
            self._ended.clear()
            self.changed = True
        elif newest is not None and day < newest[0]:
            return
        elif newest is not None and day > newest[0]:
            self._ended.append(newest)
            self.changed = True
        self._newest = (day, value)

    def curve(self) -> Curve:
        """Return the days that have ended."""
        if self.mixed:
            return Curve()
        return Curve(tuple(day for day, _ in self._ended), tuple(value for _, value in self._ended))


class Performances:
    """Ratios by strategy and window, of days that have ended, since the process began.

    Values alone are computed here, at the first scrape after a day has ended; the server has them with intervals, and
    over restarts. A strategy with equity in several currencies has no ratios, for the metrics have no currency label.
    """

    def __init__(self, instruments: Instruments, convention: Convention = CONVENTION, guard: Guard = GUARD) -> None:
        self._convention = msgspec.structs.replace(convention, intervals=False)
        self._guard = guard
        self._lock = instruments.lock
        self._computing = threading.Lock()
        self._info = instruments.gauge(m.CONVENTION)
        self._days: dict[str | None, _Days] = {}
        self._shown: dict[str | None, Shown] = {}
        instruments.attach(self._readings)

    def equity(self, equity: Equity, facts: RecordFacts) -> None:
        """Take equity, under the lock of the metrics."""
        if equity.value is None:
            return
        strategy = equity.strategy or facts.origin.strategy
        days = self._days.get(strategy)
        if days is None:
            if len(self._days) >= STRATEGIES:
                message = f"more than {STRATEGIES} strategies with equity; the ratios of further ones are not computed"
                self._guard.complain("metrics.performance", "strategies", message)
                return
            days = self._days[strategy] = _Days(equity.currency)
            convention = self._convention
            self._info.cell((str(convention.periods), convention.basis, convention.returns)).set(1.0)
        if equity.currency != days.currency and not days.mixed:
            days.mixed = days.changed = True
        days.add(_time(equity, facts) // DAY, float(equity.value))

    def _readings(self) -> Iterator[Reading]:
        # a scrape waits for another one that computes, but the worker waits for none of them
        with self._computing:
            for strategy, curve in self._due():
                self._shown[strategy] = tuple(self._compute(strategy, curve))
            shown = list(self._shown.values())
        for readings in shown:
            yield from readings

    def _due(self) -> list[tuple[str | None, Curve]]:
        with self._lock:
            due = [(strategy, days.curve()) for strategy, days in self._days.items() if days.changed]
            for days in self._days.values():
                days.changed = False
        return due

    def _compute(self, strategy: str | None, curve: Curve) -> Iterator[Reading]:
        for found in performances(curve, self._convention):
            for metric, name in RATIOS:
                value = getattr(found, name).value
                if value is not None:
                    yield metric, (strategy, found.window), value
            if found.window == "all":
                yield from _tails(strategy, found)


def _tails(strategy: str | None, found: Performance) -> Iterator[Reading]:
    for tail in found.tails:
        pairs: tuple[tuple[Gauge, float | None], ...] = (
            (m.VALUE_AT_RISK, tail.value_at_risk.value),
            (m.EXPECTED_SHORTFALL, tail.expected_shortfall.value),
        )
        for metric, value in pairs:
            if value is not None:
                yield metric, (strategy, tail.method, f"{tail.level:g}"), value


def _time(equity: Equity, facts: RecordFacts) -> int:
    time = equity.event_time
    if isinstance(time, datetime):
        return round(time.timestamp()) * 1_000_000_000
    return facts.at if time is None else time
