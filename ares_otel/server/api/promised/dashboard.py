"""The old metrics dashboard: all its groups, its current metrics, and their histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import case, func, select

from ares_otel.semconv.enums import DriftKind
from ares_otel.server.api.promised.drifted import NO_DRIFT, drift_score
from ares_otel.server.api.promised.earnings import (
    EarningsAsked,
    PerformanceMetrics,
    SystemHealthMetrics,
    TradingAnalytics,
    analytics,
    earnings,
    health,
)
from ares_otel.server.query.asking import Moment, Name, NotFoundError, Period, whole_sum
from ares_otel.server.query.drift.states import ModelsAsked as WatchedAsked
from ares_otel.server.query.drift.states import drifting
from ares_otel.server.query.features import ImportanceAsked, importances
from ares_otel.server.query.history import METRICS, MetricName, Point, history
from ares_otel.server.query.learning import ModelsAsked, models
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.outlook import seconds
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Dashboard",
    "DashboardAsked",
    "DashboardMetric",
    "HistoryAsked",
    "MetricPoint",
    "ModelBehaviorMetrics",
    "behavior_metrics",
    "dashboard",
    "metric_history",
]

CURRENT: Final[tuple[MetricName, ...]] = (
    "total_pnl",
    "win_rate",
    "sharpe_ratio",
    "cpu_usage",
    "memory_usage",
    "error_rate",
    "active_positions",
    "total_exposure",
)
LOOK_BACK: Final = 86_400.0 * 30
DRIFT: Final = {"concept_drift_score": DriftKind.CONCEPT, "data_drift_score": DriftKind.DATA}
DEAD_BAND: Final = 1.0
TREND_DAYS: Final = 30
FEWEST: Final = 10


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a metric at a time."""

    metric_name: str
    metric_type: str
    value: float
    timestamp: Moment
    unit: str
    metadata: dict[str, str]


class DashboardMetric(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of a metric against the one before it in the same series; `stable` within 1 %."""

    metric_name: str
    metric_type: str
    current_value: float
    previous_value: float | None
    change_percentage: float | None
    trend: Literal["up", "down", "stable"] | None
    last_updated: Moment
    unit: str
    metadata: dict[str, str]


class ModelBehaviorMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How a model does: hit rate, mean confidence of its votes, hit rate by day (days with ten outcomes or more).

    Scores of drift are evidence at the newest check, in thresholds of its test: above 1 it has crossed.
    """

    model_accuracy: float | None
    prediction_confidence: float | None
    feature_importance_stability: float | None
    concept_drift_score: float | None
    data_drift_score: float | None
    model_performance_trend: tuple[float, ...]
    last_retraining: Moment | None
    outcomes: int
    reasons: dict[str, str]


class Dashboard(msgspec.Struct, frozen=True, kw_only=True):
    """All at once. A metric without values is not among the current ones; `reasons` names it."""

    timestamp: Moment
    performance_metrics: PerformanceMetrics
    model_behavior_metrics: dict[str, ModelBehaviorMetrics]
    system_health_metrics: SystemHealthMetrics
    trading_analytics: TradingAnalytics
    current_metrics: dict[str, DashboardMetric]
    reasons: dict[str, str]


class DashboardAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose dashboard; histories are of all strategies."""

    strategy: Name | None = None


class HistoryAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which metric, how far back."""

    metric_name: Annotated[MetricName, Meta(description="metric")]
    window: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[smhdw]$", description="how far back, as 1h or 30d")] = "1h"


def dashboard(reader: Reader, asked: DashboardAsked) -> Dashboard:
    """Return performance, behavior of models, health, analytics of trading, and current metrics."""
    series = {name: history(reader, name, LOOK_BACK) for name in CURRENT}
    return Dashboard(
        timestamp=datetime.now(UTC),
        performance_metrics=earnings(reader, EarningsAsked(strategy=asked.strategy)),
        model_behavior_metrics=behavior_metrics(reader),
        system_health_metrics=health(reader, Period()),
        trading_analytics=analytics(reader, EarningsAsked(strategy=asked.strategy)),
        current_metrics={name: _current(name, points) for name, points in series.items() if points},
        reasons={name: "nothing of it was measured in 30 days" for name, points in series.items() if not points},
    )


def _current(name: MetricName, points: Sequence[Point]) -> DashboardMetric:
    now, before = points[-1], points[-2].value if len(points) > 1 else None
    change = (now.value - before) / abs(before) * 100.0 if before else None
    trend: Literal["up", "down", "stable"] | None = None
    if before is not None:
        steady = abs(change) <= DEAD_BAND if change is not None else now.value == before
        trend = "stable" if steady else "up" if now.value > before else "down"
    return DashboardMetric(
        metric_name=name,
        metric_type=METRICS[name].kind,
        current_value=now.value,
        previous_value=before,
        change_percentage=change,
        trend=trend,
        last_updated=now.time,
        unit=METRICS[name].unit,
        metadata=_metadata(name),
    )


def _metadata(name: MetricName) -> dict[str, str]:
    return {"clock": "market time" if METRICS[name].market else "wall time"}


def metric_history(reader: Reader, asked: HistoryAsked) -> tuple[MetricPoint, ...]:
    """Return the history of a metric, oldest first; in market time the window ends with its newest value."""
    return tuple(
        MetricPoint(
            metric_name=asked.metric_name,
            metric_type=METRICS[asked.metric_name].kind,
            value=value,
            timestamp=at,
            unit=METRICS[asked.metric_name].unit,
            metadata=_metadata(asked.metric_name),
        )
        for at, value in history(reader, asked.metric_name, seconds(asked.window))
    )


def behavior_metrics(reader: Reader, model: str | None = None) -> dict[str, ModelBehaviorMetrics]:
    """Return how models do, by name."""
    confidence, trend = _confidences(reader), _trends(reader, model)
    watched = {each.model: each for each in drifting(reader, WatchedAsked())}
    found = {}
    for each in _models(reader, model):
        stability = next(
            (one.stability for one in importances(reader, ImportanceAsked(model=each.model, limit=1)).items), None
        )
        drift = {name: drift_score(watched.get(each.model), kind) for name, kind in DRIFT.items()}
        reasons = {name: NO_DRIFT for name, score in drift.items() if score is None}
        if each.hit_rate.reason is not None:
            reasons["model_accuracy"] = each.hit_rate.reason
        if each.model not in confidence:
            reasons["prediction_confidence"] = "no vote of this model said its confidence"
        if stability is None:
            reasons["feature_importance_stability"] = "fewer than two reports of importances"
        found[each.model] = ModelBehaviorMetrics(
            model_accuracy=each.hit_rate.value,
            prediction_confidence=confidence.get(each.model),
            feature_importance_stability=stability,
            **drift,
            model_performance_trend=tuple(trend.get(each.model, ())),
            last_retraining=each.trained,
            outcomes=each.hit_rate.n,
            reasons=reasons,
        )
    return found


def _models(reader: Reader, model: str | None) -> Sequence[Any]:
    try:
        return models(reader, ModelsAsked(model=model))
    except NotFoundError:
        return ()


def _confidences(reader: Reader) -> dict[str, float]:
    """Return the mean confidence of votes by model."""
    row = t.vote_daily.c
    query = select(row.model, whole_sum(row.confidence_sum), whole_sum(row.confidence_n)).group_by(row.model)
    rows = reader.db.execute(query).all()
    known = words(reader, (each[0] for each in rows))
    return {known[model]: total / n / 1e4 for model, total, n in rows if n and model in known}


def _trends(reader: Reader, model: str | None) -> dict[str, list[float]]:
    """Return hit rates by day of the last days, of days with enough outcomes."""
    row = t.outcome_daily.c
    newest = reader.db.execute(select(func.max(row.day))).scalar()
    if newest is None:
        return {}
    right = whole_sum(case((row.result == number(reader, "result", "correct"), row.n), else_=0))
    query = select(row.model, row.day, right, whole_sum(row.n)).where(row.day > newest - TREND_DAYS)
    if model is not None:
        query = query.where(row.model == number(reader, "model", model))
    rows = reader.db.execute(query.group_by(row.model, row.day).order_by(row.day)).all()
    known = words(reader, (each[0] for each in rows))
    found: dict[str, list[float]] = {}
    for one, _, hits, n in rows:
        if n >= FEWEST and one in known:
            found.setdefault(known[one], []).append(hits / n)
    return found
