"""What an order cost against the price that its decision saw, part by part, from what is stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from ares_otel.orders.states import DONE
from ares_otel.portfolio.costs import WORDS, Execution, Shortfall, stated_shortfall
from ares_otel.portfolio.holding import ONE
from ares_otel.portfolio.money import ZERO, exact, exactly
from ares_otel.records.model import Number
from ares_otel.server.store.lifecycle import REFUSED

__all__ = ["PARTS", "Costs", "Told", "costs_of"]

PARTS: Final = ("delay", "execution", "opportunity", "explicit")
NO_ARRIVAL: Final = "the order had no arrival mid"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an order; `price` is what its decision saw, `stated` the shortfall that the bot said, in bp."""

    side: str | None
    status: str | None
    quantity: Number | None
    filled: Number | None
    average: Number | None
    arrival: Number | None
    multiplier: Number | None
    currency: str | None
    price: Number | None
    stated: float | None
    fees: Mapping[str, Decimal]

    @property
    def has_worked(self) -> bool:
        """Whether the order has ended after it could have been filled."""
        return self.status in DONE and not (self.status in REFUSED and not self.filled)


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Implementation shortfall of an order in money, and in basis points of what it would have cost without any.

    Positive is a cost: `total` = `delay` (from the decision to the arrival of the order) + `execution` (from there to
    the fills) + `opportunity` (what was not filled has missed) + `explicit` (fees). `bps` has them in basis points of
    `base`. `reasons` says why one of them is null.
    """

    currency: str | None = None
    base: Decimal | None = None
    total: Decimal | None = None
    delay: Decimal | None = None
    execution: Decimal | None = None
    opportunity: Decimal | None = None
    explicit: Decimal | None = None
    bps: dict[str, float | None] = {}
    reasons: dict[str, str] = {}


def costs_of(told: Told) -> Costs:
    """Return the shortfall of an order with its parts; without one, why."""
    why = _why_none(told)
    found = None if why is not None else stated_shortfall(_execution(told), told.stated)
    if found is None:
        return Costs(currency=told.currency, reasons={"total": why or "no price is known of when the order ended"})
    money = {"total": found.total, **{name: getattr(found, name) for name in PARTS}}
    return Costs(
        currency=told.currency,
        base=found.base,
        bps={name: _bps(found, amount) for name, amount in money.items()},
        reasons=dict(_missing(found, told)),
        **money,
    )


def _why_none(told: Told) -> str | None:
    """Return why an order has no shortfall, None if nothing is known to stand against it."""
    if told.status not in DONE:
        return "the order is not done"
    if told.status in REFUSED and not told.filled:
        return "the order never worked in the market"
    if told.side not in WORDS:
        return "the side of the order is not known"
    if not told.quantity:
        return "the quantity of the order is not known"
    if not told.price:
        return "the price that the decision saw is not known"
    return "a fill has no price" if told.filled and not told.average else None


@exactly
def _execution(told: Told) -> Execution:
    filled = exact(told.filled or 0)
    own = [told.fees.get(currency, ZERO) for currency in {told.currency or "", ""}]
    return Execution(
        sign=WORDS[told.side or ""],
        ordered=exact(told.quantity or 0),
        filled=filled,
        money=filled * exact(told.average or 0),
        fees=sum(own, ZERO),
        decided=exact(told.price or 0),
        arrival=exact(told.arrival) if told.arrival else None,
        multiplier=exact(told.multiplier) if told.multiplier else ONE,
    )


def _missing(found: Shortfall, told: Told) -> Iterable[tuple[str, str]]:
    if found.delay is None:
        yield from dict.fromkeys(("delay", "execution"), NO_ARRIVAL).items()
    foreign = sorted(name for name in told.fees if name not in {told.currency or "", ""})
    if foreign:
        yield "explicit", f"fees in {', '.join(foreign)} are not in it"


def _bps(found: Shortfall, amount: Decimal | None) -> float | None:
    part = found.bps(amount)
    return None if part is None else float(part)
