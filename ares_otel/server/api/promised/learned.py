"""Models under the names of the old ML monitor, and reports: as far as their data exist."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta
from sqlalchemy import select

from ares_otel.semconv.enums import DriftSeverity
from ares_otel.server.api.promised.dashboard import behavior_metrics
from ares_otel.server.api.promised.drifted import NO_DRIFT
from ares_otel.server.api.promised.tracking import EnsembleDecision, TrackedAsked, ensembles
from ares_otel.server.query.asking import Moment, Name, NotFoundError, Page, Paged, row_time
from ares_otel.server.query.drift.states import DriftModel, drifting
from ares_otel.server.query.drift.states import ModelsAsked as WatchedAsked
from ares_otel.server.query.features import ImportanceAsked, importances
from ares_otel.server.query.judging import HitsAsked, hits
from ares_otel.server.query.learning import Model, ModelsAsked, models
from ares_otel.server.query.naming import NOBODY, number
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT
from ares_otel.server.story.reader import Reader

__all__ = [
    "FeatureImportanceRow",
    "FeaturesAsked",
    "ModelPerformance",
    "MonitoringSummary",
    "OnlineAsked",
    "OnlineLearning",
    "ReportRun",
    "ReportSchedule",
    "ReportsAsked",
    "feature_importance",
    "ml_ensembles",
    "ml_features",
    "ml_models",
    "ml_online",
    "ml_summary",
    "report_history",
    "report_schedule",
]

DRIFT: Final = ("total_alerts", "critical_alerts", "drift_detection_enabled")
FIRST_REPORT: Final = "stability is said from the second report of a model on"
NO_ONLINE: Final = "online learning is not measured"
NO_OUTCOMES: Final = "no outcome of this model is stored with its classes"
TOO_FEW: Final = "no day has enough outcomes of this model"


ModelId = Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT, description="name of the model")]


class ModelPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """How a model does. `accuracy` is its hit rate; precision, recall and F1 are means over the classes."""

    model_id: str
    model_type: str | None
    version: str | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1_score: float | None
    auc_score: float | None
    prediction_confidence: float | None
    feature_importance_stability: float | None
    concept_drift_score: float | None
    data_drift_score: float | None
    status: str | None
    last_retraining: Moment | None
    details: Model
    reasons: dict[str, str]


class FeatureImportanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Importance of a feature at one report; the greatest has rank 1."""

    model_id: str | None
    timestamp: Moment
    feature_name: str
    importance_score: float
    importance_rank: int
    stability_score: float | None
    drift_score: float | None
    reasons: dict[str, str]


class MonitoringSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Models at a glance; `average_performance` is that of hit rates by model, alerts are open episodes of drift."""

    total_models: int
    total_alerts: int | None
    critical_alerts: int | None
    average_performance: dict[str, float]
    drift_detection_enabled: bool
    feature_importance_tracking: bool
    online_learning_enabled: bool
    reasons: dict[str, str]


class FeaturesAsked(Paged, frozen=True, kw_only=True):
    """Which model's, and which reports."""

    model_id: ModelId


class OnlineAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which model."""

    model_id: ModelId


class OnlineLearning(msgspec.Struct, frozen=True, kw_only=True):
    """How a model learns while it runs; no bot reports that yet, so each part is null, with its reason."""

    model_id: str
    learning_rate: float | None
    adaptation_speed: float | None
    knowledge_retention: float | None
    forgetting_curve: tuple[float, ...] | None
    performance_trend: tuple[float, ...] | None
    last_update: Moment | None
    reasons: dict[str, str]


class ReportsAsked(Paged, frozen=True, kw_only=True):
    """Which runs of reports."""

    report: Name | None = None


class ReportRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a report."""

    report_type: str | None
    generated_at: Moment
    schedule_type: str | None
    recipients: tuple[str, ...]
    file_path: str | None
    status: str | None
    seconds: float | None


class ReportSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Reports that are scheduled, and why there are none."""

    items: tuple[str, ...]
    reason: str | None


def ml_models(reader: Reader, asked: ModelsAsked) -> tuple[ModelPerformance, ...]:
    """List how models do."""
    measured = behavior_metrics(reader, asked.model)
    watched = {each.model: each for each in drifting(reader, WatchedAsked())}
    found = []
    for each in models(reader, asked):
        own, status = measured.get(each.model), _status(watched.get(each.model))
        scores = {"precision": each.scores.precision, "recall": each.scores.recall, "f1_score": each.scores.f1}
        found.append(
            ModelPerformance(
                model_id=each.model,
                model_type=each.type,
                version=each.version,
                accuracy=each.hit_rate.value,
                **scores,
                auc_score=None,
                prediction_confidence=None if own is None else own.prediction_confidence,
                feature_importance_stability=None if own is None else own.feature_importance_stability,
                concept_drift_score=None if own is None else own.concept_drift_score,
                data_drift_score=None if own is None else own.data_drift_score,
                status=status,
                last_retraining=each.trained,
                details=each,
                reasons={
                    **(own.reasons if own is not None else {}),
                    **dict.fromkeys((name for name, value in scores.items() if value is None), NO_OUTCOMES),
                    "auc_score": "outcomes carry classes, not scores",
                    **({"status": NO_DRIFT} if status is None else {}),
                },
            )
        )
    return tuple(found)


def _status(watched: DriftModel | None) -> str | None:
    """Return how a model stands by its checks for drift."""
    return None if watched is None else "drifting" if watched.open else "stable"


def ml_features(reader: Reader, asked: ImportanceAsked) -> Page[FeatureImportanceRow]:
    """List importances feature by feature, newest report first; `limit` counts reports."""
    page = importances(reader, asked)
    found = []
    for each in page.items:
        order = sorted(each.importance, key=each.importance.__getitem__, reverse=True)
        found += [
            FeatureImportanceRow(
                model_id=each.model,
                timestamp=each.time,
                feature_name=name,
                importance_score=each.importance[name],
                importance_rank=rank,
                stability_score=each.stability,
                drift_score=None,
                reasons={"drift_score": NO_DRIFT}
                | ({"stability_score": FIRST_REPORT} if each.stability is None else {}),
            )
            for rank, name in enumerate(order, start=1)
        ]
    return Page(items=tuple(found), next=page.next)


def ml_ensembles(reader: Reader, asked: TrackedAsked) -> Page[EnsembleDecision]:
    """List what ensembles said, newest first."""
    return ensembles(reader, asked)


def ml_summary(reader: Reader) -> MonitoringSummary:
    """Sum up models and their hit rates."""
    found = [(each.model, each.hit_rate.value) for each in hits(reader, HitsAsked()) if each.overall]
    known, watched = models(reader, ModelsAsked()), drifting(reader, WatchedAsked())
    alerts = [state.severity for each in watched for state in each.states if state.is_open]
    return MonitoringSummary(
        total_models=len(known),
        total_alerts=len(alerts) if watched else None,
        critical_alerts=alerts.count(DriftSeverity.CRITICAL) if watched else None,
        average_performance={model or "": value for model, value in found if value is not None},
        drift_detection_enabled=bool(watched),
        feature_importance_tracking=True,
        online_learning_enabled=False,
        reasons={
            **({} if watched else dict.fromkeys(DRIFT, NO_DRIFT)),
            "online_learning_enabled": NO_ONLINE,
        },
    )


def ml_online(reader: Reader, asked: OnlineAsked) -> OnlineLearning:
    """Tell how a model learns online: its hit rate by day; the rest is not measured."""
    _known(reader, asked.model_id)
    own = behavior_metrics(reader, asked.model_id).get(asked.model_id)
    trend = () if own is None else own.model_performance_trend
    unknown = ("learning_rate", "adaptation_speed", "knowledge_retention", "forgetting_curve", "last_update")
    return OnlineLearning(
        model_id=asked.model_id,
        learning_rate=None,
        adaptation_speed=None,
        knowledge_retention=None,
        forgetting_curve=None,
        performance_trend=trend or None,
        last_update=None,
        reasons=dict.fromkeys(unknown, NO_ONLINE) | ({} if trend else {"performance_trend": TOO_FEW}),
    )


def _known(reader: Reader, model: str) -> None:
    if number(reader, "model", model) == NOBODY:
        raise NotFoundError(f"there is no model {model}")


def feature_importance(reader: Reader, asked: FeaturesAsked) -> Page[FeatureImportanceRow]:
    """List the importances of a model's features, newest report first; `limit` counts reports."""
    _known(reader, asked.model_id)
    same = {name: getattr(asked, name) for name in ("start", "end", "limit", "cursor")}
    return ml_features(reader, ImportanceAsked(model=asked.model_id, **same))


def report_history(reader: Reader, asked: ReportsAsked) -> Page[ReportRun]:
    """List runs of reports, newest first."""
    row = t.report.c
    conditions = [row.id >= asked.low, row.id < asked.before]
    if asked.report is not None:
        conditions.append(row.report == asked.report)
    rows = reader.db.execute(select(t.report).where(*conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    found = tuple(
        ReportRun(
            report_type=each.report,
            generated_at=row_time(each.id),
            schedule_type=each.schedule,
            recipients=_recipients(each.recipients),
            file_path=each.path,
            status=each.status,
            seconds=each.seconds,
        )
        for each in rows
    )
    return Page(items=found, next=str(rows[-1].id) if len(rows) == asked.limit else None)


def _recipients(data: str | None) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(data or "[]", type=tuple[str, ...])
    except msgspec.DecodeError:
        return ()


def report_schedule(reader: Reader) -> ReportSchedule:
    """List scheduled reports."""
    del reader
    return ReportSchedule(items=(), reason="this server schedules no reports")
