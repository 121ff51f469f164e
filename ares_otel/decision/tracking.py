"""The three ingest calls that the old system's documents promised; they make the same records as everything else.

A prediction may be a word ("buy"), a mapping with `prediction` and `confidence`, or a signed number whose sign is the
direction (0 holds) and whose size, when it is at most 1, is the confidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ares_otel.decision.api import current, decision, record, span
from ares_otel.guard import GUARD
from ares_otel.records import ModelInfo, Regime, Vote
from ares_otel.semconv.enums import Action

__all__ = ["record_ensemble_tracking", "record_model_behavior_tracking", "record_regime_tracking"]


class _Said(NamedTuple):
    action: str
    confidence: float | None


def record_ensemble_tracking(
    ensemble_id: str,
    ensemble_type: str | None = None,
    individual_predictions: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    ensemble_weights: Mapping[str, float] | None = None,
    final_prediction: Any = None,
    confidence: float | None = None,
) -> None:
    """Say how an ensemble voted and decided: votes and resolution of the current decision, or of one made for it.

    Args:
        ensemble_id: name of the ensemble; the strategy when there is no current decision.
        ensemble_type: family of the ensemble, kept as the members' type where they have none.
        individual_predictions: prediction by model, or mappings with `model_id`, `prediction` and `confidence`.
        ensemble_weights: weight by model.
        final_prediction: what the ensemble decided.
        confidence: confidence in that, 0..1.
    """
    with GUARD.shield("record_ensemble_tracking"):
        votes = _votes(individual_predictions or {}, ensemble_weights or {}, ensemble_type)
        said = _prediction(final_prediction)
        live = current()
        if live is not None:
            live.votes(votes)
            live.resolve(said.action, confidence=confidence, reason=f"ensemble {ensemble_id}")
            return
        with decision(strategy=ensemble_id) as made:
            made.votes(votes)
            made.resolve(said.action, confidence=confidence, reason=f"ensemble {ensemble_id}")


def record_regime_tracking(
    regime_type: str,
    regime_confidence: float | None = None,
    regime_probabilities: Mapping[str, float] | None = None,
    regime_features: Iterable[str] | None = None,
    regime_indicators: Mapping[str, float] | None = None,
    regime_transition_probability: float | None = None,
) -> None:
    """Say which regime the market is in; the names of the features that found it become its method."""
    with GUARD.shield("record_regime_tracking"):
        features = ", ".join(str(name) for name in regime_features or ())
        record(
            Regime(
                regime_type,
                confidence=regime_confidence,
                probabilities=regime_probabilities,
                indicators=regime_indicators,
                transition_probability=regime_transition_probability,
                method=features or None,
            )
        )


def record_model_behavior_tracking(
    model_id: str,
    prediction_consistency: float | None = None,
    confidence_trend: Iterable[float] | None = None,
    feature_importance_stability: float | None = None,
    prediction_drift: float | None = None,
) -> None:
    """Say how a model behaves: the model is recorded, its figures as attributes of a span `model behavior`."""
    with GUARD.shield("record_model_behavior_tracking"):
        record(ModelInfo(model_id))
        figures = {
            "ares.model.prediction_consistency": prediction_consistency,
            "ares.model.feature_importance_stability": feature_importance_stability,
            "ares.model.prediction_drift": prediction_drift,
        }
        attributes: dict[str, Any] = {key: value for key, value in figures.items() if value is not None}
        attributes["ares.model.name"] = model_id
        trend = [float(value) for value in confidence_trend or ()]
        if trend:
            attributes["ares.model.confidence_trend"] = trend
        with span("model behavior", attributes):
            pass


def _votes(given: Any, weights: Mapping[str, float], family: str | None) -> list[Vote]:
    pairs = given.items() if isinstance(given, Mapping) else ((_model_of(each), each) for each in given)
    return [_vote(str(model), said, weights.get(model), family) for model, said in pairs]


def _model_of(given: Mapping[str, Any]) -> str:
    return str(given.get("model_id") or given.get("model") or given.get("model_type") or "unknown")


def _vote(model: str, given: Any, weight: float | None, family: str | None) -> Vote:
    said = _prediction(given)
    facts = given if isinstance(given, Mapping) else {}
    return Vote(
        model,
        said.action,
        confidence=said.confidence,
        weight=weight,
        version=facts.get("model_version"),
        type=facts.get("model_type") or family,
        probabilities=facts.get("probability") if isinstance(facts.get("probability"), Mapping) else None,
    )


def _prediction(given: Any) -> _Said:
    if isinstance(given, Mapping):
        inner = _prediction(given.get("prediction"))
        return _Said(inner.action, given.get("confidence", inner.confidence))
    if isinstance(given, str):
        return _Said(given, None)
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        action = Action.BUY if given > 0 else Action.SELL if given < 0 else Action.HOLD
        return _Said(action, abs(float(given)) if abs(given) <= 1 else None)
    return _Said(Action.NONE, None)
