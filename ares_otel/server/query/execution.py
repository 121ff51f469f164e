"""Quality of execution: how orders ended, how long venues took to answer, what the market cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, func, select

from ares_otel.orders.states import DONE
from ares_otel.portfolio.costs import Quality
from ares_otel.portfolio.intervals import wilson
from ares_otel.portfolio.money import ZERO, exact
from ares_otel.portfolio.statistic import Interval, Statistic, absent
from ares_otel.semconv.enums import OrderStatus
from ares_otel.server.query.asking import Name, Period, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.scoring import mean_of, quantile_of
from ares_otel.server.query.shortfalls import VenueCosts, venue_costs
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["ExecutionAsked", "VenueQuality", "execution"]

NEWEST: Final = 5_000
LEVEL: Final = 0.95
MICROSECONDS: Final = 1e6
SHARE = "Wilson 1927, orders taken as independent"
ENDED = {status.value for status in DONE}


class ExecutionAsked(Period, frozen=True, kw_only=True):
    """Which orders; of more than 5,000 the newest count."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None


class VenueQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of execution at a venue, each figure with n and an interval; costs in basis points, times in seconds.

    Filled orders are of those that ended, rejected ones of those sent; what the bot's own checks denied is in `denied`
    alone, of all that it wanted to send. `shortfall` is what the bots said, `costs` has its parts.
    """

    venue: str | None
    sent: int
    denied: Statistic
    rejected: Statistic
    filled: Statistic
    filled_quantity: float | None
    slippage: Statistic
    shortfall: Statistic
    costs: VenueCosts | None
    ack_median: Statistic
    ack_p95: Statistic
    ack_p99: Statistic


def execution(reader: Reader, asked: ExecutionAsked) -> tuple[VenueQuality, ...]:
    """Return the quality of execution by venue."""
    counts, costs = _counts(reader, asked), _costs(reader, asked)
    parts = venue_costs(reader, asked, _filters(reader, asked))
    known = words(reader, counts)
    return tuple(
        msgspec.structs.replace(
            _quality(known.get(venue), quality, costs.get(venue, ([], [], [])), whole=asked.symbol is not None),
            costs=parts.get(venue),
        )
        for venue, quality in counts.items()
    )


def _filters(reader: Reader, asked: ExecutionAsked) -> list[ColumnElement[bool]]:
    pairs = (("strategy", asked.strategy), ("symbol", asked.symbol), ("venue", asked.venue))
    return [t.orders.c[name] == number(reader, name, value) for name, value in pairs if value is not None]


def _counts(reader: Reader, asked: ExecutionAsked) -> dict[int | None, Quality]:
    row = t.orders.c
    newest = select(row.venue, row.status, row.quantity, row.cum_quantity)
    newest = newest.where(*within(row.id, asked), *_filters(reader, asked)).order_by(row.id.desc()).limit(NEWEST)
    inner = newest.subquery().c
    query = select(
        *(inner.venue, inner.status, func.count(), func.sum(inner.quantity), func.sum(inner.cum_quantity))
    ).group_by(inner.venue, inner.status)
    rows = reader.db.execute(query).all()
    states = words(reader, [each.status for each in rows])
    found: dict[int | None, Quality] = {}
    for venue, status, count, ordered, executed in rows:
        found[venue] = _counted(found.get(venue, Quality()), states.get(status), int(count), ordered, executed)
    return found


def _counted(quality: Quality, status: str | None, count: int, ordered: Any, executed: Any) -> Quality:
    if status == OrderStatus.DENIED:
        return msgspec.structs.replace(quality, denied=quality.denied + count)
    ended = status in ENDED
    return Quality(
        sent=quality.sent + count,
        denied=quality.denied,
        ended=quality.ended + (count if ended else 0),
        filled=quality.filled + (count if status == OrderStatus.FILLED else 0),
        rejected=quality.rejected + (count if status == OrderStatus.REJECTED else 0),
        ordered=quality.ordered + (exact(ordered or 0) if ended else ZERO),
        executed=quality.executed + (exact(executed or 0) if ended else ZERO),
    )


def _costs(reader: Reader, asked: ExecutionAsked) -> Mapping[int | None, tuple[list[float], list[float], list[float]]]:
    """Return slippages, shortfalls and times to the first answer by venue."""
    update, order = t.order_update.c, t.orders.c
    query = select(order.venue, update.slippage, update.shortfall, update.ack_us).join_from(
        t.order_update, t.orders, order.id == update.order_id
    )
    query = query.where(*within(update.id, asked), *_filters(reader, asked), update.duplicate == 0)
    said = update.slippage.is_not(None) | update.shortfall.is_not(None) | update.ack_us.is_not(None)
    found: dict[int | None, tuple[list[float], list[float], list[float]]] = {}
    for venue, slippage, shortfall, ack in reader.db.execute(
        query.where(said).order_by(update.id.desc()).limit(NEWEST)
    ):
        values = found.setdefault(venue, ([], [], []))
        for into, value in zip(values, (slippage, shortfall, ack), strict=True):
            if value is not None:
                into.append(float(value))
    return found


def _quality(
    venue: str | None, quality: Quality, costs: tuple[list[float], list[float], list[float]], *, whole: bool
) -> VenueQuality:
    slippages, shortfalls, acks = costs
    seconds = sorted(ack / MICROSECONDS for ack in acks)
    return VenueQuality(
        venue=venue,
        sent=quality.sent,
        denied=_share(quality.denied, quality.sent + quality.denied),
        rejected=_share(quality.rejected, quality.sent),
        filled=_share(quality.filled, quality.ended),
        filled_quantity=quality.quantity_ratio if whole else None,
        slippage=mean_of(slippages, "orders"),
        shortfall=mean_of(shortfalls, "orders"),
        costs=None,
        ack_median=quantile_of(seconds, 0.5, "answers"),
        ack_p95=quantile_of(seconds, 0.95, "answers"),
        ack_p99=quantile_of(seconds, 0.99, "answers"),
    )


def _share(hits: int, n: int) -> Statistic:
    if not n:
        return absent(0, "no such order")
    found = wilson(hits, n, LEVEL)
    return Statistic.of(hits / n, n, LEVEL, Interval(found.low, found.high, SHARE))
