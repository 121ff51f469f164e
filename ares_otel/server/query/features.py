"""What models look at, and how they behave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.asking import Moment, Name, Page, Paged, row_time
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Behavior",
    "BehaviorsAsked",
    "Importance",
    "ImportanceAsked",
    "behaviors",
    "importances",
    "rank_correlation",
]

HISTORY: Final = 200
"""Older reports that are looked at for the one before."""

FEWEST: Final = 3


class ImportanceAsked(Paged, frozen=True, kw_only=True):
    """Whose importances."""

    model: Name | None = None


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """Importance of a model's features at one report.

    `stability` is Spearman's rank correlation with the report before, over the features that both have; null for the
    first.
    """

    model: str | None
    time: Moment
    method: str | None
    importance: dict[str, float]
    stability: float | None


def importances(reader: Reader, asked: ImportanceAsked) -> Page[Importance]:
    """List importances of features with their stability, newest first."""
    row = t.importance.c
    conditions = [row.id >= asked.low, row.id < asked.before]
    if asked.model is not None:
        conditions.append(row.model == number(reader, "model", asked.model))
    query = select(t.importance).where(*conditions).order_by(row.id.desc())
    rows = reader.db.execute(query.limit(asked.limit + HISTORY)).all()
    known = words(reader, (each.model for each in rows))
    parsed = [(each, _numbers(each.data)) for each in rows]
    found = []
    for place, (each, data) in enumerate(parsed[: asked.limit]):
        older = next((other for before, other in parsed[place + 1 :] if before.model == each.model), None)
        found.append(
            Importance(
                model=known.get(each.model),
                time=row_time(each.id),
                method=each.method,
                importance=data,
                stability=None if older is None else rank_correlation(data, older),
            )
        )
    return Page(items=tuple(found), next=str(rows[asked.limit - 1].id) if len(rows) > asked.limit else None)


def rank_correlation(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Return Spearman's rank correlation over common keys (ties share their mean rank); None for fewer than three."""
    common = sorted(one.keys() & other.keys())
    if len(common) < FEWEST:
        return None
    first, second = (_ranks([side[key] for key in common]) for side in (one, other))
    middle = (len(common) - 1) / 2.0
    top = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    below = math.sqrt(sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second))
    return top / below if below else None


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def _numbers(data: str | None) -> dict[str, float]:
    try:
        return msgspec.json.decode(data or "{}", type=dict[str, float])
    except msgspec.DecodeError:
        return {}


class BehaviorsAsked(Paged, frozen=True, kw_only=True):
    """Whose behavior."""

    model: Name | None = None


class Behavior(msgspec.Struct, frozen=True, kw_only=True):
    """How a model behaves, as the bot measured it."""

    model: str | None
    time: Moment
    prediction_consistency: float | None
    feature_importance_stability: float | None
    prediction_drift: float | None
    confidence_trend: tuple[float, ...]


def behaviors(reader: Reader, asked: BehaviorsAsked) -> Page[Behavior]:
    """List what bots said about the behavior of their models, newest first."""
    row = t.behavior.c
    conditions = [row.id >= asked.low, row.id < asked.before]
    if asked.model is not None:
        conditions.append(row.model == number(reader, "model", asked.model))
    rows = reader.db.execute(select(t.behavior).where(*conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    known = words(reader, (each.model for each in rows))
    found = tuple(
        Behavior(
            model=known.get(each.model),
            time=row_time(each.id),
            prediction_consistency=each.consistency,
            feature_importance_stability=each.stability,
            prediction_drift=each.drift,
            confidence_trend=_list(each.trend),
        )
        for each in rows
    )
    return Page(items=found, next=str(rows[-1].id) if len(rows) == asked.limit else None)


def _list(data: str | None) -> tuple[float, ...]:
    try:
        return msgspec.json.decode(data or "[]", type=tuple[float, ...])
    except msgspec.DecodeError:
        return ()
