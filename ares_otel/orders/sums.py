"""What of an order is filled, for how much money: exact sums over single fills and cumulative reports, in any order.

Venues speak of fills in two ways. A FIX report or a trade stream says what was filled now (LastQty, LastPx); an order
stream or a poll (ccxt) says what is filled in all (CumQty, AvgPx). Both may come for one order, late, and twice. So:

* A fill adds its quantity. A cumulative quantity adds what it is ahead of the sum: quantity *derived by difference*.
* Where a report has both and they disagree, the cumulative quantity wins, and the disagreement is complained of.
* A fill that is told after the cumulative quantity had counted it explains derived quantity and adds nothing. It is
  known by its cumulative quantity that is not ahead of the sum; without one by its time (not after that of the
  cumulative report), or because the order would be filled beyond its quantity.
* A cumulative quantity that is behind the sum is a late report and takes nothing away.
* Money is the sum of price times quantity of the fills. An average price gives the money of quantity whose price is
  unknown, and wins where it disagrees by more than a basis point (within, it was only rounded).
* Zero as a price or an average price is "not known": that is how venues' clients fill an empty field.

Numbers are decimals of what the floats print as, so that 0.1 + 0.2 is 0.3 and the order of fills does not matter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from ares_otel.guard import GUARD
from ares_otel.portfolio.money import EXACT, ZERO, exact
from ares_otel.records.model import Number, OrderUpdate

__all__ = ["EXACT", "ZERO", "Said", "Sums", "add", "exact", "is_late", "said_by", "vwap"]

NOISE = Decimal("1e-12")
ROUNDING = Decimal("1e-4")


class Sums(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sums of an order.

    Attributes:
        quantity: filled so far, never less than before.
        priced: of it, what has a known price.
        money: price times quantity of the priced part.
        derived: of `quantity`, what was found by difference and no single fill has explained yet.
        fees: in the order's currency, or in an unnamed one; rebates are negative.
        reported: venue's time, Unix ns, of the greatest cumulative quantity.
    """

    quantity: Decimal = ZERO
    priced: Decimal = ZERO
    money: Decimal = ZERO
    derived: Decimal = ZERO
    fees: Decimal = ZERO
    reported: int | None = None


class Said(NamedTuple):
    """What one report says about quantities and prices; zero for no fill, None for unknown."""

    quantity: Decimal
    price: Decimal | None
    cumulative: Decimal | None
    average: Decimal | None
    fee: Decimal
    time: int | None


def said_by(update: OrderUpdate, currency: str | None) -> Said:
    """Return what an examined report says; a fee counts if its currency is the order's, or is not named."""
    ours = update.fee is not None and update.fee_currency in {None, currency}
    return Said(
        quantity=_maybe(update.quantity) or ZERO,
        price=_maybe(update.price) or None,
        cumulative=_maybe(update.cum_quantity),
        average=_maybe(update.avg_price) or None,
        fee=exact(update.fee) if ours and update.fee is not None else ZERO,
        time=update.event_time if isinstance(update.event_time, int) else None,
    )


def vwap(sums: Sums) -> Decimal | None:
    """Return the volume-weighted average price of the fills; None unless the price of each is known."""
    return sums.money / sums.quantity if sums.quantity and sums.priced >= sums.quantity else None


def is_late(sums: Sums, said: Said) -> bool:
    """Tell whether a report was overtaken: its cumulative quantity is less than what is filled already."""
    return said.cumulative is not None and _ahead(sums, said.cumulative) < 0


def add(before: Sums, said: Said, ordered: Decimal | None, *, late: bool) -> Sums:
    """Return the sums after a report that was not seen before; run it in the context `EXACT`.

    Args:
        before: the sums so far.
        said: what the report says.
        ordered: quantity of the order, None when unknown.
        late: what `is_late` says of the two.
    """
    if not (said.quantity or said.cumulative is not None or said.average is not None or said.fee):
        return before
    new = _new(before, said, ordered)
    fill = min(said.quantity, new)
    derived = new - fill
    explained = min(said.quantity - fill, before.derived)
    _compare(said, derived, said.quantity - fill - explained)
    priced = fill + min(explained, before.quantity - before.priced) if said.price else ZERO
    after = Sums(
        quantity=before.quantity + new,
        priced=before.priced + priced,
        money=before.money + priced * (said.price or ZERO),
        derived=before.derived + derived - explained,
        fees=before.fees + said.fee,
        reported=before.reported if said.cumulative is None or late else said.time,
    )
    return after if late or said.average is None or not after.quantity else _averaged(after, said.average)


def _maybe(value: Number | None) -> Decimal | None:
    return None if value is None else exact(value)


def _ahead(sums: Sums, cumulative: Decimal) -> Decimal:
    ahead = cumulative - sums.quantity
    return ahead if abs(ahead) > NOISE * max(cumulative, sums.quantity) else ZERO


def _new(before: Sums, said: Said, ordered: Decimal | None) -> Decimal:
    if said.cumulative is None:
        return ZERO if _is_counted(before, said, ordered) else said.quantity
    ahead = _ahead(before, said.cumulative)
    same = abs(ahead - said.quantity) <= NOISE * max(said.cumulative, before.quantity)
    return said.quantity if ahead > 0 and same else max(ahead, ZERO)


def _is_counted(before: Sums, said: Said, ordered: Decimal | None) -> bool:
    if said.quantity > before.derived * (1 + NOISE):
        return False
    if said.time is not None and before.reported is not None:
        return said.time <= before.reported
    return ordered is not None and before.quantity + said.quantity > ordered * (1 + NOISE)


def _compare(said: Said, derived: Decimal, surplus: Decimal) -> None:
    if said.cumulative is not None and said.quantity and (derived or surplus):
        message = "a fill and its cumulative quantity disagree; the cumulative quantity is taken"
        GUARD.complain("orders.sums", "quantity", message)


def _averaged(after: Sums, average: Decimal) -> Sums:
    money = average * after.quantity
    known = after.priced >= after.quantity
    if known and abs(money - after.money) <= ROUNDING * money:
        return after
    if known:
        GUARD.complain("orders.sums", "price", "the fills and their average price disagree; the average is taken")
    return msgspec.structs.replace(after, money=money, priced=after.quantity)
