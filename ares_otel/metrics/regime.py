"""The market regime: which one, how likely, how it changes, how long it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import Regime
from ares_otel.records.vocabulary import lookup
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import RegimeName

__all__ = ["Regimes"]

STATES_LIMIT: Final = 1_000
# 42 kinds of change for each pair could be a series each
TRANSITIONS_SHARE: Final = 0.05
Pair: TypeAlias = "tuple[str | None, str | None]"


@dataclass(slots=True)
class _State:
    """What is known of a pair: its regime and since when (Unix ns; None if it began before it was first seen)."""

    name: str | None = None
    since: int | None = None
    since_event: int | None = None
    lasted: float | None = None
    shown: set[str] = field(default_factory=set)
    likely: set[str] = field(default_factory=set)


class Regimes:
    """Group "regime" of the reference.

    How long a regime lasted is told in the bot's own time: by event times where records have them, else by the last
    `duration` that was reported of it, else by the wall clock. The first regime of a process began before it was
    seen, so its time is unknown unless the bot reports it.
    """

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        self._guard = guard
        self._active = instruments.gauge(m.REGIME_ACTIVE)
        self._probability = instruments.gauge(m.REGIME_PROBABILITY)
        self._transitions = instruments.counter(m.REGIME_TRANSITIONS, share=TRANSITIONS_SHARE)
        self._duration = instruments.histogram(m.REGIME_DURATION)
        self._states: dict[Pair, _State] = {}

    def regime(self, regime: Regime, facts: RecordFacts) -> None:
        """Show the regime of a strategy and symbol; a change is counted and ends the former one's time."""
        pair = (regime.strategy or facts.origin.strategy, regime.symbol or facts.origin.symbol)
        state = self._state(pair)
        if state is None:
            return
        if regime.probabilities is not None:
            self._likely(pair, state, regime.probabilities)
        # examination makes None of a name that is no text at all
        name = cast("str | None", regime.name)
        if name is None:
            return
        if state.name != name:
            self._change(pair, state, name, facts.at, getattr(regime, "event_time", None))
        state.lasted = state.lasted if regime.duration is None else float(regime.duration)

    def _state(self, pair: Pair) -> _State | None:
        state = self._states.get(pair)
        if state is None and len(self._states) < STATES_LIMIT:
            state = self._states[pair] = _State()
        elif state is None:
            message = f"more than {STATES_LIMIT} pairs of strategy and symbol; the rest has no regime on metrics"
            self._guard.complain("metrics.regime", "pairs", message)
        return state

    def _change(self, pair: Pair, state: _State, name: str, at: int, event: int | None) -> None:
        former, began = state.name, None
        if former is not None:
            self._transitions.cell((*pair, former, name)).inc()
            lasted, began = _lasted(state, at, event), at
            if lasted is not None:
                self._duration.cell((pair[0], former)).observe(max(lasted, 0.0))
        state.name, state.since, state.lasted = name, began, None
        state.since_event = None if began is None else event
        self._show(pair, state, name)

    def _show(self, pair: Pair, state: _State, name: str) -> None:
        now = (*pair, name)
        self._active.cell(now).set(1.0)
        if not self._active.shows(now):
            return
        for other in RegimeName:
            if other in state.shown:
                self._active.cell((*pair, other)).set(float(other == name))
            else:
                self._active.seed((*pair, other))
        state.shown.add(name)

    def _likely(self, pair: Pair, state: _State, probabilities: Mapping[str, float]) -> None:
        shares: dict[str, float] = {}
        for word, share in probabilities.items():
            known = lookup(RegimeName, word) or RegimeName.UNKNOWN
            shares[known] = shares.get(known, 0.0) + share
        for name in state.likely - shares.keys():
            self._probability.cell((*pair, name)).clear()
        for name, share in shares.items():
            self._probability.cell((*pair, name)).set(share)
        state.likely = set(shares)


def _lasted(state: _State, at: int, event: int | None) -> float | None:
    if event is not None and state.since_event is not None:
        return (event - state.since_event) / 1e9
    if state.lasted is not None or state.since is None:
        return state.lasted
    return (at - state.since) / 1e9
