"""Pre-trade checks, how far their limits are used, and the kill switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import KillSwitch, RiskCheck
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import CheckOutcome, SwitchState
from ares_otel.semconv.model import Gauge

__all__ = ["DRAWDOWN", "Risk", "Watch"]

DRAWDOWN: Final = "drawdown"
STRATEGIES: Final = 1_000
STATES: Final = {SwitchState.ACTIVE: 0, SwitchState.REDUCE_ONLY: 1, SwitchState.HALTED: 2}

Watch: TypeAlias = Callable[[Gauge, tuple[str | None, ...], float, str | None], None]
"""Is told a gauge of this group, its labels, its new value and the correlation id that it came with."""


class Risk:
    """Group "risk" of the reference.

    A limit is used to value / limit, so limits below zero (a loss) work, too; a value on the harmless side of zero
    uses nothing of it. A check that found its value beyond the limit and did not simply pass is a breach. Where a
    strategy checks a limit named `drawdown`, its use follows the drawdown of its equity between the checks, too.

    Args:
        watch: is told each new use of a limit and each state of the kill switch.
    """

    def __init__(self, instruments: Instruments, watch: Watch | None = None) -> None:
        self._checks = instruments.counter(m.RISK_CHECKS)
        self._limit = instruments.gauge(m.LIMIT_VALUE)
        self._used = instruments.gauge(m.LIMIT_UTILIZATION)
        self._breaches = instruments.counter(m.LIMIT_BREACHES)
        self._switch = instruments.gauge(m.KILL_SWITCH)
        self._trips = instruments.counter(m.KILL_SWITCH_TRIPS)
        self._watch = watch
        self._drawdowns: dict[str | None, float] = {}
        self._switches: dict[str | None, int] = {}

    def check(self, check: RiskCheck, facts: RecordFacts) -> None:
        """Count a check and show its limit."""
        self._checks.cell((check.check, check.outcome)).inc()
        if check.limit is None:
            return
        strategy, name = check.strategy or facts.origin.strategy, check.limit_name or check.check
        limit = float(check.limit)
        self._limit.cell((strategy, name)).set(limit)
        if name == DRAWDOWN and 0.0 < limit <= 1.0 and len(self._drawdowns) < STRATEGIES:
            self._drawdowns[strategy] = limit
        breaches = self._breaches.cell((name,))
        if check.value is None or not limit:
            return
        used = float(check.value) / limit
        self._use(strategy, name, max(used, 0.0), facts.origin.correlation_id)
        if used > 1.0 and check.outcome != CheckOutcome.PASSED:
            breaches.inc()

    def follows(self, strategy: str | None) -> bool:
        """Tell whether a strategy has a limit for its drawdown."""
        return strategy in self._drawdowns

    def drawdown(self, strategy: str | None, depth: float, correlation: str | None) -> None:
        """Follow the drawdown of a strategy that has a limit for it."""
        self._use(strategy, DRAWDOWN, depth / self._drawdowns[strategy], correlation)

    def switch(self, switch: KillSwitch, facts: RecordFacts) -> None:
        """Show the strictest state of all switches, and count those that trip."""
        if switch.state is None or (len(self._switches) >= STRATEGIES and switch.strategy not in self._switches):
            return
        state, before = STATES[SwitchState(switch.state)], self._switches.get(switch.strategy, 0)
        self._switches[switch.strategy] = state
        strictest = max(self._switches.values())
        self._switch.cell(()).set(strictest)
        if state and not before:
            self._trips.cell((switch.reason,)).inc()
        if self._watch is not None:
            self._watch(m.KILL_SWITCH, (), strictest, facts.origin.correlation_id)

    def _use(self, strategy: str | None, name: str, used: float, correlation: str | None) -> None:
        self._used.cell((strategy, name)).set(used)
        if self._watch is not None:
            self._watch(m.LIMIT_UTILIZATION, (strategy, name), used, correlation)
