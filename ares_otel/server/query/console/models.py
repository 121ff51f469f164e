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
from ares_otel.server.store.packed import judgments, of_models
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
    own = number(reader, "model", model)
    inner = select(row.id, row.judgments, row.regime).order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    rows = reader.db.execute(select(inner).where(of_models(inner.c.judgments, (own,))))
    found = [
        (int(at), each.result, regime) for at, text, regime in rows for each in judgments(text) if each.model == own
    ]
    word = words(reader, {result for _, result, _ in found}, {regime for *_, regime in found})
    judged = ((at, word[result] == "correct", word.get(regime, "")) for at, result, regime in found if result in word)
    told = sorted(judged)
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
