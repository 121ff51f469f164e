"""What of an execution report is to be booked: how much of it is new, in which currency, at which price."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from ares_otel.portfolio.holding import ONE, Fill
from ares_otel.portfolio.money import ZERO, exact
from ares_otel.records.facts import UpdateFacts
from ares_otel.records.model import Order

__all__ = ["Booked", "Currencies", "Pair", "fill_of", "fill_price"]

LIMIT: Final = 10_000
Pair: TypeAlias = tuple[str, str]


class Booked:
    """Cumulative quantities of open orders that were booked, so that nothing is booked twice.

    Accounts and ledger are not written in one step: after a crash the ledger may report again what is booked already.
    """

    def __init__(self, orders: dict[str, Decimal] | None = None) -> None:
        self.orders = orders or {}

    def new(self, facts: UpdateFacts) -> Decimal:
        """Return what a report filled that was not booked yet."""
        quantity, client = exact(facts.fill_quantity or 0.0), facts.update.client_id
        booked = self.orders.get(client)
        if facts.cum_quantity is not None:
            cumulative = exact(facts.cum_quantity)
            quantity = quantity if booked is None else max(min(quantity, cumulative - booked), ZERO)
            self.orders[client] = max(cumulative, booked or ZERO)
        if facts.done or len(self.orders) > LIMIT:
            self.orders.pop(client if facts.done else next(iter(self.orders)), None)
        return quantity


class Currencies:
    """The currency of each position; the first one that was said is meant where none is."""

    def __init__(self) -> None:
        self._known: dict[Pair, str] = {}

    def of(self, pair: Pair, currency: str | None) -> str:
        """Return the currency that a record means which says this one, or none."""
        known = self._known.get(pair)
        if known is None and len(self._known) < LIMIT:
            known = self._known[pair] = currency or ""
        return currency if known and currency else known or ""


def fill_of(facts: UpdateFacts, order: Order, quantity: Decimal, at: float) -> Fill:
    """Return a fill of this signed quantity; `at`: Unix seconds, where the venue tells no time."""
    price, update = fill_price(facts), facts.update
    time = update.event_time if isinstance(update.event_time, int) else int(at * 1e9)
    return Fill(
        quantity,
        None if price is None else exact(price),
        exact(order.multiplier) if order.multiplier else ONE,
        ZERO if update.fee is None else exact(update.fee),
        update.fee_currency or "",
        time,
    )


def fill_price(facts: UpdateFacts) -> float | None:
    """Return the price of this fill; the average price is the same while there is only one."""
    if facts.update.price is not None:
        return float(facts.update.price)
    return facts.avg_price if facts.fill_quantity == facts.cum_quantity else None
