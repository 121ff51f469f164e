"""Models that are watched, and how each stands now."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import select

from ares_otel.semconv.enums import DriftKind, DriftSeverity
from ares_otel.server.query.asking import Moment, Name, NotFoundError, row_time
from ares_otel.server.query.drift.pairing import pairs
from ares_otel.server.query.drift.verdicts import NAMED, Verdict, facts_of
from ares_otel.server.query.naming import words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["NEWEST", "OWN", "DriftModel", "DriftState", "ModelsAsked", "drifting", "kinds_of", "rank"]

OWN: Final = "ares"
"""The detector whose verdict is an episode; those of others are second opinions."""
NEWEST: Final = 100
"""Newest checks of a model and kind among which each detector's is looked for."""
RANKS: Final = {severity.value: severity.level for severity in DriftSeverity}


class ModelsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which models."""

    model: Name | None = None


class DriftState(Verdict, frozen=True, kw_only=True):
    """The newest check of a model and kind by a detector, and when that was."""

    kind: str
    checked: Moment

    @property
    def is_open(self) -> bool:
        """Whether an episode is open; features that are named in one are no episode of their own."""
        return self.episode is not None and self.detector == OWN and self.kind != DriftKind.FEATURE


class DriftModel(msgspec.Struct, frozen=True, kw_only=True):
    """A watched model; `open` counts its open episodes, `severity` is that of the worst of them."""

    model: str
    open: int
    severity: str | None
    checked: Moment
    states: tuple[DriftState, ...]


def drifting(reader: Reader, asked: ModelsAsked) -> tuple[DriftModel, ...]:
    """List the models that are watched for drift: those with open episodes first, the worst before the others."""
    found: dict[str, list[DriftState]] = {}
    for model, kind in pairs(reader, asked.model):
        found.setdefault(words(reader, [model])[model], []).extend(_states(reader, model, kind))
    if asked.model is not None and not found:
        raise NotFoundError(f"no check for drift of a model {asked.model} is stored")
    made = [_model(name, states) for name, states in found.items() if states]
    return tuple(sorted(made, key=lambda each: (-rank(each.severity), -each.open, each.model)))


def rank(severity: str | None) -> int:
    """Return how much a severity asks for, 0 for none."""
    return RANKS.get(severity or "", 0)


def kinds_of(reader: Reader, model: str) -> dict[str, int]:
    """Return the kinds of drift that a model was checked for, with their numbers."""
    known = [kind for _, kind in pairs(reader, model)]
    return {words(reader, known)[kind]: kind for kind in known}


def _model(name: str, states: list[DriftState]) -> DriftModel:
    is_open = [each for each in states if each.is_open]
    worst = max(is_open, key=lambda each: rank(each.severity), default=None)
    return DriftModel(
        model=name,
        open=len(is_open),
        severity=None if worst is None else worst.severity,
        checked=max(each.checked for each in states),
        states=tuple(states),
    )


def _states(reader: Reader, model: int, kind: int) -> list[DriftState]:
    """Return the newest check of each detector, ours first."""
    row = t.drift_check.c
    query = select(t.drift_check).where(row.model == model, row.kind == kind).order_by(row.id.desc()).limit(NEWEST)
    newest: dict[int | None, Any] = {}
    for each in reader.db.execute(query):
        newest.setdefault(each.detector, each)
    known = words(reader, *([getattr(each, name) for name in NAMED] for each in newest.values()))
    made = [DriftState(**facts_of(each, known), checked=row_time(each.id)) for each in newest.values()]
    return sorted(made, key=lambda each: (each.detector != OWN, each.detector or ""))
