"""What strategies earned: ratios of their equity, and closed trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, select

from ares_otel.portfolio.conventions import Convention
from ares_otel.portfolio.correlations import Correction, Correlation
from ares_otel.portfolio.performance import Performance
from ares_otel.server.query.asking import SECOND, Moment, Name, Page, Paged, clock
from ares_otel.server.query.closed import money_of, net_of
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.performance import account_performances, strategy_correlations, symbol_correlations
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "MatrixAsked",
    "PerformanceAsked",
    "Ratios",
    "TradeRow",
    "TradesAsked",
    "matrix",
    "ratios",
    "trades",
]


FILTERED: Final = ("strategy", "symbol", "venue", "regime")


class TradesAsked(Paged, frozen=True, kw_only=True):
    """Which closed trades, by the time of their exit."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Annotated[Name | None, Meta(description="where all of its fills were made")] = None
    regime: Annotated[Name | None, Meta(description="that the decision saw which began it")] = None
    direction: Literal["long", "short"] | None = None


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A closed trade, from the first fill to flat; `direction` 1 long, -1 short.

    `pnl` is before fees; `net` is pnl - fees + funding, null where one of them is unknown or in another currency.
    `venue` is null where its fills were made at several, `regime` is that of the decision which began it.
    """

    strategy: str | None
    symbol: str | None
    venue: str | None
    regime: str | None
    currency: str | None
    direction: int
    quantity: float | None
    entered: Moment | None
    exited: Moment | None
    holding_seconds: float
    entry_price: float | None
    exit_price: float | None
    pnl: Decimal | None
    fees: Decimal | None
    funding: Decimal | None
    net: Decimal | None
    mae: float | None
    mfe: float | None


class PerformanceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose performance, how it is computed."""

    strategy: Name | None = None
    periods: Annotated[
        Literal[252, 365] | None,
        Meta(description="returns a year: exchange days, or every day; without it what fits the days that have values"),
    ] = None


class Ratios(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios of an account by window of market time, and the convention that they follow in one sentence."""

    strategy: str | None
    currency: str | None
    total: bool
    convention: str
    days_a_year: float | None
    windows: tuple[Performance, ...]


def ratios(reader: Reader, asked: PerformanceAsked) -> tuple[Ratios, ...]:
    """Return performance and risk ratios of each strategy, and of all of a currency, each with n and an interval."""
    convention = None if asked.periods is None else Convention(periods=asked.periods)
    return tuple(
        Ratios(
            strategy=each.account.strategy,
            currency=each.account.currency,
            total=each.account.total,
            convention=each.convention.sentence(),
            days_a_year=each.days_a_year,
            windows=each.performances,
        )
        for each in account_performances(reader, convention, strategy=asked.strategy)
    )


class MatrixAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Of what, and how p-values are corrected for many pairs."""

    of: Annotated[Literal["strategies", "symbols"], Meta(description="equity of strategies, or prices of symbols")] = (
        "strategies"
    )
    correction: Correction = "benjamini-hochberg"


def matrix(reader: Reader, asked: MatrixAsked) -> tuple[Correlation, ...]:
    """Return correlations of daily returns, pair by pair, over market time."""
    found = strategy_correlations if asked.of == "strategies" else symbol_correlations
    return tuple(found(reader, correction=asked.correction))


def trades(reader: Reader, asked: TradesAsked) -> Page[TradeRow]:
    """List closed trades, newest exit first."""
    row = t.trade.c
    conditions: list[ColumnElement[bool]] = [row.id >= asked.low, row.id < asked.before]
    asked_for = ((name, getattr(asked, name)) for name in FILTERED)
    conditions += [row[name] == number(reader, name, value) for name, value in asked_for if value is not None]
    if asked.direction is not None:
        conditions.append(row.direction == (1 if asked.direction == "long" else -1))
    rows = reader.db.execute(select(t.trade).where(*conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    names = (*FILTERED, "currency")
    known = words(reader, *([getattr(each, name) for each in rows] for name in names))
    found = tuple(
        TradeRow(
            **{name: known.get(getattr(each, name)) for name in names},
            direction=each.direction,
            quantity=each.quantity,
            entered=clock(each.entry_time),
            exited=clock(each.exit_time),
            holding_seconds=(each.exit_time - each.entry_time) / SECOND,
            entry_price=each.entry_price,
            exit_price=each.exit_price,
            pnl=money_of(each.pnl),
            fees=money_of(each.fees),
            funding=money_of(each.funding),
            net=net_of(each),
            mae=each.mae,
            mfe=each.mfe,
        )
        for each in rows
    )
    return Page(items=found, next=str(rows[-1].id) if len(rows) == asked.limit else None)
