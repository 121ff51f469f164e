"""Market regimes over market time: how long they last, what follows what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, select

from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import HOUR, SECOND, Moment, Name, Page, Period, clock, whole_sum, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.scoring import share
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Dwell",
    "Episode",
    "EpisodesAsked",
    "RegimeShare",
    "Regimes",
    "RegimesAsked",
    "Transition",
    "episodes",
    "regimes",
    "summed",
]

EPISODES: Final = 5_000
"""Newest episodes that dwell times and transitions are counted over."""


class RegimesAsked(Period, frozen=True, kw_only=True):
    """Which regimes; the period is of market time."""

    strategy: Name | None = None
    symbol: Name | None = None


class EpisodesAsked(RegimesAsked, frozen=True, kw_only=True):
    """Which episodes; the period is that of their beginning."""

    regime: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=500, description="most items of a page")] = 50
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,19}(\.[0-9]{1,9}){2}$")] | None = None


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A run of one regime in market time, from the first to the last time that a decision saw it."""

    strategy: str | None
    symbol: str | None
    regime: str | None
    started: Moment | None
    ended: Moment | None
    duration_seconds: float
    decisions: int


class RegimeShare(msgspec.Struct, frozen=True, kw_only=True):
    """How often decisions saw a regime."""

    regime: str | None
    decisions: int
    share: float


class Dwell(msgspec.Struct, frozen=True, kw_only=True):
    """How long a regime lasted. Only episodes that another one followed count: the last one may go on."""

    regime: str | None
    episodes: int
    median_seconds: float
    least_seconds: float
    greatest_seconds: float


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """How often one regime followed another, and the share of all that followed it."""

    before: str | None
    after: str | None
    n: int
    share: Statistic


class Regimes(msgspec.Struct, frozen=True, kw_only=True):
    """Regimes in a period; `episodes` is how many dwell times and transitions are counted over."""

    shares: tuple[RegimeShare, ...]
    dwell: tuple[Dwell, ...]
    transitions: tuple[Transition, ...]
    episodes: int
    now: tuple[Episode, ...]


def episodes(reader: Reader, asked: EpisodesAsked) -> Page[Episode]:
    """List episodes of regimes, newest beginning first."""
    row = t.regime_episode.c
    own = _numbers(reader, asked)
    if asked.regime is not None:
        own["regime"] = number(reader, "regime", asked.regime)
    conditions: list[ColumnElement[bool]] = [row[name] == value for name, value in own.items()]
    conditions += within(row.started, asked)
    if asked.cursor is not None:
        started, strategy, symbol = map(int, asked.cursor.split("."))
        started = min(started, (1 << 63) - 1)
        later = (row.strategy < strategy) | ((row.strategy == strategy) & (row.symbol < symbol))
        conditions.append((row.started < started) | ((row.started == started) & later))
    query = select(t.regime_episode).where(*conditions)
    order = (row.started.desc(), row.strategy.desc(), row.symbol.desc())
    rows = reader.db.execute(query.order_by(*order).limit(asked.limit)).all()
    last = rows[-1] if len(rows) == asked.limit else None
    following = None if last is None else f"{last.started}.{last.strategy}.{last.symbol}"
    return Page(items=tuple(_told(reader, rows)), next=following)


def regimes(reader: Reader, asked: RegimesAsked) -> Regimes:
    """Return how often each regime was seen, how long it lasts, and what follows it."""
    return summed(reader, _numbers(reader, asked), asked)


def summed(reader: Reader, where: Mapping[str, int], period: Period) -> Regimes:
    """Return the same of a strategy and a symbol by their numbers (0: none was said), or of all that are not named."""
    row = t.regime_episode.c
    own = [row[name] == number for name, number in where.items()]
    query = select(t.regime_episode).where(*own, *within(row.started, period))
    rows = reader.db.execute(query.order_by(row.started.desc()).limit(EPISODES)).all()
    runs: dict[tuple[int, int], list[Row[Any]]] = {}
    for each in reversed(rows):
        runs.setdefault((each.strategy, each.symbol), []).append(each)
    known = words(reader, (each.regime for each in rows))
    pairs = [pair for run in runs.values() for pair in pairwise(run)]
    return Regimes(
        shares=tuple(_shares(reader, where, period)),
        dwell=tuple(_dwell([(known.get(one.regime), (two.started - one.started) / SECOND) for one, two in pairs])),
        transitions=tuple(_transitions([(known.get(one.regime), known.get(two.regime)) for one, two in pairs])),
        episodes=len(rows),
        now=tuple(_told(reader, [run[-1] for run in runs.values()])),
    )


def _numbers(reader: Reader, asked: RegimesAsked) -> dict[str, int]:
    pairs = (("strategy", asked.strategy), ("symbol", asked.symbol))
    return {name: number(reader, name, value) for name, value in pairs if value is not None}


def _told(reader: Reader, rows: Sequence[Row[Any]]) -> Iterable[Episode]:
    known = words(reader, *([getattr(each, name) for each in rows] for name in ("strategy", "symbol", "regime")))
    for each in reader.walk(rows):
        yield Episode(
            strategy=known.get(each.strategy),
            symbol=known.get(each.symbol),
            regime=known.get(each.regime),
            started=clock(each.started),
            ended=clock(each.ended),
            duration_seconds=(each.ended - each.started) / SECOND,
            decisions=each.n,
        )


def _shares(reader: Reader, where: Mapping[str, int], period: Period) -> Iterable[RegimeShare]:
    row = t.regime_hourly.c
    own = [row[name] == number for name, number in where.items()]
    query = select(row.regime, whole_sum(row.n).label("n")).where(*own, *within(row.hour, period, HOUR))
    rows = reader.db.execute(query.group_by(row.regime)).all()
    known, total = words(reader, (each.regime for each in rows)), sum(each.n for each in rows)
    for each in sorted(rows, key=lambda each: -each.n):
        yield RegimeShare(regime=known.get(each.regime), decisions=each.n, share=each.n / total)


def _dwell(lasted: Iterable[tuple[str | None, float]]) -> Iterable[Dwell]:
    found: dict[str | None, list[float]] = {}
    for regime, seconds in lasted:
        found.setdefault(regime, []).append(seconds)
    for regime, values in sorted(found.items(), key=lambda item: item[0] or ""):
        yield Dwell(
            regime=regime,
            episodes=len(values),
            median_seconds=median(values),
            least_seconds=min(values),
            greatest_seconds=max(values),
        )


def _transitions(pairs: Iterable[tuple[str | None, str | None]]) -> Iterable[Transition]:
    counts = Counter(pairs)
    left: Counter[str | None] = Counter()
    for (before, _), n in counts.items():
        left[before] += n
    for (before, after), n in sorted(counts.items(), key=lambda item: [word or "" for word in item[0]]):
        yield Transition(before=before, after=after, n=n, share=share(n, left[before], "transitions"))
