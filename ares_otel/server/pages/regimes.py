"""Regimes: over the price, how long, what followed, and what was earned in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.portfolio.statistic import Interval
from ares_otel.server.pages.asked import asked
from ares_otel.server.pages.decision import stretched
from ares_otel.server.pages.formats import REGIMES
from ares_otel.server.pages.leads import share
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.asking import SECOND, Period, clock
from ares_otel.server.query.bars import Bars
from ares_otel.server.query.climate import Dwell, RegimeShare, Transition, summed
from ares_otel.server.query.console.earned import Earned, earned
from ares_otel.server.query.console.regimes import Episode, Lane, episodes, lanes
from ares_otel.server.query.judging import HitsAsked, hits
from ares_otel.server.story.reader import Reader

__all__ = ["Regimes", "regimes_page"]

BARS: Final = 3_000


class Regimes(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of one strategy and symbol."""

    lane: Lane
    lanes: Sequence[Lane]
    runs: Sequence[Episode]
    chart: Mapping[str, Any] | None
    dwell: Sequence[tuple[RegimeShare, Dwell | None]]
    names: Sequence[str]
    matrix: Mapping[str | None, Mapping[str | None, Transition]]
    hits: Sequence[tuple[str, int, int, Interval]]
    earned: Sequence[tuple[Earned, Interval | None]]


async def regimes_page(site: Site, request: Request) -> Response:
    """Show the regimes of a strategy and symbol, of the busiest one when none is named."""
    question = asked(request.query_params.multi_items())
    shown = await site.pool.ask(lambda reader: _shown(reader, question.one("strategy"), question.one("symbol")))
    return site.page("regimes.html", {"at": "/regimes", "title": "Regimes", "asked": "", "shown": shown})


def _shown(reader: Reader, strategy: str | None, symbol: str | None) -> Regimes | None:
    known = lanes(reader)
    if not known:
        return None
    lane = next((each for each in known if strategy in {None, each.strategy} and symbol in {None, each.symbol}), None)
    if lane is None:
        raise Missing(f"No regime of {strategy or 'any strategy'} and {symbol or 'any symbol'} is stored.")
    bars = Bars(reader).between(lane.symbol_id, lane.started, lane.ended + SECOND, BARS)
    start = bars[0].time if bars else lane.started
    runs = episodes(reader, lane.strategy_id, lane.symbol_id, start, lane.ended)
    found = summed(reader, {"strategy": lane.strategy_id, "symbol": lane.symbol_id}, Period(start=clock(start)))
    lasted = {each.regime: each for each in found.dwell}
    matrix: dict[str | None, dict[str | None, Transition]] = {}
    for each in found.transitions:
        matrix.setdefault(each.before, {})[each.after] = each
    present = {run.regime for run in runs}
    return Regimes(
        lane=lane,
        lanes=known,
        runs=runs,
        chart=_chart(bars, runs) if bars else None,
        dwell=[(each, lasted.get(each.regime)) for each in found.shares if each.regime],
        names=[name for name in (*REGIMES, "unknown") if name in present],
        matrix=matrix,
        hits=list(_hits(reader)),
        earned=[(one, share(one.wins, one.trades)) for one in earned(reader, lane)],
    )


def _hits(reader: Reader) -> Iterator[tuple[str, int, int, Interval]]:
    """Yield, by regime, how many outcomes of all models together were judged and right."""
    right, wrong = Counter[str](), Counter[str]()
    for each in hits(reader, HitsAsked()):
        if each.regime and not each.overall:
            right[each.regime] += each.correct
            wrong[each.regime] += each.wrong
    for regime, n in sorted((right + wrong).items()):
        sure = share(right[regime], n)
        if sure is not None:
            yield regime, n, right[regime], sure


def _chart(bars: Sequence[Any], runs: Sequence[Episode]) -> Mapping[str, Any]:
    shown = stretched(runs, bars[-1].time)
    return {
        "bars": [[bar.time // SECOND, bar.open, bar.high, bar.low, bar.close] for bar in bars],
        "regimes": [[run.started // SECOND, run.ended // SECOND, run.regime] for run in shown],
        "shaded": True,
    }
