"""One decision: its story, the prices around it, what the price did afterwards, the decisions beside it."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Row, Select, bindparam, select

from ares_otel.server.query.asking import Moment, NotFoundError, clock, ns_of
from ares_otel.server.query.bars import NO_BARS, Bars, Move, moved
from ares_otel.server.query.drift.then import DriftThen, drifting_then
from ares_otel.server.query.naming import NOBODY, number
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT, decision_id, span_told
from ares_otel.server.story.ballots import Pivot, pivots
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

__all__ = [
    "Asked",
    "DecisionDetail",
    "Price",
    "decision",
    "neighbors",
    "stories",
]

BARS: Final = 60
HORIZONS: Final = (1, 5, 20)
MOVED: Final = 2_000_000
"""A row id may be so many ns away from the time of its decision: ids of one moment are moved apart."""

_ROW: Final = t.decision.c
OWN: Final = select(_ROW.id, _ROW.strategy, _ROW.symbol).where(
    _ROW.id.between(bindparam("low"), bindparam("high")),
    _ROW.trace == bindparam("trace"),
    _ROW.span == bindparam("span"),
)

Id = Annotated[
    str,
    Meta(min_length=1, max_length=TEXT_LIMIT, description="decision, correlation, trace or client order id"),
]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which decision."""

    id: Id


class Price(msgspec.Struct, frozen=True):
    """A bar in market time."""

    time: Moment | None
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None


class DecisionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with what surrounds it.

    `previous` and `following` are decision ids of the same strategy and symbol; `others` counts further decisions that
    the id means, which `/stories/{id}` has all. `drift` are the episodes of drift that were open then, of models that
    have a part in it.
    """

    story: Story
    prices: tuple[Price, ...]
    afterwards: tuple[Move, ...]
    previous: str | None
    following: str | None
    others: int
    pivotal: tuple[Pivot, ...]
    drift: tuple[DriftThen, ...]


def stories(reader: Reader, asked: Asked) -> tuple[Story, ...]:
    """Tell what an id means, newest first."""
    found = reader.find(asked.id)
    if not found:
        raise NotFoundError(f"nothing is stored of {asked.id}")
    return tuple(found)


def decision(reader: Reader, asked: Asked) -> DecisionDetail:
    """Tell one decision, the newest one that an id means, with prices around it."""
    found = stories(reader, asked)
    story = found[0]
    before, after = neighbors(reader, story)
    prices, moves = _prices(reader, story)
    return DecisionDetail(
        story=story,
        prices=prices,
        afterwards=moves,
        previous=before,
        following=after,
        others=len(found) - 1,
        pivotal=() if story.decision is None else pivots(story.decision),
        drift=drifting_then(reader, story),
    )


def neighbors(reader: Reader, story: Story) -> tuple[str | None, str | None]:
    """Return the ids of the decisions before and after one, of the same strategy and symbol."""
    start = ns_of(story.start)
    trace = bytes.fromhex(story.trace_id)
    ids = {"trace": trace, "span": span_told(trace, bytes.fromhex(story.span_id))}
    own = reader.db.execute(OWN, {"low": max(start - MOVED, 0), "high": start + MOVED, **ids}).first()
    if own is None:
        return None, None
    said = {"row": own.id} | {name: own[at] for at, name in ((1, "strategy"), (2, "symbol")) if own[at] is not None}
    before, after = (reader.db.execute(_beside(newer, *said), said).first() for newer in (False, True))
    return _id(before), _id(after)


@cache
def _beside(newer: bool, *said: str) -> Select[Any]:  # noqa: FBT001  a key of the cache
    """Return what finds the next decision; `IS NOT DISTINCT FROM` would find no index on PostgreSQL."""
    same = [_ROW[name] == bindparam(name) if name in said else _ROW[name].is_(None) for name in ("strategy", "symbol")]
    beside = _ROW.id > bindparam("row") if newer else _ROW.id < bindparam("row")
    query = select(_ROW.decision_id, _ROW.trace, _ROW.span).where(*same, beside)
    return query.order_by(_ROW.id if newer else _ROW.id.desc()).limit(1)


def _id(row: Row[Any, Any, Any] | None) -> str | None:
    return None if row is None else row.decision_id or decision_id(row.trace, row.span)


# --- prices -----------------------------------------------------------------------------------------------------


def _prices(reader: Reader, story: Story) -> tuple[tuple[Price, ...], tuple[Move, ...]]:
    told = story.decision
    if told is None or told.symbol is None:
        return (), _unknown("the decision names no symbol")
    moment = told.event_time
    at = ns_of(moment if isinstance(moment, datetime) else story.start)
    symbol, venue = number(reader, "symbol", told.symbol), number(reader, "venue", told.venue or "")
    bars = Bars(reader).around(symbol, venue if venue != NOBODY else None, at, BARS, BARS)
    if not bars:
        return (), _unknown(NO_BARS)
    later = [bar.close for bar in bars if bar.time > at]
    seen = [bar.close for bar in bars if bar.time <= at]
    price = float(told.price) if told.price is not None else seen[-1] if seen else None
    prices = (Price(clock(bar.time), bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars)
    return tuple(prices), tuple(moved(price, later, bars_later) for bars_later in HORIZONS)


def _unknown(reason: str) -> tuple[Move, ...]:
    return tuple(Move(bars, None, reason) for bars in HORIZONS)
