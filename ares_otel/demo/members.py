"""The members of the ensemble: three learners and two rules behind one interface.

Each is fitted on past features and labels and then gives, for every row of features, the probabilities of the classes
`sell`, `hold` and `buy`. A member knows nothing of time: `walkforward` decides what it may see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from ares_otel.demo.features import FEATURES

__all__ = ["CLASSES", "Action", "Learner", "Member", "Prediction", "Rule", "five_members", "labels", "prediction"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Action = Literal["sell", "hold", "buy"]

CLASSES: tuple[Action, ...] = ("sell", "hold", "buy")
DIRECTIONS = np.array([-1.0, 0.0, 1.0])

# A move counts as one when it is larger than this share of what the month's volatility makes usual for the horizon.
# 0.35 standard deviations split a normal distribution into 36 % sell, 28 % hold, 36 % buy.
DEAD_BAND = 0.35


class Prediction(msgspec.Struct, frozen=True):
    """What one member says about one bar.

    Attributes:
        member: name of the member.
        action: its most probable class.
        confidence: the probability of that class, 0..1.
        probabilities: of `sell`, `hold` and `buy`; they sum to 1.
    """

    member: str
    action: Action
    confidence: float
    probabilities: dict[str, float]


def prediction(member: str, probabilities: Sequence[float]) -> Prediction:
    """Make a prediction of three probabilities in the order of `CLASSES`."""
    best = max(range(len(CLASSES)), key=probabilities.__getitem__)
    by_class: dict[str, float] = dict(zip(CLASSES, probabilities, strict=True))
    return Prediction(member, CLASSES[best], probabilities[best], by_class)


def labels(close: FloatArray, volatility: FloatArray, horizon: int) -> IntArray:
    """Return the class that each bar turned out to be: 0 sell, 1 hold, 2 buy.

    Shape (bars - horizon,): the last `horizon` bars have no label yet, because their future is not known.
    """
    if len(close) <= horizon:
        return np.empty(0, dtype=np.int64)
    move = np.log(close[horizon:] / close[:-horizon])
    band = DEAD_BAND * volatility[:-horizon] * np.sqrt(horizon)
    return np.asarray(1 + (move > band) - (move < -band).astype(np.int64))


class Member(Protocol):
    """What the ensemble needs of a member.

    Attributes:
        name: unique in the ensemble.
        kind: family of the model, for people.
    """

    name: str
    kind: str

    def fit(self, x: FloatArray, y: IntArray, seed: int) -> None:
        """Learn from features of shape (rows, features) and labels 0, 1, 2 of shape (rows,)."""

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Return the probabilities of `CLASSES` for each row: shape (rows, 3)."""

    def importances(self) -> FloatArray:
        """Return how much each feature counts: shape (features,), zero or more, sum 1."""


class Learner:
    """A scikit-learn classifier, built anew with a given seed at each fit.

    Args:
        name: name of the member, and its kind.
        build: makes the unfitted classifier of a seed.
        weigh: reads the weight of each feature from the fitted classifier.
    """

    def __init__(self, name: str, build: Callable[[int], Any], weigh: Callable[[Any], FloatArray]) -> None:
        self.name = self.kind = name
        self._build = build
        self._weigh = weigh

    def fit(self, x: FloatArray, y: IntArray, seed: int) -> None:
        """Standardize the features and fit a new classifier."""
        self._mean, self._scale = x.mean(axis=0), np.maximum(x.std(axis=0), np.finfo(float).tiny)
        self._model = self._build(seed).fit(self._standard(x), y)

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Return the classifier's probabilities; a class that it never saw has none."""
        table = np.zeros((len(x), len(CLASSES)))
        table[:, self._model.classes_] = self._model.predict_proba(self._standard(x))
        return table

    def importances(self) -> FloatArray:
        """Return the weights of the features, scaled to sum 1."""
        return _shares(self._weigh(self._model))

    def _standard(self, x: FloatArray) -> FloatArray:
        return np.asarray((x - self._mean) / self._scale)


class Rule:
    """A trader's rule with a fixed direction; only its scale and the base rates of the classes are learned.

    Args:
        name: name of the member.
        weights: weight of each feature it looks at: positive buys when the feature is high, negative when it is low.
    """

    kind = "rule"
    sharpness = 0.6

    def __init__(self, name: str, weights: dict[str, float]) -> None:
        self.name = name
        self._weights = np.array([weights.get(feature, 0.0) for feature in FEATURES])

    def fit(self, x: FloatArray, y: IntArray, seed: int) -> None:  # noqa: ARG002 - a rule draws nothing
        """Learn how large the score usually is, and how often each class happened."""
        self._scale = max(float((x @ self._weights).std()), np.finfo(float).tiny)
        self._base = np.log((np.bincount(y, minlength=len(CLASSES)) + 1) / (len(y) + len(CLASSES)))

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Return the base rates, tilted by the score."""
        score = np.clip(x @ self._weights / self._scale, -3, 3)
        grown = np.exp(self._base + self.sharpness * np.outer(score, DIRECTIONS))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))

    def importances(self) -> FloatArray:
        """Return the absolute weights, scaled to sum 1."""
        return _shares(np.abs(self._weights))


def five_members() -> tuple[Member, ...]:
    """Return the five members of the demo, not yet fitted."""
    return (
        Learner("logistic_regression", _logistic_regression, _coefficients),
        Learner("gradient_boosting", _gradient_boosting, _gains),
        Learner("random_forest", _random_forest, _gains),
        Rule("momentum", {"return_20": 1.0, "return_60": 1.0, "distance_sma_50": 0.25}),
        Rule("mean_reversion", {"rsi_14": -2.0, "range_position_20": -1.0, "return_1": -0.5}),
    )


# Small on purpose: daily returns hold little, and a demo has to refit some hundred times in a minute.
def _logistic_regression(seed: int) -> Any:
    return LogisticRegression(C=0.02, max_iter=300, random_state=seed)


def _gradient_boosting(seed: int) -> Any:
    return GradientBoostingClassifier(
        n_estimators=15, max_depth=2, subsample=0.5, max_features=4, min_samples_leaf=15, random_state=seed
    )


def _random_forest(seed: int) -> Any:
    return RandomForestClassifier(n_estimators=30, max_depth=4, min_samples_leaf=15, random_state=seed)


def _coefficients(model: Any) -> FloatArray:
    return np.asarray(np.abs(model.coef_).mean(axis=0))


def _gains(model: Any) -> FloatArray:
    return np.asarray(model.feature_importances_)


def _shares(weights: FloatArray) -> FloatArray:
    total = weights.sum()
    return weights / total if total > 0 else np.full_like(weights, 1 / len(weights))
