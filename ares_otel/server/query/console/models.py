"""Models: what they said, how often it came true, when they were trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import func, select

from ares_otel.server.query.asking import row_ns
from ares_otel.server.query.naming import known, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "UNIT",
    "Importance",
    "ModelRow",
    "Score",
    "Training",
    "importance",
    "model_rows",
    "results_by_regime",
    "scores",
    "training",
    "votes_by",
]

LOOKED_AT: Final = 40_000
BINS: Final = 24
SMALLEST: Final = 20
MOST: Final = 100
UNIT: Final = 10_000


class Training(msgspec.Struct, frozen=True):
    """The newest thing that was said of a model in use; times in Unix ns."""

    said: int
    version: str | None
    type: str | None
    trained_at: int | None
    rows: int | None
    features: int | None


class Importance(msgspec.Struct, frozen=True):
    """Importance of features, the largest first."""

    said: int
    method: str | None
    largest: Sequence[tuple[str, float]]


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model: its votes (`agreed`: for the action that was decided), and what came true of `judged` of them."""

    name: str
    number: int
    votes: int
    agreed: int
    confidence: float | None
    weight: float | None
    judged: int
    correct: int
    training: Training | None


class Score(msgspec.Struct, frozen=True):
    """Outcomes of a stretch of time, Unix ns: how many there are and were right, and the regime of most of them."""

    begin: int
    end: int
    n: int
    correct: int
    regime: str | None = None


def model_rows(reader: Reader) -> Sequence[ModelRow]:
    """Return all models by name."""
    row = t.outcome_daily.c
    said = _said(reader)
    judged: dict[int, dict[int, int]] = {}
    for model, result, n in reader.db.execute(
        select(row.model, row.result, func.sum(row.n)).group_by(row.model, row.result)
    ):
        judged.setdefault(int(model), {})[int(result)] = int(n)
    word = words(reader, [result for each in judged.values() for result in each])
    told = []
    for number, name in known(reader, "model", MOST):
        n, agreed, confidence, weight = said.get(number, (0, 0, None, None))
        results = {word.get(result): count for result, count in judged.get(number, {}).items()}
        right = results.get("correct", 0)
        told.append(
            ModelRow(
                name=name, number=number, votes=n, agreed=agreed, confidence=confidence,
                weight=weight, judged=right + results.get("wrong", 0), correct=right,
                training=training(reader, number),
            )
        )  # fmt: skip
    return told


def _said(reader: Reader) -> dict[int, tuple[int, int, float | None, float | None]]:
    """Return, by model, its votes, those for what was decided, mean confidence and mean weight of those that say it."""
    vote = t.vote_daily.c
    columns = (vote.n, vote.agreed, vote.confidence_sum, vote.confidence_n, vote.weight_sum, vote.weight_n)
    query = select(vote.model, *(func.sum(column) for column in columns)).group_by(vote.model)
    return {
        int(model): (int(n), int(agreed), _mean(sure, sure_n), _mean(weight, weight_n))
        for model, n, agreed, sure, sure_n, weight, weight_n in reader.db.execute(query)
    }


def _mean(total: int, n: int) -> float | None:
    """Return a mean of what is stored in units of 1e-4."""
    return float(total) / UNIT / int(n) if n else None


def training(reader: Reader, model: int) -> Training | None:
    """Return when and on what a model was trained, as it was said last."""
    row = t.model.c
    query = select(t.model).where(row.model == model).order_by(row.id.desc()).limit(1)
    found = reader.db.execute(query).first()
    if found is None:
        return None
    return Training(row_ns(found.id), found.version, found.type, found.trained_at, found.rows, found.features)


def importance(reader: Reader, model: int, most: int = 15) -> Importance | None:
    """Return the importance of a model's features, as it was said last."""
    row = t.importance.c
    found = reader.db.execute(select(t.importance).where(row.model == model).order_by(row.id.desc()).limit(1)).first()
    if found is None:
        return None
    values = {str(name): float(value) for name, value in json.loads(found.data or "{}").items()}
    ordered = sorted(values.items(), key=lambda pair: -abs(pair[1]))
    return Importance(row_ns(found.id), found.method, ordered[:most])


def scores(reader: Reader, model: int) -> Sequence[Score]:
    """Return the newest outcomes of a model in stretches of equal number, by time."""
    row = t.outcome.c
    inner = select(row.id, row.model, row.result, row.regime).order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    found = list(reader.db.execute(select(inner.c.id, inner.c.result, inner.c.regime).where(inner.c.model == model)))
    word = words(reader, {each.result for each in found}, {each.regime for each in found})
    judged = (each for each in found if each.result in word)
    told = sorted((int(each.id), word[each.result] == "correct", word.get(each.regime, "")) for each in judged)
    size = max(len(told) // BINS, SMALLEST)
    parts = [told[begin : begin + size] for begin in range(0, len(told), size)]
    return [
        Score(row_ns(part[0][0]), row_ns(part[-1][0]), len(part), sum(right for _, right, _ in part), _most(part))
        for part in parts
        if len(part) >= SMALLEST
    ]


def _most(part: Sequence[tuple[int, bool, str]]) -> str | None:
    """Return the regime that most outcomes of a stretch say."""
    counts = Counter(regime for _, _, regime in part if regime)
    return counts.most_common(1)[0][0] if counts else None


def votes_by(reader: Reader, model: int) -> Mapping[str, Mapping[str, tuple[int, int]]]:
    """Return votes by regime and action: how many, and how many for the action that was decided."""
    row = t.vote_daily.c
    query = select(row.regime, row.action, func.sum(row.n), func.sum(row.agreed)).where(row.model == model)
    found = list(reader.db.execute(query.group_by(row.regime, row.action)))
    word = words(reader, [number for each in found for number in each[:2]])
    told: dict[str, dict[str, tuple[int, int]]] = {}
    for regime, action, n, agreed in found:
        told.setdefault(word.get(regime, "not said"), {})[word.get(action, "not said")] = (int(n), int(agreed or 0))
    return told


def results_by_regime(reader: Reader, model: int | None = None) -> Mapping[str, tuple[int, int]]:
    """Return outcomes by regime, of one model or all: how many were judged, how many were right."""
    row = t.outcome_daily.c
    query = select(row.regime, row.result, func.sum(row.n)).group_by(row.regime, row.result)
    found = list(reader.db.execute(query if model is None else query.where(row.model == model)))
    word = words(reader, [number for each in found for number in each[:2]])
    told: dict[str, tuple[int, int]] = {}
    for regime, result, n in found:
        if word.get(result) in {"correct", "wrong"}:
            judged, right = told.get(word.get(regime, ""), (0, 0))
            told[word.get(regime, "")] = (judged + int(n), right + (int(n) if word[result] == "correct" else 0))
    return told
