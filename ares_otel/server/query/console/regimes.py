"""Market regimes over market time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.naming import known, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Dwell", "Episode", "Lane", "dwell", "episodes", "lanes", "transitions"]

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


def transitions(runs: Sequence[Episode]) -> Mapping[str, Mapping[str, int]]:
    """Return how often one regime was followed by another."""
    counts: dict[str, dict[str, int]] = {}
    for before, after in pairwise(runs):
        if before.regime and after.regime:
            row = counts.setdefault(before.regime, {})
            row[after.regime] = row.get(after.regime, 0) + 1
    return counts


class Dwell(msgspec.Struct, frozen=True):
    """How long a regime lasts: complete episodes, their median and longest in seconds of market time, all decisions."""

    regime: str
    episodes: int
    median: float | None
    longest: float | None
    decisions: int


def dwell(runs: Sequence[Episode]) -> Sequence[Dwell]:
    """Return the dwell times; an episode lasts until the next one begins, so the last one is not over."""
    lasted: dict[str, list[float]] = {}
    decided: dict[str, int] = {}
    for place, run in enumerate(runs):
        if run.regime is None:
            continue
        decided[run.regime] = decided.get(run.regime, 0) + run.n
        known_end = lasted.setdefault(run.regime, [])
        if place + 1 < len(runs):
            known_end.append((runs[place + 1].started - run.started) / 1e9)
    told = []
    for regime, seconds in lasted.items():
        ordered = sorted(seconds)
        middle = _median(ordered) if ordered else None
        told.append(Dwell(regime, len(ordered), middle, ordered[-1] if ordered else None, decided[regime]))
    return sorted(told, key=lambda each: -each.decisions)


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
