"""What stored trades earned, fees and funding in it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sqlalchemy import select

from ares_otel.portfolio.libraries import ClosedTrade
from ares_otel.portfolio.trades import net_profit
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["MONEY", "closed_trades", "money_of", "net_of"]

MONEY: Final = (t.trade.c.pnl, t.trade.c.fees, t.trade.c.funding)
"""The columns that `net_of` reads."""


def net_of(row: Any) -> Decimal | None:
    """Return the net profit of a trade's row; None where a part of it is unknown."""
    return net_profit(money_of(row.pnl), money_of(row.fees), money_of(row.funding))


def money_of(text: str | None) -> Decimal | None:
    """Return a stored sum of money; None where it is unknown."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def closed_trades(reader: Reader, strategy: str, currency: str | None) -> tuple[ClosedTrade, ...]:
    """Return what the trades of an account made, after fees and funding; none where one of them is not known.

    The return of a trade is that of its price, with the part of it that fees and funding took or added.
    """
    row = t.trade.c
    query = select(t.trade).where(row.strategy == number(reader, "strategy", strategy))
    if currency is not None:
        query = query.where(row.currency == number(reader, "currency", currency))
    rows = reader.db.execute(query.order_by(row.id)).all()
    made = [_closed(each) for each in reader.walk(rows)]
    known = tuple(each for each in made if each is not None)
    return known if len(known) == len(made) else ()


def _closed(row: Any) -> ClosedTrade | None:
    net, pnl = net_of(row), money_of(row.pnl)
    if net is None:
        return None
    moved = row.direction * (row.exit_price / row.entry_price - 1.0) if row.exit_price and row.entry_price else None
    value = moved * float(net / pnl) if moved is not None and pnl else None
    return ClosedTrade(row.exit_time, float(net), value)
