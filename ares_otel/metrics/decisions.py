"""Decisions, their stages, and the correlations that they open and end."""

from __future__ import annotations

import math

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.cells import Count, Spread
from ares_otel.metrics.kept import Kept
from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import DecisionFacts, RecordFacts
from ares_otel.records.model import Stage
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import CorrelationOutcome, Truth

__all__ = ["Decisions", "seconds"]


FOREVER = math.inf
COMPLETED, FAILED, TIMEOUT = CorrelationOutcome.COMPLETED, CorrelationOutcome.FAILED, CorrelationOutcome.TIMEOUT


class _Pair:
    """Cells of a strategy and symbol."""

    __slots__ = ("counts", "last")

    def __init__(self, owner: Decisions, strategy: str | None, symbol: str | None) -> None:
        self.counts: Kept[str, Count] = Kept(lambda action: owner.count.cell((strategy, symbol, action)))
        self.last = owner.last.cell((strategy, symbol))


class _Strategy:
    """Cells of a strategy."""

    __slots__ = ("confidence", "duration", "pairs", "stages")

    def __init__(self, owner: Decisions, strategy: str | None) -> None:
        self.duration = owner.duration.cell((strategy,))
        self.confidence: Kept[str, Spread] = Kept(lambda action: owner.confidence.cell((strategy, action)))
        self.stages: Kept[str, Spread] = Kept(lambda component: owner.stages.cell((strategy, component)))
        self.pairs: Kept[str | None, _Pair] = Kept(lambda symbol: _Pair(owner, strategy, symbol))


class Decisions:
    """Groups "decisions" and "correlation" of the reference."""

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        self.count = instruments.counter(m.DECISIONS)
        self.duration = instruments.histogram(m.DECISION_DURATION)
        self.confidence = instruments.histogram(m.DECISION_CONFIDENCE)
        self.last = instruments.gauge(m.LAST_DECISION, mixes=True)
        self.stages = instruments.histogram(m.STAGE_DURATION)
        self._errors = instruments.counter(m.STAGE_ERRORS)
        correlations, correlation = instruments.counter(m.CORRELATIONS), instruments.histogram(m.CORRELATION_DURATION)
        self._outcomes: Kept[CorrelationOutcome, Count] = Kept(lambda outcome: correlations.cell((outcome,)))
        self._lifetime: Kept[tuple[()], Spread] = Kept(correlation.cell)
        self._strategies: Kept[str | None, _Strategy] = Kept(lambda strategy: _Strategy(self, strategy))
        for kept in (self._outcomes, self._lifetime, self._strategies):
            instruments.on_evict(kept.clear)
        self._guard = guard

    def ended(self, facts: DecisionFacts, strategy: str | None, symbol: str | None, action: str) -> None:
        """Count an ended decision with its stages; `action` is `none` where it did not say any."""
        trace, at, duration = facts.origin.exemplar, facts.ended / 1e9, facts.duration
        kept = self._strategies[strategy]
        pair, stages = kept.pairs[symbol], kept.stages
        count, last = pair.counts[action], pair.last
        count.value += 1.0
        count.mark(trace, 1.0, at)
        kept.duration.observe(duration, trace, at)
        confidence = facts.decision.confidence
        if confidence is not None:
            kept.confidence[action].observe(float(confidence))
        if not at < last.value:
            last.value = at
        for stage in facts.stages:
            passed = stage.duration
            if stage.error_type is None is stage.strategy and type(passed) is float and 0.0 <= passed < FOREVER:
                stages[stage.component].observe(passed, trace, at)
            else:
                self._stage(stage, kept if stage.strategy is None else self._strategies[stage.strategy], trace, at)
        self._outcomes[_outcome(facts)].value += 1.0
        self._lifetime[()].observe(duration)

    def stage(self, stage: Stage, facts: RecordFacts) -> None:
        """Count a stage that was recorded by itself."""
        origin = facts.origin
        self._stage(stage, self._strategies[stage.strategy or origin.strategy], origin.exemplar, facts.at / 1e9)

    def _stage(self, stage: Stage, kept: _Strategy, trace: str | None, at: float) -> None:
        duration = seconds("Stage", stage.duration, self._guard)
        if duration is not None:
            kept.stages[stage.component].observe(duration, trace, at)
        if stage.error_type is not None:
            swallowed = Truth.TRUE if stage.swallowed else Truth.FALSE
            self._errors.cell((stage.component, stage.error_type, swallowed)).inc()


def seconds(record: str, value: float | None, guard: Guard = GUARD) -> float | None:
    """Return a duration that no attribute's bounds have checked, None where it cannot be one."""
    if value is None or 0.0 <= value < math.inf:
        return None if value is None else float(value)
    guard.bad_value(record, "duration", "seconds ≥ 0", value)
    return None


def _outcome(facts: DecisionFacts) -> CorrelationOutcome:
    if facts.abandoned:
        return TIMEOUT
    return COMPLETED if facts.error_type is None else FAILED
