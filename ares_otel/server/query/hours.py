"""Equity by hours of market time, account by account, for the API and for pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, select

from ares_otel.server.query.asking import HOUR, Period, within
from ares_otel.server.query.naming import known, number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["hours_of", "owners"]

STRATEGIES: Final = 200
CURRENCIES: Final = 50
ALWAYS: Final = Period()


def owners(reader: Reader, strategy: str | None = None) -> Iterator[tuple[int, int]]:
    """Yield the numbers of each strategy and currency (0: not said) with equity, without a look at every hour."""
    named = [number(reader, "strategy", strategy)] if strategy is not None else None
    strategies = named or [*(own for own, _ in known(reader, "strategy", STRATEGIES)), 0]
    currencies = [*(own for own, _ in known(reader, "currency", CURRENCIES)), 0]
    row = t.equity_hourly.c
    for one in strategies:
        any_of = select(row.hour).where(row.strategy == one).limit(1)
        if reader.db.execute(any_of).first() is None:
            continue
        for other in currencies:
            if reader.db.execute(any_of.where(row.currency == other)).first() is not None:
                yield one, other


def hours_of(
    reader: Reader, strategy: int, currency: int, period: Period = ALWAYS, most: int | None = None
) -> Sequence[Row[Any]]:
    """Return the hours of an account by time; of more than `most` the last ones."""
    row = t.equity_hourly.c
    query = select(t.equity_hourly).where(row.strategy == strategy, row.currency == currency)
    query = query.where(*within(row.hour, period, HOUR)).order_by(row.hour.desc())
    return list(reader.walk(reader.db.execute(query if most is None else query.limit(most))))[::-1]
