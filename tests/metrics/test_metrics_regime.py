from __future__ import annotations

from typing import Annotated

import pytest
from metrics_story import T0, metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics, regime
from ares_otel.records.model import Regime
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import RegimeName

SECOND = 1_000_000_000


def seen(target: Metrics, name: str | None, at: float = 0.0, duration: float | None = None, symbol: str = "A") -> None:
    """Record a regime of strategy `s`, `at` seconds after T0."""
    record = Regime(name, duration=duration, symbol=symbol)  # type: ignore[arg-type]
    target.record(noted(record, T0 + round(at * SECOND), strategy="s"))


def active(target: Metrics, symbol: str = "A") -> dict[str, float]:
    """Return the one-hot gauge of a symbol by regime."""
    found = series(target, "ares_regime_active")
    return {labels[0]: one for labels, one in found.items() if labels[2] == symbol}


def test_exactly_one_regime_is_active() -> None:
    """The present regime is 1, all others of the pair are 0, also those that never were."""
    target = metrics()
    for name in ("bull_trend", "sideways", "bull_trend"):
        seen(target, name)
        assert active(target) == {word: float(word == name) for word in RegimeName}


def test_changes_are_counted_and_a_repetition_is_none() -> None:
    """A transition is a change of the regime of one strategy and symbol."""
    target = metrics()
    for name in ("bull_trend", "bull_trend", "sideways", "bull_trend"):
        seen(target, name)
        seen(target, "low_volatility", symbol="B")

    assert series(target, "ares_regime_transitions_total") == {
        ("bull_trend", "s", "A", "sideways"): 1.0,
        ("sideways", "s", "A", "bull_trend"): 1.0,
    }


def test_a_regime_lasts_from_change_to_change() -> None:
    """By the wall clock where the bot says nothing; the first one began before anybody looked."""
    target = metrics()
    for name, at in (("bull_trend", 0), ("sideways", 10), ("bull_trend", 70), ("sideways", 100)):
        seen(target, name, at)

    assert value(target, "ares_regime_duration_seconds_sum", strategy="s", regime="sideways") == 60.0
    assert value(target, "ares_regime_duration_seconds_sum", strategy="s", regime="bull_trend") == 30.0


def test_the_bots_own_duration_goes_before_the_wall_clock() -> None:
    """In a replay of history a regime lasts days while the wall clock says milliseconds."""
    target = metrics()
    seen(target, "bull_trend", 0.0, duration=86_400.0)
    seen(target, "bull_trend", 0.1, duration=172_800.0)
    seen(target, "bull_trend", 0.2)
    seen(target, "sideways", 0.3, duration=0.0)
    seen(target, "bull_trend", 0.4)

    assert value(target, "ares_regime_duration_seconds_sum", strategy="s", regime="bull_trend") == 172_800.0
    assert value(target, "ares_regime_duration_seconds_sum", strategy="s", regime="sideways") == 0.0


def test_probabilities_are_shown_for_what_was_given() -> None:
    """Any vocabulary is mapped; unknown words add up as unknown; what is no longer given is absent, not stale."""
    target = metrics()
    shares = {"bull": 0.5, "uptrend": 0.25, "state_3": 0.25}
    target.record(noted(Regime("bull_trend", probabilities=shares, symbol="A"), strategy="s"))
    assert series(target, "ares_regime_probability") == {("bull_trend", "s", "A"): 0.75, ("unknown", "s", "A"): 0.25}

    target.record(noted(Regime("bull_trend", probabilities={"bear_trend": 1.0}, symbol="A"), strategy="s"))

    assert series(target, "ares_regime_probability") == {("bear_trend", "s", "A"): 1.0}


def test_a_regime_without_a_name_changes_nothing() -> None:
    """Examination leaves out a name that is no text; probabilities beside it are kept."""
    target = metrics()
    seen(target, "sideways")
    target.record(noted(Regime(None, probabilities={"bull": 1.0}, symbol="A"), strategy="s"))  # type: ignore[arg-type]

    assert active(target)["sideways"] == 1.0
    assert value(target, "ares_regime_probability", strategy="s", symbol="A", regime="bull_trend") == 1.0


def test_symbols_without_series_still_count_their_changes() -> None:
    """Beyond the limit there is no one-hot gauge of a mix, but transitions add up under `other`."""
    target = metrics(symbols_shown=1)
    for symbol in ("A", "B", "C"):
        for at, name in enumerate(("bull_trend", "sideways", "bull_trend")):
            seen(target, name, at, symbol=symbol)

    assert {labels[2] for labels in series(target, "ares_regime_active")} == {"A"}
    assert series(target, "ares_regime_transitions_total") == {
        ("bull_trend", "s", "A", "sideways"): 1.0,
        ("sideways", "s", "A", "bull_trend"): 1.0,
        ("bull_trend", "s", "other", "sideways"): 2.0,
        ("sideways", "s", "other", "bull_trend"): 2.0,
    }
    assert value(target, "ares_regime_duration_seconds_count", strategy="s", regime="sideways") == 3.0


def test_pairs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regimes of more pairs than the limit are left out, counted and logged."""
    monkeypatch.setattr(regime, "STATES_LIMIT", 1)
    target = metrics()
    seen(target, "sideways", symbol="A")
    seen(target, "sideways", symbol="B")

    assert {labels[2] for labels in series(target, "ares_regime_active")} == {"A"}
    assert GUARD.counts() == {"metrics.regime": 1}


class Timed(Regime, frozen=True):
    """A regime that knows its market time, as other records do."""

    event_time: Annotated[int | None, a.EVENT_TIME] = None


def test_event_times_go_before_everything() -> None:
    """Where records carry market time, a regime lasts from the event that began it to the event that ended it."""
    target = metrics()
    handler = target._handlers[Regime]
    for day, name in enumerate(("bull_trend", "sideways", "bull_trend")):
        record = Timed(name, duration=1.0, symbol="A", event_time=day * 86_400 * SECOND)
        handler(record, noted(record, strategy="s"))

    assert value(target, "ares_regime_duration_seconds_sum", strategy="s", regime="sideways") == 86_400.0
