from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_story import T0, metrics, noted, series, value
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from ares_otel.metrics import Metrics, models
from ares_otel.metrics.importance import rank_correlation
from ares_otel.metrics.models import brier, judged
from ares_otel.records.model import FeatureImportance, ModelInfo, Outcome, Prediction
from ares_otel.semconv.enums import OutcomeResult

CORRECT, WRONG = OutcomeResult.CORRECT, OutcomeResult.WRONG
M = {"model_name": "m"}


def matured(target: Metrics, number: int, *, right: bool, probability: float | None = None) -> None:
    """Record a prediction and what came true."""
    target.record(noted(Prediction("m", "buy", probability=probability, key=str(number))))
    target.record(noted(Outcome("m", "buy" if right else "sell", key=str(number))))


def test_predictions_are_counted_and_timed() -> None:
    """Every prediction counts; inference time where it is known."""
    target = metrics()
    target.record(noted(Prediction("m", 1, duration=0.002)))
    target.record(noted(Prediction("m", 1)))

    assert value(target, "ares_model_predictions_total", **M) == 2.0
    assert value(target, "ares_model_inference_duration_seconds_count", **M) == 1.0


def test_outcomes_are_joined_by_key_or_by_correlation() -> None:
    """An outcome finds its prediction by its key, else by the correlation that both belong to."""
    target = metrics()
    target.record(noted(Prediction("m", "1", key="k")))
    target.record(noted(Prediction("m", "0"), correlation="c1"))
    target.record(noted(Outcome("m", "1", key="k")))
    target.record(noted(Outcome("m", "1", key="c1")))

    assert series(target, "ares_model_outcomes_total") == {("m", "correct"): 1.0, ("m", "wrong"): 1.0}


def test_an_outcome_can_tell_everything_itself() -> None:
    """A result, or a prediction, in the outcome needs no earlier record; without either nothing is counted."""
    target = metrics()
    target.record(noted(Outcome("m", None, result=CORRECT)))
    target.record(noted(Outcome("m", "sell", prediction="buy")))
    target.record(noted(Outcome("m", "sell")))
    target.record(noted(Outcome("m", "sell", key="never predicted")))

    assert series(target, "ares_model_outcomes_total") == {("m", "correct"): 1.0, ("m", "wrong"): 1.0}


def test_waiting_predictions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest prediction is forgotten when too many wait; its outcome then says nothing."""
    monkeypatch.setattr(models, "PENDING_LIMIT", 2)
    target = metrics()
    for key in ("a", "b", "c"):
        target.record(noted(Prediction("m", 1, key=key)))
    for key in ("a", "b", "c"):
        target.record(noted(Outcome("m", 1, key=key)))

    assert series(target, "ares_model_outcomes_total") == {("m", "correct"): 2.0, ("m", "wrong"): 0.0}


def test_scores_need_thirty_and_look_at_two_hundred() -> None:
    """Hit rate and Brier score are absent below the minimum and over the window after it."""
    target = metrics()
    score = {**M, "score": "accuracy", "window": "200"}
    for number in range(29):
        matured(target, number, right=False, probability=0.6)
    assert value(target, "ares_model_score", **score) is None
    assert value(target, "ares_model_brier_score", **M) is None

    matured(target, 29, right=True, probability=0.6)
    assert value(target, "ares_model_score", **score) == pytest.approx(1 / 30)
    assert value(target, "ares_model_brier_score", **M) == pytest.approx((29 * 0.36 + 0.16) / 30)

    for number in range(30, 230):
        matured(target, number, right=True)
    assert value(target, "ares_model_score", **score) == 1.0
    assert value(target, "ares_model_brier_score", **M) == pytest.approx((29 * 0.36 + 0.16) / 30)


def test_models_too_many_are_counted_but_not_scored_together() -> None:
    """The hit rate of fifty different models in one gauge would be nobody's."""
    target = metrics()
    for number in range(51):
        for _ in range(30):
            target.record(noted(Outcome(f"m{number}", 1, prediction=1)))

    assert value(target, "ares_model_outcomes_total", model_name="other", result="correct") == 30.0
    assert len(series(target, "ares_model_score")) == 50


@pytest.mark.parametrize(
    ("predicted", "actual", "expected"),
    [
        ("buy", "BUY", CORRECT),
        ("buy", "sell", WRONG),
        ("1", 1.0, CORRECT),
        (0, 1, WRONG),
        ("0.013", 0.002, CORRECT),
        (0.013, -0.002, WRONG),
        (-0.013, -2.0, CORRECT),
        (0.5, 0.0, None),
        (0.0, 0.5, WRONG),
        ("buy", 1, None),
        (1, "buy", None),
        (None, 1, None),
        (1, None, None),
        ("nan", "nan", CORRECT),
        ("inf", 1.0, None),
    ],
)
def test_what_came_true(
    predicted: str | float | None, actual: str | float | None, expected: OutcomeResult | None
) -> None:
    """Classes have to be equal, forecasts of a return have to have its direction; anything else cannot be told."""
    assert judged(predicted, actual) == expected


@pytest.mark.parametrize(
    ("probability", "probabilities", "actual", "right", "expected"),
    [
        (0.75, None, "up", True, 0.0625),
        (0.75, None, "up", False, 0.5625),
        (None, {"up": 0.75, "down": 0.25}, "up", True, 0.0625),
        (None, {"up": 0.75, "down": 0.25}, "down", False, 0.5625),
        (None, {"a": 0.0, "b": 1.0, "c": 0.0}, "a", False, 1.0),
        (0.9, {"0": 0.1, "1": 0.9}, 1, True, 0.01),
        (0.5, {"up": 1.0}, "sideways", True, 0.25),
        (None, {"up": 1.0}, "sideways", False, None),
        (None, None, "up", True, None),
    ],
)
def test_brier_score(
    probability: float | None,
    probabilities: dict[str, float] | None,
    actual: str | int,
    right: bool,  # noqa: FBT001
    expected: float | None,
) -> None:
    """Between 0 and 1 for any number of classes, the well-known (p - y)² for two, unknown without a probability."""
    score = brier(probability, probabilities, actual, right)

    assert score == (None if expected is None else pytest.approx(expected))


def test_only_the_present_version_has_a_series() -> None:
    """A new version takes the place of the former one, with its time of training; a hundred versions are one series."""
    target = metrics()
    for number in range(100):
        target.record(noted(ModelInfo("m", version=f"v{number}", trained_at=T0)))
    assert series(target, "ares_model_info") == {("m", "v99"): 1.0}
    assert value(target, "ares_model_trained_timestamp_seconds", **M) == T0 / 1e9

    target.record(noted(ModelInfo("m", version="w")))

    assert series(target, "ares_model_info") == {("m", "w"): 1.0}
    assert value(target, "ares_model_trained_timestamp_seconds", **M) is None


def test_info_of_models_too_many_is_absent() -> None:
    """Beyond fifty models the info metric stays as it is."""
    target = metrics()
    for number in range(60):
        target.record(noted(ModelInfo(f"m{number}", version="1")))

    assert len(series(target, "ares_model_info")) == 50


def test_the_most_important_features_are_shown_and_the_rest_summed() -> None:
    """The first K by size have series; one that falls out loses its series; `other` is the sum of the rest."""
    target = metrics(features_shown=2)
    target.record(noted(FeatureImportance("m", {"rsi": 0.5, "vol": -0.4, "hour": 0.1, "day": 0.05})))
    assert series(target, "ares_feature_importance") == {
        ("rsi", "m"): 0.5,
        ("vol", "m"): -0.4,
        ("other", "m"): pytest.approx(0.15),
    }

    target.record(noted(FeatureImportance("m", {"rsi": 0.1, "hour": 0.9})))

    assert series(target, "ares_feature_importance") == {("rsi", "m"): 0.1, ("hour", "m"): 0.9}
    assert value(target, "ares_feature_importance_stability", **M) is None


def test_stability_is_the_rank_correlation_of_the_last_two() -> None:
    """The same order gives 1, the reverse -1; no importances or too many models give nothing."""
    target = metrics()
    for values in ({"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 30.0, "b": 2.5, "c": 1.0}):
        target.record(noted(FeatureImportance("m", values)))
    assert value(target, "ares_feature_importance_stability", **M) == pytest.approx(1.0)

    target.record(noted(FeatureImportance("m", None)))
    target.record(noted(FeatureImportance("m", {"a": 1.0, "b": 2.0, "c": 3.0})))
    assert value(target, "ares_feature_importance_stability", **M) == pytest.approx(-1.0)

    for number in range(60):
        target.record(noted(FeatureImportance(f"m{number}", {"a": 1.0})))
    assert len(series(target, "ares_feature_importance")) == 49 + 3


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=40))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    """Spearman's correlation with mean ranks for ties, None where one side has no order."""
    first, second = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic)


def test_rank_correlation_needs_three() -> None:
    """Two features are always perfectly ordered, which says nothing."""
    assert rank_correlation([1.0, 2.0], [1.0, 2.0]) is None
