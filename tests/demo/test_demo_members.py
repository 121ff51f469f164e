"""Members: labels, one interface, reproducible by seed."""

from __future__ import annotations

import numpy as np
import pytest
from demo_samples import real_market
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.bars import SP500
from ares_otel.demo.features import FEATURES
from ares_otel.demo.members import (
    CLASSES,
    DEAD_BAND,
    FloatArray,
    IntArray,
    Member,
    Rule,
    five_members,
    labels,
    prediction,
)


@pytest.fixture(scope="module")
def data() -> tuple[FloatArray, IntArray]:
    """Return features and labels of 400 real days."""
    market = real_market(SP500)
    return market.features[1_000:1_400], labels(market.close, market.volatility, 5)[1_000:1_400]


def test_labels() -> None:
    """A move beyond the band is a buy or a sell, else a hold; bars whose future is unknown have no label."""
    close = np.array([100.0, 102.0, 102.1, 100.0, 100.0])

    assert labels(close, np.full(5, 0.01), 1).tolist() == [2, 1, 0, 1]
    assert labels(close, np.full(5, 0.01), 4).tolist() == [1]
    assert labels(close, np.full(5, 0.01), 5).tolist() == []


@settings(deadline=None)
@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.05), st.integers(1, 10))
def test_labels_follow_their_definition(move: float, volatility: float, horizon: int) -> None:
    """The band grows with volatility and the root of the horizon."""
    close = np.full(horizon + 1, 100.0)
    close[-1] = 100 * np.exp(move)
    moved = np.log(close[-1] / close[0])
    band = DEAD_BAND * volatility * np.sqrt(horizon)

    (label,) = labels(close, np.full(horizon + 1, volatility), horizon)

    assert CLASSES[label] == ("buy" if moved > band else "sell" if moved < -band else "hold")


@pytest.mark.parametrize("number", range(5))
def test_one_interface(number: int, data: tuple[FloatArray, IntArray]) -> None:
    """Each of the five gives probabilities of three classes and shares of all features, the same for the same seed."""
    x, y = data
    one, same = five_members()[number], five_members()[number]
    one.fit(x, y, seed=5)
    same.fit(x, y, seed=5)
    chances = one.probabilities(x[:50])

    assert chances.shape == (50, 3)
    assert (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(chances, same.probabilities(x[:50]))
    assert one.importances().shape == (len(FEATURES),)
    assert one.importances().sum() == pytest.approx(1)
    assert (one.importances() >= 0).all()


def test_names_are_unique_and_kinds_are_told() -> None:
    """The ensemble tells its members apart by name."""
    members = five_members()

    assert len({member.name for member in members}) == len(members) == 5
    assert {member.kind for member in members} == {
        "logistic_regression",
        "gradient_boosting",
        "random_forest",
        "rule",
    }


@pytest.mark.parametrize("number", [1, 2])
def test_seed_matters(number: int, data: tuple[FloatArray, IntArray]) -> None:
    """Members that draw give something else for another seed."""
    x, y = data
    one, other = five_members()[number], five_members()[number]
    one.fit(x, y, seed=1)
    other.fit(x, y, seed=2)

    assert (one.probabilities(x) != other.probabilities(x)).any()


@pytest.mark.parametrize("number", range(3))
def test_learners_learn(number: int, data: tuple[FloatArray, IntArray]) -> None:
    """What a feature gives away is found, and the feature is named as important."""
    x, _ = data
    told = FEATURES.index("close_location")
    y = np.digitize(x[:, told], np.quantile(x[:, told], [0.3, 0.7]))
    member = five_members()[number]
    member.fit(x[:300], y[:300], seed=1)

    assert (member.probabilities(x[300:]).argmax(axis=1) == y[300:]).mean() > 0.6
    assert member.importances().argmax() == told


def test_class_never_seen(data: tuple[FloatArray, IntArray]) -> None:
    """A class that did not happen in the training set gets no probability; the others keep their places."""
    x, y = data
    seen = y != 1
    member = five_members()[0]
    member.fit(x[seen], y[seen], seed=1)

    assert (member.probabilities(x)[:, 1] == 0).all()
    assert (member.probabilities(x)[:, [0, 2]] > 0).all()


def test_constant_feature(data: tuple[FloatArray, IntArray]) -> None:
    """A feature that never changes does no harm."""
    x, y = data
    still = x.copy()
    still[:, 3] = 7.0
    member: Member = five_members()[0]
    member.fit(still, y, seed=1)

    assert np.isfinite(member.probabilities(still)).all()


def test_rules_have_a_direction(data: tuple[FloatArray, IntArray]) -> None:
    """Momentum buys what rose, mean reversion buys what fell."""
    x, y = data
    _, _, _, momentum, reversion = five_members()
    up, down = np.full((1, len(FEATURES)), 3.0), np.full((1, len(FEATURES)), -3.0)
    for rule in (momentum, reversion):
        rule.fit(x, y, seed=0)

    tilt = [
        float(np.diff(rule.probabilities(row)[0, [0, 2]])[0]) for rule in (momentum, reversion) for row in (up, down)
    ]

    assert tilt[0] > tilt[1]
    assert tilt[2] < tilt[3]


def test_rule_without_weights(data: tuple[FloatArray, IntArray]) -> None:
    """A rule that looks at nothing says how often each class happened, and no feature counts more than another."""
    x, y = data
    rule = Rule("nothing", {})
    rule.fit(x, y, seed=0)

    np.testing.assert_allclose(rule.probabilities(x[:1])[0], (np.bincount(y) + 1) / (len(y) + 3))
    np.testing.assert_allclose(rule.importances(), 1 / len(FEATURES))


def test_prediction() -> None:
    """The action is the most probable class."""
    made = prediction("m", [0.2, 0.3, 0.5])

    assert (made.member, made.action, made.confidence) == ("m", "buy", 0.5)
    assert made.probabilities == {"sell": 0.2, "hold": 0.3, "buy": 0.5}
