"""What models voted and how often they were right, with n and an interval: from roll-ups."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, func, select

from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import DAY, Name, Period, whole_sum, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.scoring import Sums, share
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["UNIT", "Hits", "HitsAsked", "VoteSum", "VotesAsked", "hits", "mean", "votes"]

CORRECT: Final = "correct"
UNIT: Final = 10_000
"""Confidences and weights of votes are stored in parts of this."""


class VotesAsked(Period, frozen=True, kw_only=True):
    """Which votes; whole days (UTC) of wall time are counted."""

    model: Name | None = None
    regime: Name | None = None


class VoteSum(msgspec.Struct, frozen=True, kw_only=True):
    """Votes of a model for an action in a regime. `agreed`: share that was for what was decided."""

    model: str | None
    regime: str | None
    action: str | None
    n: int
    confidence: float | None
    weight: float | None
    agreed: Statistic


def votes(reader: Reader, asked: VotesAsked) -> tuple[VoteSum, ...]:
    """Sum votes by model, regime and action."""
    row = t.vote_daily.c
    sums = [
        whole_sum(row[name]) for name in ("n", "confidence_n", "confidence_sum", "weight_n", "weight_sum", "agreed")
    ]
    keys = (row.model, row.regime, row.action)
    query = select(*keys, *sums).where(*within(row.day, asked, DAY), *_named(reader, row, asked)).group_by(*keys)
    rows = reader.db.execute(query).all()
    known = words(reader, (one for each in rows for one in each[:3]))
    found = [
        VoteSum(
            model=known.get(model),
            regime=known.get(regime),
            action=known.get(action),
            n=n,
            confidence=mean(confidence, confidence_n),
            weight=mean(weight, weight_n),
            agreed=share(agreed, n, "votes"),
        )
        for model, regime, action, n, confidence_n, confidence, weight_n, weight, agreed in rows
    ]
    return tuple(sorted(found, key=lambda each: (each.model or "", each.regime or "", each.action or "")))


def mean(total: int, n: int) -> float | None:
    """Return the mean of what is stored in parts of `UNIT`; None of nothing."""
    return total / n / UNIT if n else None


def _named(reader: Reader, row: Any, asked: VotesAsked | HitsAsked) -> list[ColumnElement[bool]]:
    pairs = (("model", asked.model), ("regime", asked.regime))
    return [row[name] == number(reader, name, value) for name, value in pairs if value is not None]


class HitsAsked(Period, frozen=True, kw_only=True):
    """Which outcomes; whole days (UTC) of wall time are counted."""

    model: Name | None = None
    regime: Name | None = None


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a model was right in a regime (`regime` null: where none was said, or over all of them).

    `mean_return`: of the realized returns that were said.
    """

    model: str | None
    regime: str | None
    overall: bool
    correct: int
    wrong: int
    hit_rate: Statistic
    mean_return: Statistic


class _Right(msgspec.Struct):
    correct: int = 0
    wrong: int = 0
    returns: Sums = msgspec.field(default_factory=Sums)


def hits(reader: Reader, asked: HitsAsked) -> tuple[Hits, ...]:
    """Return hit rates by model over all regimes, then by model and regime."""
    row = t.outcome_daily.c
    keys = (row.model, row.regime, row.result)
    reals = (func.sum(row.return_sum), func.sum(row.return_squares))
    sums = [whole_sum(row.n), whole_sum(row.return_n), *reals]
    query = select(*keys, *sums).where(*within(row.day, asked, DAY), *_named(reader, row, asked)).group_by(*keys)
    rows = reader.db.execute(query).all()
    known = words(reader, (one for each in rows for one in each[:3]))
    found: dict[tuple[str | None, str | None, bool], _Right] = {}
    for model, regime, result, n, number_of, total, squares in reader.walk(rows):
        good = known.get(result) == CORRECT
        for key in ((known.get(model), None, True), (known.get(model), known.get(regime), False)):
            right = found.setdefault(key, _Right())
            right.correct += n if good else 0
            right.wrong += n if result and not good else 0
            right.returns.add(number_of, total, squares)
    return tuple(
        _hits(*key, found[key]) for key in sorted(found, key=lambda key: (not key[2], key[0] or "", key[1] or ""))
    )


def _hits(model: str | None, regime: str | None, overall: bool, right: _Right) -> Hits:  # noqa: FBT001  part of a key
    return Hits(
        model=model,
        regime=regime,
        overall=overall,
        correct=right.correct,
        wrong=right.wrong,
        hit_rate=share(right.correct, right.correct + right.wrong, "outcomes"),
        mean_return=right.returns.mean("returns"),
    )
