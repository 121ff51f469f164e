"""How often a model's votes came true, over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.asking import row_ns
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Score", "scores"]

LOOKED_AT: Final = 40_000
BINS: Final = 24
SMALLEST: Final = 20


class Score(msgspec.Struct, frozen=True):
    """Outcomes of a stretch of time, Unix ns: how many there are and were right, and the regime of most of them."""

    begin: int
    end: int
    n: int
    correct: int
    regime: str | None = None


def scores(reader: Reader, model: str) -> Sequence[Score]:
    """Return the newest outcomes of a model in stretches of equal number, by time."""
    row = t.outcome.c
    inner = select(row.id, row.model, row.result, row.regime).order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    own = select(inner.c.id, inner.c.result, inner.c.regime).where(inner.c.model == number(reader, "model", model))
    found = list(reader.db.execute(own))
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
