"""Where regimes are known, and their runs under a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.naming import known, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Episode", "Lane", "episodes", "lanes"]

MOST: Final = 4_000
NAMES: Final = 50
PAIRS: Final = 600


class Lane(msgspec.Struct, frozen=True):
    """A strategy and symbol with regimes; numbers beside names, times in Unix ns of market time."""

    strategy: str | None
    symbol: str | None
    strategy_id: int
    symbol_id: int
    started: int
    ended: int


class Episode(msgspec.Struct, frozen=True):
    """A run of decisions in one regime; times in Unix ns of market time, `n` its decisions."""

    started: int
    ended: int
    regime: str | None
    n: int


def lanes(reader: Reader) -> Sequence[Lane]:
    """Return where regimes are known, the newest first; each is two look-ups, whatever the number of episodes."""
    symbols: list[tuple[int, str | None]] = [*known(reader, "symbol", NAMES), (0, None)]
    strategies: list[tuple[int, str | None]] = [*known(reader, "strategy", NAMES), (0, None)]
    pairs = [(*one, *two) for one in strategies for two in symbols][:PAIRS]
    found = [lane for pair in pairs if (lane := _lane(reader, *pair)) is not None]
    return sorted(found, key=lambda lane: -lane.ended)


def _lane(reader: Reader, strategy: int, name: str | None, symbol: int, word: str | None) -> Lane | None:
    row = t.regime_episode.c
    query = select(row.started, row.ended).where(row.strategy == strategy, row.symbol == symbol).limit(1)
    newest = reader.db.execute(query.order_by(row.started.desc())).first()
    oldest = reader.db.execute(query.order_by(row.started)).first() if newest is not None else None
    if newest is None or oldest is None:
        return None
    return Lane(name, word, strategy, symbol, int(oldest.started), int(newest.ended))


def episodes(reader: Reader, strategy: int, symbol: int, start: int, end: int) -> Sequence[Episode]:
    """Return the runs of regimes that overlap a time, by time; of very many the last."""
    row = t.regime_episode.c
    query = (
        select(row.started, row.ended, row.regime, row.n)
        .where(row.strategy == strategy, row.symbol == symbol, row.ended >= start, row.started <= end)
        .order_by(row.started.desc())
        .limit(MOST)
    )
    found = list(reader.db.execute(query))[::-1]
    name = words(reader, [each.regime for each in found])
    return [Episode(int(each.started), int(each.ended), name.get(each.regime), int(each.n)) for each in found]
