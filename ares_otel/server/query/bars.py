"""Prices as the bots saw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Integer, bindparam, select

from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["NO_BARS", "NO_PRICE", "Bar", "Bars", "Move", "moved"]

NO_BARS: Final = "no bars of this symbol are stored"
NO_PRICE: Final = "the price at the decision is not known"

_BAR: Final = t.bar.c
_OF_FEED: Final = (
    _BAR.symbol == bindparam("symbol"),
    _BAR.venue == bindparam("venue"),
    _BAR.channel == bindparam("channel"),
)
LATER: Final = (
    select(_BAR.close)
    .where(*_OF_FEED, _BAR.time > bindparam("time"))
    .order_by(_BAR.time)
    .limit(bindparam("number", type_=Integer))
)


class Move(msgspec.Struct, frozen=True):
    """Return of the price so many bars after the decision, or why it is not known."""

    bars: int
    value: float | None
    reason: str | None = None


class Bar(msgspec.Struct, frozen=True):
    """A bar; `time` in Unix ns."""

    time: int
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None


class Bars:
    """Looks up bars; remembers which feed has them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._feeds: dict[tuple[int | None, int | None], tuple[int, int] | None] = {}

    def later(self, symbol: int | None, venue: int | None, time: int, price: float | None, number: int) -> Move:
        """Return the change of the close so many bars after a time."""
        feed = self._feed(symbol, venue)
        if feed is None:
            return Move(number, None, NO_BARS)
        given = {"symbol": symbol, "venue": feed[0], "channel": feed[1], "time": time, "number": number}
        return moved(price, [close for (close,) in self._reader.db.execute(LATER, given)], number)

    def around(self, symbol: int, venue: int | None, time: int, before: int, after: int) -> Sequence[Bar]:
        """Return bars up to a time and after it, by time."""
        feed = self._feed(symbol, venue)
        if feed is None:
            return ()
        bar = t.bar.c
        query = select(bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume).where(*self._of(symbol, feed))
        past = self._told(query.where(bar.time <= time).order_by(bar.time.desc()).limit(before))
        return [*reversed(past), *self._told(query.where(bar.time > time).order_by(bar.time).limit(after))]

    def between(self, symbol: int, start: int, end: int, limit: int) -> Sequence[Bar]:
        """Return bars of a time, thinned to about `limit`: only those are read."""
        feed = self._feed(symbol, None)
        if feed is None:
            return ()
        bar = t.bar.c
        query = select(bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume).where(*self._of(symbol, feed))
        found = self._told(query.where(bar.time.between(start, end)).order_by(bar.time.desc()).limit(limit))
        return found[::-1]

    def _told(self, query: Any) -> list[Bar]:
        return [Bar(*row) for row in self._reader.db.execute(query)]

    def _of(self, symbol: int | None, feed: tuple[int, int]) -> tuple[Any, ...]:
        bar = t.bar.c
        return bar.symbol == symbol, bar.venue == feed[0], bar.channel == feed[1]

    def _feed(self, symbol: int | None, venue: int | None) -> tuple[int, int] | None:
        """Return venue and channel of the bars of a symbol, those of the decision's own venue first."""
        if symbol is None:
            return None
        if (symbol, venue) not in self._feeds:
            bar = t.bar.c
            here = select(bar.venue, bar.channel).where(bar.symbol == symbol)
            found = self._reader.db.execute(here.where(bar.venue == venue).limit(1)).first() if venue else None
            found = found or self._reader.db.execute(here.limit(1)).first()
            self._feeds[symbol, venue] = None if found is None else (int(found[0]), int(found[1]))
        return self._feeds[symbol, venue]


def moved(price: float | None, closes: Sequence[float], number: int) -> Move:
    """Return the change from a price to the close of the so-manieth bar after it."""
    if not price:
        return Move(number, None, NO_PRICE)
    if len(closes) < number:
        return Move(number, None, f"{len(closes)} of {number} bars have come since")
    return Move(number, closes[number - 1] / price - 1.0)
