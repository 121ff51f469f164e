"""Equity, positions and exposure, as the bots keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Row, select

from ares_otel.portfolio.money import EXACT, exact
from ares_otel.portfolio.statement import exposure, ratio
from ares_otel.server.query.asking import HOUR, Moment, Name, Period, clock, row_time
from ares_otel.server.query.hours import hours_of, owners
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Account",
    "AccountsAsked",
    "EquityAsked",
    "EquityCurve",
    "EquityPoint",
    "Exposure",
    "HoldingsAsked",
    "PositionRow",
    "Positions",
    "accounts",
    "equity",
    "exposures",
    "positions",
]

POINTS: Final = 2_000
POSITIONS: Final = 5_000


class EquityAsked(Period, frozen=True, kw_only=True):
    """Which equity; the period is of market time."""

    strategy: Name | None = None
    points: Annotated[int, Meta(ge=2, le=POINTS, description="most points of a curve")] = 500


class EquityPoint(msgspec.Struct, frozen=True):
    """Equity in a step of market time: at its end, its least and greatest."""

    time: Moment | None
    value: float
    low: float
    high: float


class EquityCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Equity of a strategy in a currency. A point stands for `step_hours` of market time."""

    strategy: str | None
    currency: str | None
    step_hours: int
    points: tuple[EquityPoint, ...]


class HoldingsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose positions."""

    strategy: Name | None = None
    symbol: Name | None = None
    flat: Annotated[bool, Meta(description="positions of quantity 0, too")] = False


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """The newest report of a position; quantity and notional are signed."""

    strategy: str | None
    symbol: str | None
    position_id: str | None
    currency: str | None
    reported: Moment
    market_time: Moment | None
    quantity: float | None
    notional: float | None
    avg_price: float | None
    mark: float | None
    realized_pnl: float | None
    unrealized_pnl: float | None


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Exposure of a strategy, or of all that share a currency (`strategy` null).

    `leverage` is gross exposure over equity, `concentration` the greatest position's share of the gross exposure.
    """

    strategy: str | None
    currency: str | None
    positions: int
    gross: Decimal
    net: Decimal
    equity: float | None
    leverage: float | None
    concentration: float | None


class Positions(msgspec.Struct, frozen=True, kw_only=True):
    """Positions now, and the exposure that they make. `left_out` counts positions without a value."""

    positions: tuple[PositionRow, ...]
    exposure: tuple[Exposure, ...]
    left_out: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The newest equity of a strategy in a currency, and since the beginning of its market day and of its curve.

    `margin_use` is `margin` by `margin_limit`, null where the bot does not say both.
    """

    strategy: str | None
    currency: str | None
    reported: Moment
    market_time: Moment | None
    equity: float
    cash: float | None
    realized_pnl: float | None
    margin: float | None
    margin_limit: float | None
    margin_use: float | None
    day_pnl: float | None
    total_pnl: float
    high: float
    drawdown: float | None
    since: Moment | None


class AccountsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose accounts."""

    strategy: Name | None = None


def equity(reader: Reader, asked: EquityAsked) -> tuple[EquityCurve, ...]:
    """Return equity curves by strategy and currency, over market time."""
    found = []
    for strategy, currency in owners(reader, asked.strategy):
        hours = hours_of(reader, strategy, currency, asked)
        known = words(reader, (strategy, currency))
        if hours:
            found.append(_curve(known.get(strategy), known.get(currency), hours, asked.points))
    return tuple(found)


def positions(reader: Reader, asked: HoldingsAsked) -> Positions:
    """Return positions now, and exposure by strategy and by currency."""
    row = t.position_now
    query = select(row).limit(POSITIONS)
    if asked.strategy is not None:
        query = query.where(row.c.strategy == number(reader, "strategy", asked.strategy))
    if asked.symbol is not None:
        query = query.where(row.c.symbol == number(reader, "symbol", asked.symbol))
    if not asked.flat:
        query = query.where(row.c.quantity != 0)
    rows = reader.db.execute(query.order_by(row.c.strategy, row.c.symbol)).all()
    known = words(reader, *([getattr(each, name) for each in rows] for name in ("strategy", "symbol", "currency")))
    found = tuple(_position(each, known) for each in rows)
    held = [each for each in found if each.quantity]
    valued = [each for each in held if _value(each) is not None]
    newest = {
        (one.strategy, one.currency): one.equity for one in accounts(reader, AccountsAsked(strategy=asked.strategy))
    }
    return Positions(positions=found, exposure=tuple(exposures(valued, newest)), left_out=len(held) - len(valued))


def exposures(
    held: Sequence[PositionRow], equities: Mapping[tuple[str | None, str | None], float]
) -> Iterable[Exposure]:
    """Yield the exposure of each strategy and currency, then of each currency that several strategies have.

    What is `held` has a value.
    """
    groups: dict[tuple[str | None, str | None], list[PositionRow]] = {}
    for one in held:
        groups.setdefault((one.strategy, one.currency), []).append(one)
    for (strategy, currency), some in groups.items():
        yield from _exposure(strategy, currency, some, equities.get((strategy, currency)))
    by_currency: dict[str | None, list[PositionRow]] = {}
    for one in held:
        by_currency.setdefault(one.currency, []).append(one)
    for currency, some in by_currency.items():
        owners = {one.strategy for one in some}
        if len(owners) > 1:
            known = [equities.get((owner, currency)) for owner in owners]
            sums = [value for value in known if value is not None]
            yield from _exposure(None, currency, some, sum(sums) if len(sums) == len(known) else None)


def accounts(reader: Reader, asked: AccountsAsked) -> tuple[Account, ...]:
    """Return the newest equity of each strategy and currency, with its gain and its drawdown."""
    return tuple(_account(reader, *pair) for pair in owners(reader, asked.strategy))


def _account(reader: Reader, strategy: int, currency: int) -> Account:
    newest = t.equity.c
    hours = hours_of(reader, strategy, currency)
    last = hours[-1]
    today = last.hour // 24 * 24
    before = [each for each in hours if each.hour < today]
    margin = (newest.margin, newest.margin_limit)
    said = reader.db.execute(
        select(newest.cash, newest.realized, newest.event_time, *margin).where(newest.id == last.last_id)
    ).first()
    known = words(reader, (strategy, currency))
    high = max(each.high for each in hours)
    return Account(
        strategy=known.get(strategy),
        currency=known.get(currency),
        reported=row_time(last.last_id),
        market_time=clock(said.event_time if said and said.event_time else last.hour * HOUR),
        equity=last.last,
        cash=said.cash if said else None,
        realized_pnl=said.realized if said else None,
        margin=said.margin if said else None,
        margin_limit=said.margin_limit if said else None,
        margin_use=ratio(said.margin, said.margin_limit) if said else None,
        day_pnl=last.last - before[-1].last if before else None,
        total_pnl=last.last - hours[0].first,
        high=high,
        drawdown=1.0 - last.last / high if high > 0 else None,
        since=clock(hours[0].hour * HOUR),
    )


def _curve(strategy: str | None, currency: str | None, rows: Sequence[Any], points: int) -> EquityCurve:
    """Join hours so that a curve has few points and loses no low and no high."""
    step = 1
    spread = rows[-1].hour - rows[0].hour + 1
    if len(rows) > points:
        step = -(-spread // (points - 1))
    joined: dict[int, EquityPoint] = {}
    for each in rows:
        place = each.hour // step
        known = joined.get(place)
        low, high = (each.low, each.high) if known is None else (min(known.low, each.low), max(known.high, each.high))
        joined[place] = EquityPoint(clock(each.hour * HOUR), each.last, low, high)
    return EquityCurve(strategy=strategy, currency=currency, step_hours=step, points=tuple(joined.values()))


def _position(row: Row[Any], known: Mapping[int | None, str]) -> PositionRow:
    return PositionRow(
        strategy=known.get(row.strategy),
        symbol=known.get(row.symbol),
        position_id=row.position_id or None,
        currency=known.get(row.currency),
        reported=row_time(row.id),
        market_time=clock(row.event_time),
        quantity=row.quantity,
        notional=row.notional,
        avg_price=row.avg_price,
        mark=row.mark,
        realized_pnl=row.realized,
        unrealized_pnl=row.unrealized,
    )


def _value(row: PositionRow) -> Decimal | None:
    """Return the signed value of a position, exactly as it was said or from quantity and mark."""
    if row.notional is not None:
        return exact(row.notional)
    if row.quantity is None or row.mark is None:
        return None
    return EXACT.multiply(exact(row.quantity), exact(row.mark))


def _exposure(
    strategy: str | None, currency: str | None, some: Sequence[PositionRow], worth: float | None
) -> Iterable[Exposure]:
    found = exposure(map(_value, some), None if worth is None else exact(worth))
    if found is not None:
        yield Exposure(
            strategy=strategy,
            currency=currency,
            positions=len(some),
            gross=found.gross,
            net=found.net,
            equity=worth,
            leverage=found.leverage,
            concentration=found.largest,
        )
