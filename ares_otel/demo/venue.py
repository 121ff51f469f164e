"""A paper venue: takes orders, fills them inside the next bar, keeps exact accounts, and tells what it did.

It answers as a real one does, with execution reports in order of time: `new` or `rejected` at once, then
`partially_filled`, `filled`, `expired` when the next bar is there, `canceled` when it was asked to. What it may draw or
refuse is declared in `rules.VenueRules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, NamedTuple

import msgspec

from ares_otel.demo.account import Account
from ares_otel.demo.bars import Bar
from ares_otel.demo.fills import Fill, delay, limit_fills, market_fills
from ares_otel.demo.orders import FINAL, ExecutionReport, Order, RejectReason, Status, signed
from ares_otel.demo.rules import VenueRules

__all__ = ["PaperVenue", "Resting", "UnknownOrderError", "VenueState"]

ZERO = Decimal(0)
CENT = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")

Refusal = tuple[RejectReason, str]


class UnknownOrderError(LookupError):
    """No working order has this client id: it was never accepted, or it is done."""


class Resting(msgspec.Struct):
    """An accepted order that is not done.

    Attributes:
        order: what was asked.
        number: the venue's number of the order.
        accepted: when it was acknowledged.
        filled: quantity filled so far.
        paid: sum of quantity * price of its fills.
        age: bars it has been through.
    """

    order: Order
    number: int
    accepted: datetime
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    age: int = 0

    @property
    def leaves(self) -> Decimal:
        """Quantity still to be filled."""
        return self.order.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of the fills so far, to six decimals; None before the first."""
        return (self.paid / self.filled).quantize(Decimal("0.000001")) if self.filled else None


class _Change(NamedTuple):
    """Something that happens to a working order: a fill, or its end if there is none."""

    time: datetime
    resting: Resting
    fill: Fill | None


class VenueState(msgspec.Struct):
    """Everything that a venue has to remember over a restart.

    Attributes:
        accounts: by name.
        resting: accepted orders that are not done, by client id, in order of acceptance.
        last: the last price of each symbol.
        orders: number of the newest order.
        trades: number of the newest fill.
        reports: number of the newest execution report.
    """

    accounts: dict[str, Account] = {}
    resting: dict[str, Resting] = {}
    last: dict[str, Decimal] = {}
    orders: int = 0
    trades: int = 0
    reports: int = 0


class PaperVenue:
    """The venue. Give it every bar with `trade`, and orders between the bars.

    Args:
        rules: its declared behaviour.
        seed: of everything it draws; the same seed and the same orders give the same reports.
        state: what an earlier venue remembered; a new one if left out.
    """

    def __init__(self, rules: VenueRules, seed: int, state: VenueState | None = None) -> None:
        self.rules = rules
        self.state = VenueState() if state is None else state
        self._seed = seed

    def account(self, name: str) -> Account:
        """Return the account of this name, opened with the initial cash when it is asked for the first time."""
        return self.state.accounts.setdefault(name, Account.open(self.rules.initial_cash))

    def submit(self, order: Order) -> ExecutionReport:
        """Take an order; the answer is a report `new` or `rejected`."""
        self.state.orders += 1
        random = self._random(self.state.orders, 0)
        resting = Resting(order, self.state.orders, order.time + self._ack(random))
        refusal = self._refusal(order)
        if refusal is not None:
            reason, text = refusal
            return self._report(resting, "rejected", resting.accepted, reason=reason, text=text)
        self.state.resting[order.client_id] = resting
        return self._report(resting, "new", resting.accepted)

    def cancel(self, client_id: str, time: datetime) -> ExecutionReport:
        """Take a working order out of the market.

        Raises:
            UnknownOrderError: there is no such order, or no more.
        """
        resting = self.state.resting.pop(client_id, None)
        if resting is None:
            raise UnknownOrderError(f"no working order {client_id!r}")
        done = time + self._ack(self._random(resting.number, -1 - resting.age))
        return self._report(resting, "canceled", max(done, resting.accepted))

    def trade(self, bar: Bar) -> list[ExecutionReport]:
        """Fill the working orders of the bar's symbol inside the bar and end those of the day, in order of time."""
        working = [each for each in self.state.resting.values() if each.order.symbol == bar.symbol]
        changes = [change for resting in working for change in self._changes(resting, bar)]
        self.state.last[bar.symbol] = Decimal(repr(bar.close))
        return [self._apply(change) for change in sorted(changes, key=lambda change: change.time)]

    def _changes(self, resting: Resting, bar: Bar) -> list[_Change]:
        """What happens to one order during a bar."""
        resting.age += 1
        fills = self._fills(resting, bar)
        changes = [_Change(fill.time, resting, fill) for fill in fills]
        is_left = sum((fill.quantity for fill in fills), ZERO) < resting.leaves
        if is_left and resting.order.time_in_force == "day":
            changes.append(_Change(max(bar.time, resting.accepted), resting, None))
        return changes

    def _fills(self, resting: Resting, bar: Bar) -> list[Fill]:
        order, random = resting.order, self._random(resting.number, resting.age)
        if order.price is None:
            return market_fills(random, self.rules, bar, order.side, resting.leaves, resting.accepted)
        return limit_fills(random, self.rules, bar, order.side, resting.leaves, order.price, resting.accepted)

    def _apply(self, change: _Change) -> ExecutionReport:
        resting = change.resting
        report = self._fill(resting, change.fill) if change.fill else self._report(resting, "expired", change.time)
        if report.status in FINAL:
            del self.state.resting[resting.order.client_id]
        return report

    def _fill(self, resting: Resting, fill: Fill) -> ExecutionReport:
        order = resting.order
        rate = self.rules.maker_fee_bp if fill.liquidity == "maker" else self.rules.taker_fee_bp
        fee = (fill.quantity * fill.price * rate * BASIS_POINT).quantize(CENT, ROUND_HALF_UP)
        self.account(order.account).apply(order.symbol, signed(order.side, fill.quantity), fill.price, fee)
        resting.filled += fill.quantity
        resting.paid += fill.quantity * fill.price
        self.state.trades += 1
        return self._report(
            resting,
            "partially_filled" if resting.leaves else "filled",
            fill.time,
            last_quantity=fill.quantity,
            last_price=fill.price,
            fee=fee,
            liquidity=fill.liquidity,
            trade_id=f"T{self.state.trades:08d}",
        )

    def _report(self, resting: Resting, status: Status, time: datetime, **details: Any) -> ExecutionReport:
        order = resting.order
        self.state.reports += 1
        return ExecutionReport(
            execution_id=f"E{self.state.reports:08d}",
            venue_id=f"V{resting.number:08d}",
            client_id=order.client_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            status=status,
            time=time,
            quantity=order.quantity,
            cumulative_quantity=resting.filled,
            average_price=resting.average_price,
            **details,
        )

    def _refusal(self, order: Order) -> Refusal | None:
        """Check an order against the venue's rules; the first refusal counts."""
        last = self.state.last.get(order.symbol)
        if last is None:
            return "unknown_symbol", f"{order.symbol} is not traded here"
        return next(self._refusals(order, last), None)

    def _refusals(self, order: Order, last: Decimal) -> Iterator[Refusal]:
        if order.client_id in self.state.resting:
            yield "duplicate_order", f"{order.client_id} is working already"
        if order.quantity <= 0 or order.quantity % self.rules.lot:
            yield "incorrect_quantity", f"{order.quantity} is no whole number of lots of {self.rules.lot}"
        if order.price is not None and order.price % self.rules.tick:
            yield "price_increment", f"{order.price} is no multiple of {self.rules.tick}"
        if order.price is not None and abs(order.price / last - 1) > self.rules.price_band:
            yield "price_band", f"{order.price} is further than {self.rules.price_band:.0%} from the last price {last}"
        if order.quantity * last > self.rules.max_notional:
            yield "exceeds_limit", f"worth {order.quantity * last:.2f}, more than {self.rules.max_notional}"
        missing = self._missing_funds(order)
        if missing > 0:
            yield "insufficient_funds", f"short of {missing:.2f}"

    def _missing_funds(self, order: Order) -> Decimal:
        """Return by how much the order would stretch the account; zero or less if it can be afforded."""
        account = self.account(order.account)
        working = [each.order for each in self.state.resting.values() if each.order.account == order.account]
        before = self._stretch(account, working)
        after = self._stretch(account, [*working, order])
        limit = self.rules.leverage * account.equity(self.state.last)
        return after - limit if after > before else ZERO

    def _stretch(self, account: Account, orders: list[Order]) -> Decimal:
        """Return the greatest value that all positions can come to by these orders."""
        last = self.state.last.items()
        return sum((_widest(account.quantity(symbol), symbol, orders) * price for symbol, price in last), ZERO)

    def _ack(self, random: Random) -> timedelta:
        return delay(random, self.rules.ack_median_ms, self.rules.ack_sigma)

    def _random(self, order: int, age: int) -> Random:
        return Random(f"{self._seed}/{order}/{age}")  # noqa: S311 - a paper venue needs no cryptography


def _widest(held: Decimal, symbol: str, orders: list[Order]) -> Decimal:
    """Return the largest position, long or short, if the orders of one side are filled and those of the other not."""
    changes = [signed(order.side, order.quantity) for order in orders if order.symbol == symbol]
    bought = sum((change for change in changes if change > 0), ZERO)
    sold = sum((change for change in changes if change < 0), ZERO)
    return max(abs(held + bought), abs(held + sold))
