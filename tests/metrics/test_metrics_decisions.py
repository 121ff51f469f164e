from __future__ import annotations

import math

import pytest
from metrics_story import T0, TRACE, metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.metrics.ensemble import concentration, entropy
from ares_otel.records.facts import DecisionFacts, Origin
from ares_otel.records.model import Decision, FeatureVector, PathStep, Stage, Vote
from ares_otel.semconv.enums import Action, Component


def decided(
    target: Metrics,
    action: Action | None = Action.BUY,
    *,
    votes: tuple[Vote, ...] = (),
    stages: tuple[Stage, ...] = (),
    duration: float = 0.012,
    ended: int = T0,
    error_type: str | None = None,
    abandoned: bool = False,
    kept: bool = True,
    agreement: float | None = None,
    bits: float | None = None,
) -> None:
    """Apply a decision of strategy `s` on symbol `A`."""
    decision = Decision(symbol="A", strategy="s", action=action, confidence=0.66)
    facts = DecisionFacts(
        decision, Origin(exemplar=TRACE if kept else None), duration, ended, stages=stages, votes=votes,
        agreement=agreement, entropy=bits, error_type=error_type, abandoned=abandoned, kept=kept,
    )  # fmt: skip
    target.decision(facts)


def test_actions_start_at_zero_for_a_pair_that_was_seen() -> None:
    """All actions of a strategy and symbol appear with its first decision, none for pairs that nobody saw."""
    target = metrics()
    assert series(target, "ares_decisions_total") == {}

    decided(target)

    assert series(target, "ares_decisions_total") == {
        ("buy", "s", "A"): 1.0,
        ("close", "s", "A"): 0.0,
        ("hold", "s", "A"): 0.0,
        ("none", "s", "A"): 0.0,
        ("sell", "s", "A"): 0.0,
    }


def test_decision_without_a_word_is_counted_as_none() -> None:
    """A decision that ended without saying anything is an action of its own, with its confidence."""
    target = metrics()
    decided(target, None)

    assert value(target, "ares_decisions_total", strategy="s", symbol="A", action="none") == 1.0
    assert value(target, "ares_decision_confidence_count", strategy="s", action="none") == 1.0


def test_strategy_and_symbol_fall_back_to_where_it_happened() -> None:
    """A decision reported without names of its own takes those of its origin; unknown ones are empty labels."""
    target = metrics()
    target.decision(DecisionFacts(Decision(action=Action.BUY), Origin(strategy="s", symbol="A"), 0.1, T0))
    target.decision(DecisionFacts(Decision(action=Action.BUY), Origin(), 0.1, T0))

    assert value(target, "ares_decisions_total", strategy="s", symbol="A", action="buy") == 1.0
    assert value(target, "ares_decisions_total", strategy="", symbol="", action="buy") == 1.0
    assert value(target, "ares_decision_confidence_count", strategy="s", action="buy") is None


def test_last_decision_never_goes_back() -> None:
    """A decision that reaches the worker late does not make the gauge older."""
    target = metrics()
    decided(target, ended=T0 + 5_000_000_000)
    decided(target, ended=T0)

    assert value(target, "ares_last_decision_timestamp_seconds", strategy="s", symbol="A") == T0 / 1e9 + 5.0


def test_correlations_end_in_one_of_three_ways() -> None:
    """Completed, failed and timed out are counted apart, and start at zero together."""
    target = metrics()
    decided(target)
    decided(target, error_type="ValueError")
    decided(target, abandoned=True, error_type="ValueError")
    decided(target)

    counts = series(target, "ares_correlations_total")
    assert counts == {("completed",): 2.0, ("failed",): 1.0, ("timeout",): 1.0}
    assert value(target, "ares_correlation_duration_seconds_count") == 4.0


def test_decisions_that_are_not_traced_are_counted() -> None:
    """Sampling takes traces away, not counts; an unsampled decision leaves no exemplar."""
    target = metrics()
    decided(target, duration=0.012)
    decided(target, duration=0.9, kept=False)

    assert value(target, "ares_decisions_total", strategy="s", symbol="A", action="buy") == 2.0
    assert target.render().count(b'trace_id="' + TRACE.encode()) == 2


def test_stages_are_timed_and_their_errors_counted() -> None:
    """Stages in a decision and stages recorded alone go to the same series; swallowed errors are told apart."""
    target = metrics()
    stages = (
        Stage(Component.ANALYST, duration=0.003),
        Stage(Component.TACTICIAN, duration=0.001, error_type="KeyError", swallowed=True),
        Stage("database", duration=0.001, error_type="TimeoutError", strategy="other-strategy"),
    )
    decided(target, stages=stages)
    target.record(noted(Stage(Component.ANALYST, duration=0.004), strategy="s"))

    assert series(target, "ares_stage_duration_seconds_count") == {
        ("analyst", "s"): 2.0,
        ("tactician", "s"): 1.0,
        ("database", "other-strategy"): 1.0,
    }
    assert series(target, "ares_stage_errors_total") == {
        ("tactician", "KeyError", "true"): 1.0,
        ("database", "TimeoutError", "false"): 1.0,
    }


@pytest.mark.parametrize("duration", [math.nan, -1.0, math.inf])
def test_impossible_duration_of_a_stage_is_left_out(duration: float) -> None:
    """A duration that nobody can have measured is counted as a bad value; the stage's error still counts."""
    target = metrics()
    target.record(noted(Stage(Component.ANALYST, duration=duration, error_type="KeyError")))

    assert GUARD.bad_values() == {("Stage", "duration"): 1}
    assert series(target, "ares_stage_duration_seconds_count") == {}
    assert len(series(target, "ares_stage_errors_total")) == 1


def test_members_votes_weights_and_dissent() -> None:
    """Members are counted by action; the meta-learner is none of them; dissent starts at zero with the first vote."""
    target = metrics()
    votes = (
        Vote("lgbm", Action.BUY, confidence=0.7, weight=0.5),
        Vote("lstm", Action.SELL, confidence=0.6, weight=0.3),
        Vote("rule", Action.BUY, weight=0.2),
        Vote("stacker", Action.SELL, weight=1.0, meta_learner=True),
    )
    decided(target, Action.BUY, votes=votes)

    counts = series(target, "ares_ensemble_votes_total")
    assert {labels: count for labels, count in counts.items() if count} == {
        ("buy", "lgbm", "s"): 1.0,
        ("sell", "lstm", "s"): 1.0,
        ("buy", "rule", "s"): 1.0,
    }
    assert counts["hold", "lgbm", "s"] == 0.0
    assert series(target, "ares_ensemble_dissent_total") == {("lgbm", "s"): 0.0, ("lstm", "s"): 1.0, ("rule", "s"): 0.0}
    assert value(target, "ares_ensemble_agreement_ratio", strategy="s") == pytest.approx(2 / 3)
    assert value(target, "ares_ensemble_entropy_bits", strategy="s") == pytest.approx(0.9182958340544896)
    assert value(target, "ares_ensemble_weight", strategy="s", model_name="lstm") == 0.3
    assert value(target, "ares_ensemble_weight_concentration", strategy="s") == pytest.approx(0.38)


def test_agreement_and_entropy_of_the_decision_are_taken_as_they_are() -> None:
    """What the span says and what the metric says is one number."""
    target = metrics()
    decided(target, votes=(Vote("m", Action.BUY),), agreement=0.25, bits=1.5)

    assert value(target, "ares_ensemble_agreement_ratio", strategy="s") == 0.25
    assert value(target, "ares_ensemble_entropy_bits", strategy="s") == 1.5


def test_nothing_is_made_up_for_votes_without_weights_or_decision() -> None:
    """Without an action there is no agreement and no dissent, without all weights no concentration."""
    target = metrics()
    decided(target, None, votes=(Vote("m", Action.BUY, weight=1.0), Vote("n", Action.SELL)))
    decided(target, Action.BUY, votes=(Vote("m", None),))  # type: ignore[arg-type]

    assert value(target, "ares_ensemble_agreement_ratio", strategy="s") is None
    assert value(target, "ares_ensemble_entropy_bits", strategy="s") == 1.0
    assert value(target, "ares_ensemble_weight_concentration", strategy="s") is None
    assert series(target, "ares_ensemble_dissent_total") == {("m", "s"): 0.0, ("n", "s"): 0.0}


def test_a_meta_learner_alone_is_no_ensemble() -> None:
    """Without members there is nothing to say about the ensemble."""
    target = metrics()
    decided(target, votes=(Vote("stacker", Action.BUY, meta_learner=True),))
    target.record(noted(Vote("stacker", Action.BUY, meta_learner=True), strategy="s"))

    assert series(target, "ares_ensemble_votes_total") == {}
    assert value(target, "ares_ensemble_entropy_bits", strategy="s") is None


def test_vote_recorded_alone_is_counted_without_dissent() -> None:
    """A vote outside of any decision has nothing to dissent from."""
    target = metrics()
    target.record(noted(Vote("m", Action.BUY, weight=0.4), strategy="s"))

    assert value(target, "ares_ensemble_votes_total", strategy="s", model_name="m", action="buy") == 1.0
    assert value(target, "ares_ensemble_weight", strategy="s", model_name="m") == 0.4


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        *(((1.0,), 1.0), ((0.25,) * 4, 0.25), ((0.0, 0.0), None), ((2.0, 0.0), 1.0), ((1e-200, 1e-200), None)),
        ((0.5, math.nan), None),
    ],
)
def test_concentration_of_weights(weights: tuple[float, ...], expected: float | None) -> None:
    """Herfindahl's index is 1/n for equal weights, 1 for one that has all, and unknown where there is no weight."""
    assert concentration(sum(weights), sum(weight * weight for weight in weights)) == expected


@pytest.mark.parametrize(
    ("actions", "expected"),
    [((Action.BUY,) * 5, 0.0), ((Action.BUY, Action.SELL), 1.0), (tuple(Action)[:4], 2.0)],
)
def test_entropy_of_actions(actions: tuple[Action, ...], expected: float) -> None:
    """Entropy is zero bits for one mind, log2(n) for n that are even."""
    assert entropy([Vote("m", action) for action in actions]) == expected


def test_records_without_metrics_change_nothing() -> None:
    """Steps and feature vectors are for the trace only."""
    target = metrics()
    before = target.render()
    target.record(noted(PathStep("gate", value=0.7)))
    target.record(noted(FeatureVector({"rsi": 0.3})))

    assert target.render() == before


def test_a_broken_fact_is_counted_and_the_next_one_is_applied() -> None:
    """An error inside a handler is the telemetry's own affair: counted by place, nothing raised, work goes on."""
    target = metrics()
    target.decision(DecisionFacts(Decision(strategy="s", action=Action.BUY), Origin(), "soon", T0))  # type: ignore[arg-type]
    decided(target)

    assert GUARD.counts() == {"metrics.decision": 1}
    assert value(target, "ares_telemetry_errors_total", where="metrics.decision") == 1.0
    assert value(target, "ares_decision_duration_seconds_count", strategy="s") == 1.0
