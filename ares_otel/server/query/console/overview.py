"""Is it trading? Is it earning? Is anything wrong?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
from sqlalchemy import func, select

from ares_otel.portfolio.statement import ratio
from ares_otel.server.query.asking import SECOND, row_ns
from ares_otel.server.query.closed import MONEY, net_of
from ares_otel.server.query.delivery import Delivered, delivered, deliveries
from ares_otel.server.query.listing import Filter
from ares_otel.server.query.naming import known, words
from ares_otel.server.query.trading import OrderRow, orders_listed
from ares_otel.server.query.truth import hit_rates
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Pulse",
    "StrategyRow",
    "open_orders",
    "pulse",
    "strategies",
]

SAMPLE: Final = 60
LOOKED_AT: Final = 20_000
SHOWN: Final = 12
DAY: Final = 86_400 * SECOND
HOURS: Final = 24
RECENT: Final = 2_000


class Pulse(msgspec.Struct, frozen=True):
    """Whether decisions come: times in Unix ns, seconds; None where it cannot be said.

    Attributes:
        last: time of the newest decision.
        usual: median time between the newest decisions.
        day: decisions of the last 24 hours before the newest one.
        failed: of the newest 2,000 decisions, those that failed.
        looked_at: how many decisions that is.
        arrived: when the newest span came in.
        market: market time of the newest decision.
        told: what bots recorded and what became of it, None if none has said.
    """

    last: int | None
    usual: float | None
    day: int
    failed: int
    looked_at: int
    arrived: int | None
    market: int | None = None
    told: Delivered | None = None


class StrategyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy did and has; sums of money in one currency each, None where the bot reports none."""

    strategy: str | None
    decisions: int
    by_action: Mapping[str, int]
    last_action: str | None
    last_symbol: str | None
    last_time: int | None
    last_id: int | None
    currency: str | None
    realized: float | None
    unrealized: float | None
    gross: float | None
    net: float | None
    margin_use: float | None
    trades: int
    wins: int
    judged: int
    hits: int


def pulse(reader: Reader) -> Pulse:
    """Return whether decisions come."""
    row = t.decision.c
    newest = reader.db.execute(select(row.id, row.event_time).order_by(row.id.desc()).limit(SAMPLE)).all()
    ids = [int(each.id) for each in newest]
    gaps = sorted((new - old) / SECOND for new, old in pairwise(ids))
    recent = select(row.error).order_by(row.id.desc()).limit(RECENT).subquery()
    looked_at, failed = reader.db.execute(select(func.count(), func.sum(recent.c.error)).select_from(recent)).one()
    arrived = reader.db.execute(select(func.max(t.segment.c.id))).scalar()
    last = row_ns(ids[0]) if ids else None
    return Pulse(
        last=last,
        usual=gaps[len(gaps) // 2] if gaps else None,
        day=0 if last is None else sum(_by_action(reader, last).get(0, {}).values()),
        failed=int(failed or 0),
        looked_at=int(looked_at),
        arrived=None if arrived is None else int(arrived) * 1_000,
        market=newest[0].event_time if newest else None,
        told=delivered(deliveries(reader)),
    )


def _by_action(reader: Reader, last: int) -> dict[int, dict[int, int]]:
    """Return decisions of the last day by strategy (under 0 of all of them) and action."""
    row = t.hourly.c
    hour = last // (SECOND * 3_600)
    query = select(row.strategy, row.action, func.sum(row.n)).where(row.hour > hour - HOURS)
    counts: dict[int, dict[int, int]] = {}
    for strategy, action, number in reader.db.execute(query.group_by(row.strategy, row.action)):
        for key in {0, int(strategy)}:
            of = counts.setdefault(key, {})
            of[int(action)] = of.get(int(action), 0) + int(number)
    return counts


def strategies(reader: Reader) -> Sequence[StrategyRow]:
    """Return the strategies by name."""
    last = reader.db.execute(select(func.max(t.decision.c.id))).scalar()
    counts = {} if last is None else _by_action(reader, int(last))
    money = _money(reader)
    trades = _trades(reader)
    rates = hit_rates(reader)
    margins = _margins(reader)
    told = []
    for number, name in known(reader, "strategy"):
        newest = _newest(reader, number)
        by_action = counts.get(number, {})
        word = words(reader, [*by_action, *(newest[1:3] if newest else ())])
        told.append(
            StrategyRow(
                strategy=name,
                decisions=sum(by_action.values()),
                by_action={word.get(action, "none"): n for action, n in by_action.items()},
                last_action=word.get(newest[1]) if newest else None,
                last_symbol=word.get(newest[2]) if newest else None,
                last_time=row_ns(newest[0]) if newest else None,
                last_id=newest[0] if newest else None,
                margin_use=margins.get(number),
                trades=trades.get(number, (0, 0))[0],
                wins=trades.get(number, (0, 0))[1],
                judged=rates.get(number, (0, 0))[0],
                hits=rates.get(number, (0, 0))[1],
                **money.get(number, dict.fromkeys(("currency", "realized", "unrealized", "gross", "net"))),
            )
        )
    return told


def _newest(reader: Reader, strategy: int) -> tuple[int, int, int] | None:
    row = t.decision.c
    inner = select(row.id, row.action, row.symbol, row.strategy).order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    query = select(inner.c.id, inner.c.action, inner.c.symbol).where(inner.c.strategy == strategy)
    found = reader.db.execute(query.order_by(inner.c.id.desc()).limit(1)).first()
    return None if found is None else (int(found[0]), found[1], found[2])


def _money(reader: Reader) -> dict[int, dict[str, Any]]:
    """Return PnL and exposure by strategy; a strategy with positions in two currencies has no sum."""
    row = t.position_now.c
    query = select(
        row.strategy, func.min(row.currency), func.max(row.currency), func.sum(row.realized), func.sum(row.unrealized),
        func.sum(func.abs(row.notional)), func.sum(row.notional),
    ).group_by(row.strategy)  # fmt: skip
    found = {}
    for strategy, low, high, realized, unrealized, gross, net in reader.db.execute(query):
        if low == high:
            word = words(reader, [low]).get(low)
            found[int(strategy)] = {
                "currency": word, "realized": realized, "unrealized": unrealized, "gross": gross, "net": net
            }  # fmt: skip
    return found


def _margins(reader: Reader) -> dict[int, float | None]:
    """Return used margin by its limit, by strategy, as it was said with the newest equity."""
    hourly, row = t.equity_hourly.c, t.equity.c
    newest = select(hourly.strategy, func.max(hourly.last_id).label("last")).group_by(hourly.strategy).subquery().c
    query = select(newest.strategy, row.margin, row.margin_limit).join(t.equity, row.id == newest.last)
    return {int(strategy): ratio(margin, limit) for strategy, margin, limit in reader.db.execute(query)}


def _trades(reader: Reader) -> dict[int, tuple[int, int]]:
    """Return closed trades and those that won among the newest ones, by strategy."""
    row = t.trade.c
    inner = select(row.strategy, *MONEY).order_by(row.id.desc()).limit(LOOKED_AT)
    counts: dict[int, tuple[int, int]] = {}
    for each in reader.walk(reader.db.execute(inner)):
        made = net_of(each)
        if made is not None:
            n, wins = counts.get(each.strategy or 0, (0, 0))
            counts[each.strategy or 0] = (n + 1, wins + (made > 0))
    return counts


def open_orders(reader: Reader, limit: int = SHOWN) -> Sequence[OrderRow]:
    """Return orders that can still be filled, among the newest ones."""
    return orders_listed(reader, Filter(has=("open",)), limit, scanned=LOOKED_AT).items
