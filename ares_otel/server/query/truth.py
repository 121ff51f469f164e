"""Which decisions and votes came true, as far as a bounded number of outcomes says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.naming import words
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import correlation_meant, text_key
from ares_otel.server.store.packed import judgments
from ares_otel.server.story.reader import Reader

__all__ = ["Judged", "hit_rates", "joined", "judged"]

OUTCOMES: Final = 10_000
DECISIONS: Final = 5_000
FOLLOWING: Final = 5_000
"""Outcomes that are looked at for one page of decisions; there is no index by key."""

DIRECTIONS: Final = frozenset({"buy", "sell"})


class Judged(msgspec.Struct, frozen=True):
    """The members of one decision whose votes were judged: those that were right, those that were wrong."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]


def hit_rates(reader: Reader) -> Mapping[int, tuple[int, int]]:
    """Return by strategy how many of its newest decisions to buy or sell on a vote were judged, how many were right.

    A decision rests on a vote where it says a confidence; it was right where its action is the class that came true.
    Where its outcomes disagree about that, for their models look differently far, it is not counted.
    """
    outcome, row = t.outcome.c, t.decision.c
    found = select(outcome.key, outcome.actual).where(outcome.key.is_not(None), outcome.actual.is_not(None))
    actual: dict[int, set[int]] = {}
    for key, number in reader.db.execute(found.order_by(outcome.id.desc()).limit(OUTCOMES)):
        actual.setdefault(int(key), set()).add(int(number))
    if not actual:
        return {}
    columns = (row.strategy, row.action, row.trace, row.correlation, row.confidence)
    newest = list(reader.db.execute(select(*columns).order_by(row.id.desc()).limit(DECISIONS)))
    name = words(reader, {*(each.action for each in newest), *(one for each in actual.values() for one in each)})
    counts: dict[int, tuple[int, int]] = {}
    for each in newest:
        action = name.get(each.action)
        key = joined(each)
        if action in DIRECTIONS and each.confidence is not None and key is not None:
            truth = actual.get(key, ())
            if len(truth) == 1:
                n, right = counts.get(each.strategy or 0, (0, 0))
                counts[each.strategy or 0] = (n + 1, right + (name.get(*truth) == action))
    return counts


def joined(decision: Any) -> int | None:
    """Return what joins a stored decision with its outcomes, None where it has no correlation id."""
    correlation = correlation_meant(decision.trace, decision.correlation)
    return None if correlation is None else text_key(correlation)


def judged(reader: Reader, decisions: Sequence[Any]) -> Mapping[int, Judged]:
    """Return by row id which members of some stored decisions were right and wrong.

    The outcomes that follow the oldest of them are looked at, a bounded number.
    """
    keys = {key: int(each.id) for each in decisions if (key := joined(each)) is not None}
    if not keys:
        return {}
    row = t.outcome.c
    query = select(row.key, row.judgments).where(row.id >= min(keys.values())).order_by(row.id).limit(FOLLOWING)
    rows = [each for each in reader.db.execute(query) if each.key in keys]
    found = [(each.key, judgment.model, judgment.result) for each in rows for judgment in judgments(each.judgments)]
    name = words(reader, [number for each in found for number in each[1:]])
    told: dict[int, dict[str, set[str]]] = {}
    for key, model, result in found:
        if model in name:
            told.setdefault(keys[key], {}).setdefault(name.get(result, ""), set()).add(name[model])
    return {
        decision: Judged(tuple(sorted(of.get("correct", ()))), tuple(sorted(of.get("wrong", ()))))
        for decision, of in told.items()
    }
