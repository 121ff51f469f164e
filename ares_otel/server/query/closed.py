"""What stored trades earned, fees and funding in it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ares_otel.portfolio.trades import net_profit
from ares_otel.server.store import schema as t

__all__ = ["MONEY", "money_of", "net_of"]

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
