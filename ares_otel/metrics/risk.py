"""Pre-trade checks and how far their limits are used."""

from __future__ import annotations

from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import RiskCheck
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import CheckOutcome

__all__ = ["Risk"]


class Risk:
    """Group "risk" of the reference, without the kill switch, of which there is no record yet.

    A limit is used to value / limit, so limits below zero (a loss) work, too; a value on the harmless side of zero
    uses nothing of it. A check that found its value beyond the limit and did not simply pass is a breach.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._checks = instruments.counter(m.RISK_CHECKS)
        self._limit = instruments.gauge(m.LIMIT_VALUE)
        self._used = instruments.gauge(m.LIMIT_UTILIZATION)
        self._breaches = instruments.counter(m.LIMIT_BREACHES)

    def check(self, check: RiskCheck, facts: RecordFacts) -> None:
        """Count a check and show its limit."""
        self._checks.cell((check.check, check.outcome)).inc()
        if check.limit is None:
            return
        strategy, name = check.strategy or facts.origin.strategy, check.limit_name or check.check
        limit = float(check.limit)
        self._limit.cell((strategy, name)).set(limit)
        breaches = self._breaches.cell((name,))
        if check.value is None or not limit:
            return
        used = float(check.value) / limit
        self._used.cell((strategy, name)).set(max(used, 0.0))
        if used > 1.0 and check.outcome != CheckOutcome.PASSED:
            breaches.inc()
