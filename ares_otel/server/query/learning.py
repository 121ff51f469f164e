"""Models: version, age, votes, and how often they were right, class by class."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.statistic import Statistic, absent
from ares_otel.server.query.asking import DAY, Moment, Name, NotFoundError, Period, clock, row_time, whole_sum, within
from ares_otel.server.query.judging import HitsAsked, hits, mean
from ares_otel.server.query.naming import NOBODY, number, words
from ares_otel.server.query.scoring import share
from ares_otel.server.store import schema as t
from ares_otel.server.store.packed import judgments, of_models
from ares_otel.server.story.reader import Reader

__all__ = [
    "ClassScore",
    "Model",
    "ModelsAsked",
    "Scores",
    "Version",
    "confusions",
    "market_now",
    "models",
    "scores",
]

MATURED: Final = 50_000
"""Newest outcomes that precision and recall are counted over."""

VERSIONS: Final = 2_000


class ModelsAsked(Period, frozen=True, kw_only=True):
    """Which models; the period is that of their outcomes."""

    model: Name | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a model, with its first report."""

    version: str | None
    reported: Moment
    trained: Moment | None
    rows: int | None
    features: int | None


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """Precision, recall and F1 of a predicted class. F1 has no interval."""

    name: str
    precision: Statistic
    recall: Statistic
    f1: float | None


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Scores over the newest outcomes with a class predicted and a class that came true (`n` of them).

    `precision`, `recall` and `f1` are means over the classes that came true (macro).
    """

    n: int
    accuracy: Statistic
    precision: float | None
    recall: float | None
    f1: float | None
    classes: tuple[ClassScore, ...]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model: its version, votes and how often it was right; its age is that at the newest decision, in its time.

    `confidence` and `weight` are means over the votes that say them.
    """

    model: str
    version: str | None
    type: str | None
    trained: Moment | None
    age_seconds: float | None
    rows: int | None
    features: int | None
    versions: tuple[Version, ...]
    reported: Moment | None
    votes: int
    agreed: Statistic
    confidence: float | None
    weight: float | None
    hit_rate: Statistic
    scores: Scores


class _Votes(msgspec.Struct, frozen=True):
    n: int = 0
    agreed: int = 0
    confidence: float | None = None
    weight: float | None = None


SILENT: Final = _Votes()


def models(reader: Reader, asked: ModelsAsked) -> tuple[Model, ...]:
    """List the models that were reported, voted or had outcomes, by name."""
    reported = _versions(reader, asked.model)
    voted = _vote_totals(reader, asked)
    right = {
        each.model: each.hit_rate
        for each in hits(reader, HitsAsked(start=asked.start, end=asked.end, model=asked.model))
        if each.overall and each.model is not None
    }
    tables = confusions(reader, asked)
    now = market_now(reader)
    names = sorted({*reported, *voted, *right, *tables})
    if asked.model is not None and not names:
        raise NotFoundError(f"nothing is stored of a model {asked.model}")
    return tuple(
        _model(name, now, reported.get(name, ()), voted.get(name, SILENT), right.get(name), tables.get(name, {}))
        for name in names
    )


def _model(
    name: str,
    now: datetime,
    versions: Sequence[tuple[Version, str | None]],
    votes: _Votes,
    right: Statistic | None,
    table: Mapping[tuple[str, str], int],
) -> Model:
    newest, kind = versions[0] if versions else (None, None)
    trained = None if newest is None else newest.trained
    return Model(
        model=name,
        version=None if newest is None else newest.version,
        type=kind,
        trained=trained,
        age_seconds=None if trained is None else (now - trained).total_seconds(),
        rows=None if newest is None else newest.rows,
        features=None if newest is None else newest.features,
        versions=tuple(version for version, _ in versions),
        reported=None if newest is None else newest.reported,
        votes=votes.n,
        agreed=share(votes.agreed, votes.n, "votes"),
        confidence=votes.confidence,
        weight=votes.weight,
        hit_rate=right or absent(0, "no outcomes of it are stored"),
        scores=scores(table),
    )


def market_now(reader: Reader) -> datetime:
    """Return the market time of the newest decision, or the wall time where it said none."""
    row = t.decision.c
    newest = reader.db.execute(select(row.event_time).order_by(row.id.desc()).limit(1)).scalar()
    return clock(newest) or datetime.now(UTC)


def _versions(reader: Reader, model: str | None) -> dict[str, list[tuple[Version, str | None]]]:
    """Return the versions of each model, newest first, each with its family."""
    query = select(t.model).order_by(t.model.c.id.desc()).limit(VERSIONS)
    if model is not None:
        query = query.where(t.model.c.model == number(reader, "model", model))
    rows = reader.db.execute(query).all()
    known = words(reader, (each.model for each in rows))
    found: dict[str, dict[tuple[str | None, int | None], tuple[Version, str | None]]] = {}
    for each in rows:
        name = known.get(each.model)
        if name is not None:
            version = Version(
                version=each.version,
                reported=row_time(each.id),
                trained=clock(each.trained_at),
                rows=each.rows,
                features=each.features,
            )
            own = found.setdefault(name, {})
            own[each.version, each.trained_at] = (version, each.type)
    return {name: list(own.values()) for name, own in found.items()}


def _vote_totals(reader: Reader, asked: ModelsAsked) -> dict[str, _Votes]:
    row = t.vote_daily.c
    names = ("n", "agreed", "confidence_sum", "confidence_n", "weight_sum", "weight_n")
    query = select(row.model, *(whole_sum(row[name]) for name in names)).where(*within(row.day, asked, DAY))
    if asked.model is not None:
        query = query.where(row.model == number(reader, "model", asked.model))
    rows = reader.db.execute(query.group_by(row.model)).all()
    known = words(reader, (model for model, *_ in rows))
    return {
        known[model]: _Votes(n, agreed, mean(sure, sure_n), mean(weight, weight_n))
        for model, n, agreed, sure, sure_n, weight, weight_n in rows
        if model in known
    }


def confusions(reader: Reader, asked: ModelsAsked) -> dict[str, dict[tuple[str, str], int]]:
    """Count predicted and true classes of each model, over its newest outcomes."""
    row = t.outcome.c
    conditions = [row.id >= asked.low, row.id < asked.high, row.actual.is_not(None)]
    own = None if asked.model is None else number(reader, "model", asked.model)
    if own == NOBODY:
        return {}
    if own is not None:
        conditions.append(of_models(row.judgments, (own,)))
    newest = reader.db.execute(
        select(row.judgments, row.actual).where(*conditions).order_by(row.id.desc()).limit(MATURED)
    )
    judged = ((each, actual) for text, actual in newest for each in judgments(text) if own in {None, each.model})
    counts = Counter(
        (each.model, each.prediction, actual)
        for each, actual in itertools.islice(judged, MATURED)
        if each.prediction is not None
    )
    known = words(reader, (one for each in counts for one in each))
    found: dict[str, dict[tuple[str, str], int]] = {}
    for (model, prediction, actual), n in counts.items():
        if model in known and prediction is not None:
            found.setdefault(known[model], {})[known[prediction], known[actual]] = n
    return found


def scores(table: Mapping[tuple[str, str], int]) -> Scores:
    """Return the scores that a table of predicted and true classes gives."""
    n = sum(table.values())
    truths = sorted({actual for _, actual in table})
    classes = tuple(_class(name, table) for name in truths)
    return Scores(
        n=n,
        accuracy=share(sum(count for (said, true), count in table.items() if said == true), n, "outcomes"),
        precision=_macro([each.precision.value for each in classes]),
        recall=_macro([each.recall.value for each in classes]),
        f1=_macro([each.f1 for each in classes]),
        classes=classes,
    )


def _class(name: str, table: Mapping[tuple[str, str], int]) -> ClassScore:
    good = table.get((name, name), 0)
    said = sum(count for (prediction, _), count in table.items() if prediction == name)
    true = sum(count for (_, actual), count in table.items() if actual == name)
    precision, recall = share(good, said, "predictions of it"), share(good, true, "times that it came true")
    known = precision.value is not None and recall.value is not None
    return ClassScore(
        name=name, precision=precision, recall=recall, f1=2.0 * good / (said + true) if known and said + true else None
    )


def _macro(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
