"""Implementation shortfall with its parts, by venue: of the orders that the newest execution reports ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select

from ares_otel.portfolio.money import ZERO, add, exact, exactly
from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import Period, within
from ares_otel.server.query.naming import Words, words
from ares_otel.server.query.scoring import mean_of
from ares_otel.server.store import schema as t
from ares_otel.server.story.costs import PARTS, Costs, Told, costs_of
from ares_otel.server.story.reader import Reader

__all__ = ["MoneyCosts", "VenueCosts", "named_costs", "venue_costs"]

REPORTS: Final = 10_000
NAMED: Final = ("side", "status", "currency", "fee_currency", "venue")
WHOLE: Final = ("total", *PARTS)
ALWAYS: Final = Period()


class MoneyCosts(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of the parts in one currency, over `orders`; `base` is what the orders would have cost without any."""

    currency: str | None
    orders: int
    base: Decimal
    total: Decimal
    delay: Decimal
    execution: Decimal
    opportunity: Decimal
    explicit: Decimal


class VenueCosts(msgspec.Struct, frozen=True, kw_only=True):
    """Mean shortfall in basis points with its parts, over the same orders, so that the parts add up to the total.

    `left_out` counts orders that ended without one part or all of it, by what was missing.
    """

    total: Statistic
    delay: Statistic
    execution: Statistic
    opportunity: Statistic
    explicit: Statistic
    money: tuple[MoneyCosts, ...]
    left_out: dict[str, int]


def venue_costs(
    reader: Reader, period: Period = ALWAYS, conditions: Sequence[ColumnElement[bool]] = ()
) -> dict[int | None, VenueCosts]:
    """Return the shortfall by venue's number, over orders whose every report is of the period, and among the newest.

    Args:
        reader: of the store.
        period: of the orders.
        conditions: on the table of orders.
    """
    by_venue: dict[int | None, list[Costs]] = {}
    for venue, told in _told(reader, period, conditions):
        by_venue.setdefault(venue, []).append(costs_of(told))
    return {venue: _summed(costs) for venue, costs in by_venue.items()}


def named_costs(reader: Reader) -> Sequence[tuple[str | None, VenueCosts]]:
    """Return the shortfall by venue, of all orders that the newest reports ended."""
    found = venue_costs(reader)
    known = words(reader, found)
    return [(known.get(venue), costs) for venue, costs in found.items()]


def _told(
    reader: Reader, period: Period, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[int | None, Told]]:
    """Yield what is stored of the orders that have ended."""
    update, order = t.order_update.c, t.orders.c
    own = (order.venue, order.side, order.status, order.quantity, order.cum_quantity, order.avg_price)
    query = select(
        update.id, update.order_id, update.fee, update.fee_currency, update.shortfall, *own,
        order.arrival_mid, order.multiplier, order.currency, t.decision.c.price,
    )  # fmt: skip
    joined = query.join_from(t.order_update, t.orders, order.id == update.order_id)
    joined = joined.join(t.decision, t.decision.c.id == order.decision, isouter=True)
    wanted = joined.where(update.duplicate == 0, *within(update.id, period), order.updated < period.high, *conditions)
    found = reader.db.execute(wanted.order_by(update.id.desc()).limit(REPORTS)).all()
    known = words(reader, *([getattr(row, name) for row in found] for name in NAMED))
    floor = max(period.low, found[-1].id if len(found) == REPORTS else 0)
    by_order: dict[int, list[Any]] = {}
    for row in found:
        if row.order_id >= floor:
            by_order.setdefault(row.order_id, []).append(row)
    for rows in by_order.values():
        told = _of(rows, known)
        if told is not None:
            yield rows[0].venue, told


def _of(rows: Sequence[Any], known: Words) -> Told | None:
    """Return what is stored of an order; None while it is open, or if it was refused and nothing came of it."""
    row = rows[0]
    fees: dict[str, Decimal] = {}
    for each in rows:
        if each.fee:
            exactly(add)(fees, known.get(each.fee_currency), exact(each.fee))
    said = [each.shortfall for each in sorted(rows, key=lambda each: each.id) if each.shortfall is not None]
    told = Told(
        side=known.get(row.side),
        status=known.get(row.status),
        quantity=row.quantity,
        filled=row.cum_quantity,
        average=row.avg_price,
        arrival=row.arrival_mid,
        multiplier=row.multiplier,
        currency=known.get(row.currency),
        price=row.price,
        stated=said[-1] if said else None,
        fees=fees,
    )
    return told if told.has_worked else None


def _summed(costs: Iterable[Costs]) -> VenueCosts:
    whole: list[Costs] = []
    left_out: dict[str, int] = {}
    for each in costs:
        missing = next((why for part, why in each.reasons.items() if getattr(each, part) is None), None)
        if missing is None:
            whole.append(each)
        else:
            left_out[missing] = left_out.get(missing, 0) + 1
    values = {part: [bps for each in whole if (bps := each.bps[part]) is not None] for part in WHOLE}
    return VenueCosts(
        **{part: mean_of(found, "orders") for part, found in values.items()},
        money=tuple(_money(whole)),
        left_out=left_out,
    )


@exactly
def _money(whole: Sequence[Costs]) -> list[MoneyCosts]:
    by_currency: dict[str | None, list[Costs]] = {}
    for each in whole:
        by_currency.setdefault(each.currency, []).append(each)
    return [
        MoneyCosts(
            currency=currency,
            orders=len(some),
            **{part: sum((getattr(each, part) for each in some), ZERO) for part in ("base", *WHOLE)},
        )
        for currency, some in by_currency.items()
    ]
