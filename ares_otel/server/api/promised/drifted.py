"""Drift under the names of the old ML monitor."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ares_otel.semconv.enums import DriftKind
from ares_otel.server.query.asking import Moment
from ares_otel.server.query.drift.episodes import DriftEpisode, EpisodesAsked, Severity, episodes
from ares_otel.server.query.drift.states import OWN, DriftModel, ModelsAsked, drifting
from ares_otel.server.story.reader import Reader

__all__ = [
    "NO_DRIFT",
    "DriftAlert",
    "DriftAlerts",
    "DriftAsked",
    "Retraining",
    "drift_score",
    "ml_drift",
    "ml_retraining",
]

NO_DRIFT: Final = "no drift checks are stored"
QUIET: Final = "no such episode of drift is stored"
CALM: Final = "no episode of drift is open"
MOST: Final = 200
CROSSED: Final = 1.0
SEVERITIES: Final[dict[str, Severity]] = {"low": "info", "medium": "watch", "high": "warning", "critical": "critical"}
WORDS: Final[dict[str, str]] = {severity: word for word, severity in SEVERITIES.items()}


class DriftAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts."""

    severity: Annotated[Literal["low", "medium", "high", "critical"] | None, Meta(description="of the alert")] = None


class DriftAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of drift: the start of an episode. The score is its evidence in thresholds of its test.

    Severities are low (info), medium (watch), high (warning), critical; an episode does not know the type of its model.
    """

    model_id: str
    model_type: str | None
    drift_type: str
    drift_score: float
    threshold: float
    timestamp: Moment
    features_affected: tuple[str, ...]
    severity: str | None
    description: str | None


class DriftAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of drift, newest first, and why there are none."""

    items: tuple[DriftAlert, ...]
    reason: str | None


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """Models that should be trained again, the worst first, and why none is named."""

    items: tuple[str, ...]
    reason: str | None


def ml_drift(reader: Reader, asked: DriftAsked) -> DriftAlerts:
    """List alerts of drift, the newest 200."""
    severity = None if asked.severity is None else SEVERITIES[asked.severity]
    page = episodes(reader, EpisodesAsked(severity=severity, limit=MOST))
    items = tuple(alert for alert in map(_alert, page.items) if alert is not None)
    return DriftAlerts(items=items, reason=None if items else _silence(reader, QUIET))


def ml_retraining(reader: Reader) -> Retraining:
    """List models that should be trained again: those with an open episode of drift."""
    items = tuple(each.model for each in drifting(reader, ModelsAsked()) if each.open)
    return Retraining(items=items, reason=None if items else _silence(reader, CALM))


def drift_score(model: DriftModel | None, kind: DriftKind) -> float | None:
    """Return the evidence of a kind of drift at its newest check."""
    states = () if model is None else model.states
    return next((each.evidence for each in states if each.kind == kind and each.detector == OWN), None)


def _silence(reader: Reader, reason: str) -> str:
    return reason if drifting(reader, ModelsAsked()) else NO_DRIFT


def _alert(each: DriftEpisode) -> DriftAlert | None:
    if each.model is None or each.kind is None or each.evidence is None:
        return None
    return DriftAlert(
        model_id=each.model,
        model_type=None,
        drift_type=each.kind,
        drift_score=each.evidence,
        threshold=CROSSED,
        timestamp=each.started,
        features_affected=tuple(moved.quantity for moved in each.features),
        severity=None if each.severity is None else WORDS.get(each.severity, each.severity),
        description=each.summary,
    )
