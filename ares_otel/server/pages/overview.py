"""The first page: is it trading, is it earning, is anything wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.portfolio.statistic import Interval
from ares_otel.server.pages.asked import asked
from ares_otel.server.pages.decision import stretched
from ares_otel.server.pages.decisions import replayed
from ares_otel.server.pages.formats import times
from ares_otel.server.pages.leads import Money, overview_lead, share
from ares_otel.server.pages.site import Site
from ares_otel.server.query.asking import SECOND
from ares_otel.server.query.console.equity import Account, accounts, by_currency, curve, drawdowns, thinned
from ares_otel.server.query.console.overview import (
    Pulse,
    StrategyRow,
    open_orders,
    pulse,
    strategies,
)
from ares_otel.server.query.console.regimes import Lane, episodes, lanes
from ares_otel.server.query.control import Breach, BreachesAsked, Limit, LimitsAsked, breaches, limits
from ares_otel.server.query.decisions import DecisionRow, decision_page
from ares_otel.server.query.listing import Filter
from ares_otel.server.query.performance import account_performances
from ares_otel.server.query.trading import OrderRow
from ares_otel.server.story.reader import Reader

__all__ = ["Overview", "desk_part", "overview", "overview_page", "ratios_part", "tiles_part"]

NEWEST: Final = 12
SPARK: Final = 60
DAY_HOURS: Final = 24
LATE: Final = 10.0
STALE: Final = 60.0
CLOSE: Final = 0.8
PERIODS: Final = (("30", "30 days"), ("365", "year"), ("", "all"))


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows, or a part of it."""

    pulse: Pulse | None = None
    state: str = "unknown"
    money: Money | None = None
    currencies: Sequence[str] = ()
    rows: Sequence[tuple[StrategyRow, Account | None, Interval | None, Interval | None]] = ()
    drawdown: Limit | None = None
    limits: Sequence[Limit] = ()
    breaches: Sequence[Breach] = ()
    orders: Sequence[OrderRow] = ()
    decisions: Sequence[DecisionRow] = ()
    chart: Mapping[str, Any] | None = None
    lane: Lane | None = None


async def overview_page(site: Site, request: Request) -> Response:
    """Show the overview."""
    question = asked(request.query_params.multi_items())
    days = request.query_params.get("days", "")
    chosen = question.one("strategy")
    shown = await site.pool.ask(lambda reader: overview(reader, chosen, int(days) if days in {"30", "365"} else None))
    lead = overview_lead(shown.pulse, [row for row, *_ in shown.rows], shown.money, len(shown.orders), shown.breaches)
    context = {"days": days, "periods": PERIODS, "chosen": chosen, "lead": lead}
    return site.page("overview.html", _context(shown) | context)


async def tiles_part(site: Site, request: Request) -> Response:
    """Return the tiles, for a page that is open."""
    del request
    return site.page("tiles.html", _context(await site.pool.ask(_tiles)))


async def ratios_part(site: Site, request: Request) -> Response:
    """Return the ratios of each account; their intervals take longer than the page may wait."""
    del request
    found = await site.pool.ask(lambda reader: account_performances(reader, windows=("all",)))
    return site.page("ratios.html", {"rows": [(each, each.performances[0]) for each in found]})


async def desk_part(site: Site, request: Request) -> Response:
    """Return decisions, open orders and limits, for a page that is open."""
    del request
    return site.page("desk.html", _context(await site.pool.ask(_desk)))


def _context(shown: Overview) -> dict[str, Any]:
    return {"at": "/", "title": "Overview", "asked": "", "shown": shown, "replayed": replayed(shown.decisions)}


def overview(reader: Reader, strategy: str | None, days: int | None) -> Overview:
    """Return what the overview shows, of all strategies or one; `days` of market time before the newest."""
    groups = by_currency(accounts(reader))
    every = next(iter(groups.values()), [])
    chosen = [account for account in every if strategy in {None, account.strategy}] or every
    desk, found = _desk(reader), pulse(reader)
    lane = _lane(reader, chosen)
    limit = _drawdown(limits(reader, LimitsAsked()), strategy)
    money, chart = _money(reader, chosen, days, lane, limit if strategy else None)
    own = {account.strategy: account for account in every}
    return msgspec.structs.replace(
        desk,
        pulse=found,
        state=_state(found),
        money=money,
        currencies=list(groups),
        rows=[
            (row, own.get(row.strategy), share(row.hits, row.judged), share(row.wins, row.trades))
            for row in strategies(reader)
        ],
        drawdown=limit,
        chart=chart,
        lane=lane,
    )


def _tiles(reader: Reader) -> Overview:
    found = pulse(reader)
    chosen = next(iter(by_currency(accounts(reader)).values()), [])
    money, _ = _money(reader, chosen, None, None, None)
    return Overview(
        pulse=found, state=_state(found), money=money, drawdown=_drawdown(limits(reader, LimitsAsked()), None)
    )


def _desk(reader: Reader) -> Overview:
    return Overview(
        limits=limits(reader, LimitsAsked())[:NEWEST],
        breaches=breaches(reader, BreachesAsked(limit=NEWEST)).items,
        orders=open_orders(reader),
        decisions=decision_page(reader, Filter(), NEWEST, outcomes=True).items,
    )


def _state(found: Pulse) -> str:
    """Return whether decisions come as usual, by the server's clock."""
    if found.last is None or found.usual is None:
        return "unknown"
    if times(found.last, found.market):
        return "replay"
    quiet = (time.time_ns() - found.last) / SECOND
    return "late" if quiet > max(LATE * found.usual, STALE) else "well"


def _drawdown(found: Sequence[Limit], strategy: str | None) -> Limit | None:
    return next(
        (limit for limit in found if "drawdown" in (limit.check or "") and strategy in {None, limit.strategy}), None
    )


def _lane(reader: Reader, chosen: Sequence[Account]) -> Lane | None:
    wanted = {account.strategy for account in chosen}
    return next((lane for lane in lanes(reader) if lane.strategy in wanted), None)


def _money(
    reader: Reader, chosen: Sequence[Account], days: int | None, lane: Lane | None, limit: Limit | None
) -> tuple[Money | None, Mapping[str, Any] | None]:
    whole = curve(chosen)
    if whole is None:
        return None, None
    depths = drawdowns(whole.values)
    begin = 0
    if days is not None:
        edge = whole.hours[-1] - days * DAY_HOURS
        begin = next(place for place, hour in enumerate(whole.hours) if hour >= edge)
    hours, values, depth = whole.hours[begin:], whole.values[begin:], depths[begin:]
    past = Account(None, 0, whole.currency, whole.hours, whole.values).before(DAY_HOURS)
    money = Money(
        curve=whole,
        change=None if past is None else whole.values[-1] - past,
        spark=whole.values[-SPARK:],
        depth=-depth[-1],
        deepest=-min(depth),
    )
    start, end = hours[0] * 3_600 * SECOND, (hours[-1] + 1) * 3_600 * SECOND
    runs = episodes(reader, lane.strategy_id, lane.symbol_id, start, end) if lane else ()
    return money, {
        "equity": thinned(hours, values),
        "drawdown": thinned(hours, depth),
        "currency": whole.currency,
        "limit": limit.limit if limit is not None else None,
        "regimes": [[run.started // SECOND, run.ended // SECOND, run.regime] for run in stretched(runs, end)],
    }
