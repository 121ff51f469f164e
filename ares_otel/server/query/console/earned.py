"""What closed trades earned, by the regime in which they were entered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.server.query.closed import MONEY, net_of
from ares_otel.server.query.console.regimes import Lane, episodes
from ares_otel.server.query.naming import words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Earned", "earned"]

LOOKED_AT: Final = 20_000


class Earned(msgspec.Struct, frozen=True):
    """Closed trades that were entered in a regime, in one currency, and their net profit; unknown ones are left out."""

    regime: str | None
    currency: str | None
    trades: int
    wins: int
    pnl: Decimal


def earned(reader: Reader, lane: Lane) -> Sequence[Earned]:
    """Return what the trades of a strategy and symbol earned, the most trades first."""
    row = t.trade.c
    columns = (row.strategy, row.symbol, row.entry_time, row.currency, *MONEY)
    newest = select(*columns).order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    own = (newest.c.strategy == lane.strategy_id, newest.c.symbol == lane.symbol_id)
    found = list(reader.db.execute(select(newest).where(*own)))
    runs = episodes(reader, lane.strategy_id, lane.symbol_id, lane.started, lane.ended) if found else ()
    starts = [run.started for run in runs]
    name = words(reader, [each.currency for each in found])
    sums: dict[tuple[str | None, str | None], tuple[int, int, Decimal]] = {}
    for each in reader.walk(found):
        place = bisect_right(starts, each.entry_time or 0) - 1
        key = (runs[place].regime if place >= 0 else None, name.get(each.currency))
        made = net_of(each)
        if made is not None:
            trades, wins, pnl = sums.get(key, (0, 0, Decimal()))
            sums[key] = (trades + 1, wins + (made > 0), pnl + made)
    told = [Earned(regime, currency, *each) for (regime, currency), each in sums.items()]
    return sorted(told, key=lambda each: -each.trades)
