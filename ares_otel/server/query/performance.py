"""How strategies performed: daily equity, ratios with intervals, drawdown, months, correlations.

Equity comes from the hourly roll-up, so that many years are read in milliseconds whatever the rate of the bot was. Days
are UTC days of market time, counted from 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, and_, func, literal_column, select

from ares_otel.portfolio.conventions import CONVENTION, DAY, Convention
from ares_otel.portfolio.correlations import Correction, Correlation, correlations
from ares_otel.portfolio.performance import Performance, fitted, performances
from ares_otel.portfolio.returns import Curve, returns_of
from ares_otel.portfolio.totals import total_of
from ares_otel.portfolio.windows import WINDOWS, Drawdown, Month, Rolled, monthly, rolling, underwater
from ares_otel.server.query.naming import words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Account",
    "AccountPerformance",
    "Days",
    "account_performances",
    "equity_curves",
    "strategy_correlations",
    "symbol_correlations",
    "symbol_curves",
]

HOURS = 24
ROLLING = 90


class Days(msgspec.Struct, frozen=True):
    """Days that are asked for, both included; None: no bound."""

    first: int | None = None
    last: int | None = None


class Account(msgspec.Struct, frozen=True):
    """Whose equity it is: of a strategy in a currency (None where the bot did not say), or the total of a currency."""

    strategy: str | None
    currency: str | None
    total: bool = False

    def __str__(self) -> str:
        who = "total" if self.total else self.strategy or "unnamed"
        return f"{who} {self.currency}" if self.currency else who


class AccountPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about an account.

    Attributes:
        account: whose it is.
        convention: how the ratios are computed, to be shown with them.
        equity: money at the end of each day.
        days_a_year: days with a value for each year; far from `convention.periods` the ratios are scaled wrongly.
        performances: ratios by window. Those of a total are of the capital that was there: what joins is no return.
        rolling: ratios of the last `rolling_count` returns up to each day.
        rolling_count: see `rolling`.
        drawdown: loss since the peak, by day.
        months: returns by month.
    """

    account: Account
    convention: Convention
    equity: Curve
    days_a_year: float | None
    performances: tuple[Performance, ...]
    rolling: list[Rolled]
    rolling_count: int
    drawdown: list[Drawdown]
    months: list[Month]


def account_performances(
    reader: Reader,
    convention: Convention | None = None,
    days: Days | None = None,
    *,
    strategy: str | None = None,
    windows: Iterable[str] = WINDOWS,
    rolling_count: int = ROLLING,
) -> list[AccountPerformance]:
    """Return the performance of each account, totals of currencies with several strategies first.

    Args:
        reader: of the store.
        convention: periods a year, minimum, level; without one the periods are those that fit the days of each account.
        days: only equity of these.
        strategy: only this one; no totals then.
        windows: names of `WINDOWS`.
        rolling_count: returns in a rolling window.

    Raises:
        KeyError: no such window.
    """
    own, names = equity_curves(reader, days, strategy=strategy), tuple(windows)
    found = [] if strategy is not None else list(_totals(own))
    found += [(account, curve, curve) for account, curve in own.items()]
    return [
        _said(account, money, linked, convention or fitted(linked), names, rolling_count)
        for account, money, linked in reader.walk(found, 1)
    ]


def _said(
    account: Account, money: Curve, linked: Curve, convention: Convention, windows: Iterable[str], rolling_count: int
) -> AccountPerformance:
    returns = returns_of(linked)
    return AccountPerformance(
        account=account,
        convention=convention,
        equity=money,
        days_a_year=linked.days_a_year,
        performances=performances(linked, convention, windows),
        rolling=rolling(returns, rolling_count, convention),
        rolling_count=rolling_count,
        drawdown=underwater(linked),
        months=monthly(returns),
    )


def equity_curves(reader: Reader, days: Days | None = None, *, strategy: str | None = None) -> dict[Account, Curve]:
    """Return the last equity of each day by account, in the order of names."""
    e = t.equity_hourly.c
    query = _last_of_day(t.equity_hourly, (e.strategy, e.currency), e.hour, HOURS, e.last, days)
    found = [
        (Account(who, currency), curve)
        for (who, currency), curve in _curves(reader, query, 2)
        if strategy is None or who == strategy
    ]
    return dict(sorted(found, key=lambda each: str(each[0])))


def strategy_correlations(
    reader: Reader,
    convention: Convention = CONVENTION,
    days: Days | None = None,
    correction: Correction = "benjamini-hochberg",
) -> list[Correlation]:
    """Return the correlations of the daily returns of all accounts; returns have no currency, so all are compared."""
    curves = equity_curves(reader, days)
    return correlations({str(account): curve for account, curve in curves.items()}, convention, correction)


def symbol_curves(reader: Reader, days: Days | None = None) -> dict[str, Curve]:
    """Return the last close of each day by symbol; of several venues or channels the one with the most days."""
    b = t.bar.c
    query = _last_of_day(t.bar, (b.symbol, b.venue, b.channel), b.time, DAY, b.close, days)
    found: dict[str, Curve] = {}
    for (symbol, _, _), curve in _curves(reader, query, 3):
        if symbol is not None and len(curve.days) > len(found.get(symbol, Curve()).days):
            found[symbol] = curve
    return dict(sorted(found.items()))


def symbol_correlations(
    reader: Reader,
    convention: Convention = CONVENTION,
    days: Days | None = None,
    correction: Correction = "benjamini-hochberg",
) -> list[Correlation]:
    """Return the correlations of the daily returns of all symbols that have bars."""
    return correlations(symbol_curves(reader, days), convention, correction)


def _totals(curves: dict[Account, Curve]) -> Iterator[tuple[Account, Curve, Curve]]:
    """Yield the total of each currency that several accounts have; equity without a currency is in none."""
    by_currency: dict[str, list[Curve]] = {}
    for account, curve in curves.items():
        if account.currency is not None:
            by_currency.setdefault(account.currency, []).append(curve)
    for currency, each in by_currency.items():
        if len(each) > 1:
            total = total_of(each)
            yield Account(None, currency, total=True), total.money, total.linked


def _last_of_day(
    source: FromClause,
    keys: Sequence[ColumnElement[Any]],
    time: ColumnElement[Any],
    a_day: int,
    value: ColumnElement[Any],
    days: Days | None,
) -> Select[Any]:
    """Return a query for keys, day and last value of each day, by keys and day."""
    # written out, for PostgreSQL takes two parameters of the same value for two different groups
    day = (time // literal_column(str(a_day), time.type)).label("day")
    newest = select(*keys, day, func.max(time).label("newest")).group_by(*keys, day)
    if days is not None and days.first is not None:
        newest = newest.where(time >= days.first * a_day)
    if days is not None and days.last is not None:
        newest = newest.where(time < (days.last + 1) * a_day)
    found = newest.subquery("by_day")
    same = and_(time == found.c.newest, *(key == found.c[key.name] for key in keys))
    return select(*keys, found.c.day, value).join_from(source, found, same).order_by(*keys, found.c.day)


def _curves(reader: Reader, query: Select[Any], keys: int) -> Iterator[tuple[tuple[str | None, ...], Curve]]:
    """Yield the words of the keys with the curve of each group of rows; rows without a value are left out."""
    found = reader.db.execute(query).all()
    known = words(reader, *([row[place] for row in found] for place in range(keys)))
    for group, rows in groupby(reader.walk(found), lambda row: tuple(row[:keys])):
        points = [(int(day), float(value)) for *_, day, value in rows if value is not None]
        curve = Curve(tuple(day for day, _ in points), tuple(value for _, value in points))
        yield tuple(known.get(number) for number in group), curve
