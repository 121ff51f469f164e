"""One decision: its story, the prices around it, what the price did afterwards, the decisions beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from ares_otel.server.query.asking import Moment, NotFoundError, clock, ns_of
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT, decision_id
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

__all__ = [
    "Asked",
    "DecisionDetail",
    "Move",
    "Price",
    "decision",
    "neighbors",
    "price_bars",
    "stories",
]

BARS: Final = 60
FEEDS: Final = 50
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


class Move(msgspec.Struct, frozen=True):
    """Return of the price so many bars after the decision, or why it is not known."""

    bars: int
    value: float | None
    reason: str | None = None


class DecisionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with what surrounds it.

    `previous` and `following` are decision ids of the same strategy and symbol; `others` counts further decisions that
    the id means, which `/stories/{id}` has all.
    """

    story: Story
    prices: tuple[Price, ...]
    afterwards: tuple[Move, ...]
    previous: str | None
    following: str | None
    others: int


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
        story=story, prices=prices, afterwards=moves, previous=before, following=after, others=len(found) - 1
    )


def neighbors(reader: Reader, story: Story) -> tuple[str | None, str | None]:
    """Return the ids of the decisions before and after one, of the same strategy and symbol."""
    start = ns_of(story.start)
    ids = {"trace": bytes.fromhex(story.trace_id), "span": bytes.fromhex(story.span_id)}
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
    feed = _feed(reader, told.symbol, told.venue)
    if not feed:
        return (), _unknown("no bars of this symbol are stored")
    before = price_bars(reader, feed, t.bar.c.time <= at, newest=True, limit=BARS)
    after = price_bars(reader, feed, t.bar.c.time > at, newest=False, limit=BARS)
    price = told.price if told.price is not None else before[-1].close if before else None
    return (*before, *after), tuple(_moves(price, after))


def _unknown(reason: str) -> tuple[Move, ...]:
    return tuple(Move(bars, None, reason) for bars in HORIZONS)


def _moves(price: object, after: Sequence[Price]) -> Iterable[Move]:
    for bars in HORIZONS:
        close = after[bars - 1].close if len(after) >= bars else None
        if not isinstance(price, int | float) or not price:
            yield Move(bars, None, "the price at the decision is not known")
        elif close is None:
            yield Move(bars, None, f"{len(after)} bars have come since")
        else:
            yield Move(bars, close / float(price) - 1.0)


def _feed(reader: Reader, symbol: str, venue: str | None) -> tuple[ColumnElement[bool], ...]:
    """Return conditions of the bars of a symbol, of its venue if that has some."""
    feed, own = t.feed_now.c, number(reader, "symbol", symbol)
    wanted = number(reader, "venue", venue) if venue is not None else 0
    kinds = reader.db.execute(select(feed.venue, feed.channel).where(feed.symbol == own).limit(FEEDS)).all()
    bar = t.bar.c
    for other, channel in sorted(kinds, key=lambda kind: kind[0] != wanted):
        conditions = (bar.symbol == own, bar.venue == other, bar.channel == channel)
        if reader.db.execute(select(bar.time).where(*conditions).limit(1)).first() is not None:
            return conditions
    return ()


def price_bars(
    reader: Reader,
    feed: Iterable[ColumnElement[bool]],
    when: ColumnElement[bool],
    *,
    newest: bool,
    limit: int,
) -> list[Price]:
    """Return bars of a feed by time: the newest or the oldest so many."""
    bar = t.bar.c
    query = select(bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume).where(*feed, when)
    rows = reader.db.execute(query.order_by(bar.time.desc() if newest else bar.time).limit(limit)).all()
    found = [Price(clock(time), *facts) for time, *facts in rows]
    return found[::-1] if newest else found
