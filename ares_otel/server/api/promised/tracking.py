"""Ensembles, regimes, features, decision paths and behaviors under the names of the old tracking system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from ares_otel.records.model import Vote
from ares_otel.server.query.asking import Moment, Name, Page, Paged, whole_sum
from ares_otel.server.query.decisions import DecisionRow, DecisionsAsked, decisions
from ares_otel.server.query.features import (
    Behavior,
    BehaviorsAsked,
    ImportanceAsked,
    behaviors,
    importances,
)
from ares_otel.server.query.learning import ModelsAsked, confusions
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import DecisionStory, Story

__all__ = [
    "DecisionPath",
    "EnsembleDecision",
    "FeatureImportanceTracking",
    "ModelBehavior",
    "RegimeAnalysis",
    "TrackedAsked",
    "TrackingSummary",
    "ensembles",
    "features",
    "model_behaviors",
    "paths",
    "regime_analyses",
    "summary",
]

SIDES: Final = {"buy": 1.0, "sell": -1.0}
TOP: Final = 10
NO_DRIFT: Final = "no drift checks are stored"


class TrackedAsked(Paged, frozen=True, kw_only=True):
    """Which decisions."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None
    action: Name | None = None
    regime: Name | None = None
    status: Annotated[Literal["ok", "error"] | None, Meta(description="how the decision's span ended")] = None
    limit: Annotated[int, Meta(ge=1, le=100, description="most items of a page")] = 20


class EnsembleDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What an ensemble said. A prediction is the confidence, positive for buy, negative for sell, 0 for any other.

    `ensemble_prediction` is their mean by weight, `consensus_level` the share of members that voted for the decided
    action, `disagreement_score` what is left of it.
    """

    decision_id: str
    timestamp: Moment
    ensemble_models: tuple[str, ...]
    individual_predictions: dict[str, float]
    individual_actions: dict[str, str]
    ensemble_weights: dict[str, float]
    ensemble_prediction: float | None
    confidence_score: float | None
    consensus_level: float | None
    disagreement_score: float | None
    final_decision: str | None
    meta_learner: str | None
    metadata: dict[str, str | None]


class RegimeAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """The regime that a decision saw; `regime_duration` in seconds of market time, indicators as the bot named them."""

    analysis_id: str
    timestamp: Moment
    current_regime: str | None
    regime_confidence: float | None
    regime_probabilities: dict[str, float]
    regime_duration: float | None
    regime_transition_probability: float | None
    market_conditions: dict[str, float | None]
    volatility_level: float | None
    trend_strength: float | None
    regime_indicators: dict[str, float]
    metadata: dict[str, str | None]


class FeatureImportanceTracking(msgspec.Struct, frozen=True, kw_only=True):
    """What a model looks at. Stability is the rank correlation with the report before, of all features together."""

    model_id: str | None
    timestamp: Moment
    feature_importance: dict[str, float]
    importance_stability: float | None
    feature_drift_scores: dict[str, float]
    top_features: tuple[str, ...]
    reasons: dict[str, str]


class DecisionPath(msgspec.Struct, frozen=True, kw_only=True):
    """How a decision came about: the steps in their order, each value against its threshold."""

    decision_id: str
    timestamp: Moment
    components: tuple[str, ...]
    weights: dict[str, float]
    thresholds: dict[str, float]
    sequence: tuple[dict[str, Any], ...]
    final_decision: str | None
    confidence_level: float | None
    metadata: dict[str, str | None]


class ModelBehavior(msgspec.Struct, frozen=True, kw_only=True):
    """How a model behaves. Bias and variance are of its right and wrong outcomes as buy 1, sell -1, other 0.

    `error_patterns` counts outcomes: a side was predicted and did not come (false positive), came and was not
    predicted (false negative), and all wrong ones.
    """

    model_id: str
    timestamp: Moment | None
    prediction_bias: float | None
    prediction_variance: float | None
    prediction_consistency: float | None
    feature_importance_stability: float | None
    prediction_drift: float | None
    adaptation_speed: float | None
    performance_trend: tuple[float, ...]
    error_patterns: dict[str, int]
    outcomes: int
    reasons: dict[str, str]


class TrackingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How much is stored of what is tracked."""

    decisions: int
    votes: int
    regime_episodes: int
    importances: int
    behaviors: int


def ensembles(reader: Reader, asked: TrackedAsked) -> Page[EnsembleDecision]:
    """List what ensembles said, decision by decision, newest first."""
    following, told = _told(reader, asked)
    return Page(items=tuple(_ensemble(row, decision.votes) for row, decision in told), next=following)


def _rows(reader: Reader, asked: TrackedAsked) -> Page[DecisionRow]:
    return decisions(reader, DecisionsAsked(**msgspec.structs.asdict(asked)))


def _ensemble(row: DecisionRow, votes: Sequence[Vote]) -> EnsembleDecision:
    members = {vote.model: vote for vote in votes if vote.model and not vote.meta_learner}
    signed = {name: SIDES.get(str(vote.action), 0.0) * float(vote.confidence or 0.0) for name, vote in members.items()}
    weights = {name: float(vote.weight) for name, vote in members.items() if vote.weight is not None}
    total = sum(weights.values())
    agreed = row.agreement
    if agreed is None and members:
        agreed = sum(vote.action == row.action for vote in members.values()) / len(members)
    return EnsembleDecision(
        decision_id=row.decision_id,
        timestamp=row.time,
        ensemble_models=tuple(members),
        individual_predictions=signed,
        individual_actions={name: str(vote.action or "") for name, vote in members.items()},
        ensemble_weights=weights,
        ensemble_prediction=sum(signed[name] * weight for name, weight in weights.items()) / total if total else None,
        confidence_score=row.confidence,
        consensus_level=agreed,
        disagreement_score=None if agreed is None else 1.0 - agreed,
        final_decision=row.action,
        meta_learner=next((vote.model for vote in votes if vote.meta_learner), None),
        metadata=_metadata(row),
    )


def _metadata(row: DecisionRow) -> dict[str, str | None]:
    names = ("correlation_id", "trace_id", "strategy", "symbol", "venue", "regime")
    return {name: getattr(row, name) for name in names}


def _told(reader: Reader, asked: TrackedAsked) -> tuple[str | None, Iterator[tuple[DecisionRow, DecisionStory]]]:
    """Return the next cursor, and decisions as rows and as they are told."""
    page = _rows(reader, asked)
    stories = ((row, _story(reader, row)) for row in page.items)
    return page.next, ((row, story.decision) for row, story in stories if story is not None and story.decision)


def _story(reader: Reader, row: DecisionRow) -> Story | None:
    return next(iter(reader.find(row.decision_id)), None)


def regime_analyses(reader: Reader, asked: TrackedAsked) -> Page[RegimeAnalysis]:
    """List the regimes that decisions saw, newest first."""
    following, told = _told(reader, asked)
    return Page(items=tuple(_regime(row, decision) for row, decision in told), next=following)


def _regime(row: DecisionRow, told: DecisionStory) -> RegimeAnalysis:
    regime = told.regime
    indicators = dict(regime.indicators or {}) if regime is not None else {}
    names = {"volatility": ("volatility",), "trend_strength": ("trend_strength", "trend"), "momentum": ("momentum",)}
    conditions = {
        name: next((indicators[word] for word in spelled if word in indicators), None)
        for name, spelled in names.items()
    }
    return RegimeAnalysis(
        analysis_id=row.decision_id,
        timestamp=row.time,
        current_regime=row.regime,
        regime_confidence=row.regime_confidence,
        regime_probabilities=dict(regime.probabilities or {}) if regime is not None else {},
        regime_duration=_float(regime.duration) if regime is not None else None,
        regime_transition_probability=_float(regime.transition_probability) if regime is not None else None,
        market_conditions=conditions,
        volatility_level=conditions["volatility"],
        trend_strength=conditions["trend_strength"],
        regime_indicators=indicators,
        metadata=_metadata(row),
    )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def features(reader: Reader, asked: ImportanceAsked) -> Page[FeatureImportanceTracking]:
    """List importances of features, newest first."""
    page = importances(reader, asked)
    found = tuple(
        FeatureImportanceTracking(
            model_id=each.model,
            timestamp=each.time,
            feature_importance=each.importance,
            importance_stability=each.stability,
            feature_drift_scores={},
            top_features=tuple(sorted(each.importance, key=lambda name: -abs(each.importance[name]))[:TOP]),
            reasons={
                "feature_drift_scores": NO_DRIFT,
                **({"importance_stability": "no report before it"} if each.stability is None else {}),
            },
        )
        for each in page.items
    )
    return Page(items=found, next=page.next)


def paths(reader: Reader, asked: TrackedAsked) -> Page[DecisionPath]:
    """List how decisions came about, newest first."""
    following, told = _told(reader, asked)
    return Page(items=tuple(_path(row, decision) for row, decision in told), next=following)


def _path(row: DecisionRow, told: DecisionStory) -> DecisionPath:
    steps = told.path
    return DecisionPath(
        decision_id=row.decision_id,
        timestamp=row.time,
        components=tuple(dict.fromkeys(step.step or "" for step in steps)),
        weights={step.step: float(step.weight) for step in steps if step.step and step.weight is not None},
        thresholds={step.step: float(step.threshold) for step in steps if step.step and step.threshold is not None},
        sequence=tuple(
            {"step": step.step, "value": step.value, "threshold": step.threshold, "passed": step.passed}
            for step in steps
        ),
        final_decision=row.action,
        confidence_level=row.confidence,
        metadata={**_metadata(row), "reason": told.reason},
    )


def model_behaviors(reader: Reader, asked: BehaviorsAsked) -> tuple[ModelBehavior, ...]:
    """Tell how models behave: what the bot measured, and what their outcomes show."""
    said: dict[str, Behavior] = {}
    for each in behaviors(reader, asked).items:
        said.setdefault(each.model or "", each)
    tables = confusions(reader, ModelsAsked(start=asked.start, end=asked.end, model=asked.model))
    return tuple(_behavior(name, said.get(name), tables.get(name, {})) for name in sorted({*said, *tables}))


def _behavior(name: str, said: Behavior | None, table: Mapping[tuple[str, str], int]) -> ModelBehavior:
    errors = Counter[str]()
    for (prediction, actual), n in table.items():
        if prediction != actual:
            errors["prediction_error"] += n
            errors["false_positive"] += n * (prediction in SIDES)
            errors["false_negative"] += n * (actual in SIDES)
    n = sum(table.values())
    misses = [(SIDES.get(one, 0.0) - SIDES.get(other, 0.0), count) for (one, other), count in table.items()]
    bias = sum(value * count for value, count in misses) / n if n else None
    spread = sum(value * value * count for value, count in misses) / n - bias * bias if n and bias is not None else None
    reasons = {"adaptation_speed": "it is not measured"}
    if said is None:
        measured = ("prediction_consistency", "feature_importance_stability", "prediction_drift", "performance_trend")
        reasons |= dict.fromkeys(measured, "the bot reported no behavior of it")
    if not n:
        reasons |= dict.fromkeys(("prediction_bias", "prediction_variance"), "no outcomes of it are stored")
    return ModelBehavior(
        model_id=name,
        timestamp=None if said is None else said.time,
        prediction_bias=bias,
        prediction_variance=spread,
        prediction_consistency=None if said is None else said.prediction_consistency,
        feature_importance_stability=None if said is None else said.feature_importance_stability,
        prediction_drift=None if said is None else said.prediction_drift,
        adaptation_speed=None,
        performance_trend=() if said is None else said.confidence_trend,
        error_patterns={word: errors[word] for word in ("false_positive", "false_negative", "prediction_error")},
        outcomes=n,
        reasons=reasons,
    )


def summary(reader: Reader) -> TrackingSummary:
    """Count what is tracked."""
    return TrackingSummary(
        decisions=_sum(reader, t.hourly.c.n),
        votes=_sum(reader, t.vote_daily.c.n),
        regime_episodes=_count(reader, t.regime_episode.c.started),
        importances=_count(reader, t.importance.c.id),
        behaviors=_count(reader, t.behavior.c.id),
    )


def _sum(reader: Reader, column: Any) -> int:
    return int(reader.db.execute(select(func.coalesce(whole_sum(column), 0))).scalar_one())


def _count(reader: Reader, column: Any) -> int:
    return int(reader.db.execute(select(func.count(column))).scalar_one())
