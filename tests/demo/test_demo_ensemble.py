"""The vote: weights follow what is known to have been right, and nothing else."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.ensemble import GUESSING, LEAST_WEIGHT, Ensemble
from ares_otel.demo.members import CLASSES, Prediction, labels, prediction

NAMES = ("a", "b", "c")
UP = (0.1, 0.2, 0.7)
DOWN = (0.7, 0.2, 0.1)
STILL = (0.2, 0.6, 0.2)


def predictions(*chances: tuple[float, float, float]) -> list[Prediction]:
    """Return one prediction per member, in the order of NAMES."""
    return [prediction(name, each) for name, each in zip(NAMES, chances, strict=False)]


rates = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1))


@settings(deadline=None)
@given(rates)
def test_weights(hit_rates: dict[str, float]) -> None:
    """They sum to 1, nobody is silenced, and who was right more often never weighs less."""
    weights = Ensemble(5, hit_rates).weights(NAMES)

    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= LEAST_WEIGHT / (1 + 2 * LEAST_WEIGHT) - 1e-12
    ordered = sorted(NAMES, key=lambda name: hit_rates.get(name, GUESSING))
    assert [weights[name] for name in ordered] == sorted(weights.values())


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), min_size=3, max_size=3), st.floats(0, 1), rates)
def test_vote(raw: list[tuple[float, float, float]], threshold: float, hit_rates: dict[str, float]) -> None:
    """Shares, agreement and tilt stay in their ranges; the action is the leaning when its share is enough."""
    chances = [tuple(value / sum(each) for value in each) for each in raw]
    verdict = Ensemble(5, hit_rates).vote([prediction(n, c) for n, c in zip(NAMES, chances, strict=True)], threshold)

    assert 1 / 3 - 1e-9 <= verdict.confidence <= 1
    assert 1 / 3 - 1e-9 <= verdict.agreement <= 1
    assert -1 <= verdict.tilt <= 1
    assert verdict.action == (verdict.leaning if verdict.confidence > threshold else "hold")


def test_reason() -> None:
    """The comparison is told in words, on both sides of the threshold."""
    votes = predictions(UP, UP, DOWN)

    assert Ensemble(5).vote(votes, 0.6).reason == "weighted vote for buy 0.67 > 0.60"
    assert Ensemble(5).vote(votes, 0.7).reason == "weighted vote for buy 0.67 <= 0.70"
    assert Ensemble(5).vote(votes, 0.7).action == "hold"


def test_confidence_weighs() -> None:
    """Two who hardly believe it are outvoted by one who does."""
    verdict = Ensemble(5).vote(predictions((0.32, 0.33, 0.35), (0.32, 0.33, 0.35), (0.9, 0.05, 0.05)), 0.5)

    assert (verdict.leaning, verdict.agreement) == ("sell", 1 / 3)


def test_only_what_is_known_counts() -> None:
    """Weights stay as they were until the horizon of a vote is over; then who was right gains."""
    ensemble = Ensemble(3)
    ensemble.expect("d1", predictions(UP, DOWN, STILL), price=100.0, volatility=0.01)
    before = ensemble.weights(NAMES)

    assert ensemble.learn(110.0) == ensemble.learn(120.0) == []
    assert ensemble.weights(NAMES) == before
    (matured,) = ensemble.learn(105.0)
    assert (matured.key, matured.actual, matured.move) == ("d1", "buy", math.log(1.05))
    assert matured.votes == {"a": "buy", "b": "sell", "c": "hold"}
    after = ensemble.weights(NAMES)
    assert after["a"] > before["a"]
    assert after["b"] == after["c"] < before["b"]
    assert ensemble.awaited == []


@settings(deadline=None)
@given(st.integers(1, 8), st.lists(st.floats(90, 110), min_size=1, max_size=40))
def test_outcomes_are_the_labels(horizon: int, prices: list[float]) -> None:
    """A vote at each bar is judged once, `horizon` bars later, by the very label that members learn."""
    ensemble, matured = Ensemble(horizon), []
    for number, price in enumerate(prices):
        matured += ensemble.learn(price)
        ensemble.expect(str(number), predictions(UP), price, 0.01)
        assert len(ensemble.awaited) <= horizon
    expected = labels(np.array(prices), np.full(len(prices), 0.01), horizon)

    assert [each.key for each in matured] == [str(number) for number in range(len(expected))]
    assert [each.actual for each in matured] == [CLASSES[label] for label in expected]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_hit_rate_is_a_rate(rights: list[bool]) -> None:
    """It stays between 0 and 1 and remembers recent outcomes better than old ones."""
    ensemble = Ensemble(1)
    for right in rights:
        ensemble.expect("d", predictions(UP if right else DOWN), 100.0, 0.001)
        ensemble.learn(110.0)

    assert 0 <= ensemble.hit_rates["a"] <= 1
    if len(set(rights)) == 1 and len(rights) > 200:
        assert ensemble.hit_rates["a"] == pytest.approx(float(rights[0]), abs=0.1)


def test_survives_json() -> None:
    """An ensemble that was saved in the middle of a vote goes on."""
    ensemble = Ensemble(2)
    ensemble.expect("d1", predictions(UP, DOWN), 100.0, 0.01)
    ensemble.learn(101.0)
    restored = msgspec.json.decode(msgspec.json.encode(ensemble), type=Ensemble)

    assert restored == ensemble
    assert restored.learn(99.0) == ensemble.learn(99.0)
    assert restored == ensemble


def test_remembers_the_regime() -> None:
    """The outcome says the regime that the decision saw; a state from before regimes were remembered loads without."""
    ensemble = Ensemble(1)
    ensemble.expect("d1", predictions(UP), 100.0, 0.01, regime="breakout")
    saved = msgspec.json.encode(ensemble)
    before = msgspec.json.decode(saved.replace(b',"regime":"breakout"', b""), type=Ensemble)

    assert [each.regime for each in ensemble.learn(101.0)] == ["breakout"]
    assert [each.regime for each in msgspec.json.decode(saved, type=Ensemble).learn(101.0)] == ["breakout"]
    assert [each.regime for each in before.learn(101.0)] == [None]
