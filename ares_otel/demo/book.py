"""The bot's own account of one strategy, kept from the venue's execution reports alone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from ares_otel.demo.account import Account
from ares_otel.demo.orders import FINAL, ExecutionReport, Order, signed
from ares_otel.demo.strategy import Purpose, Working

__all__ = ["Book", "Tally"]

BACK_OFF = 0.5
RECOVERY = 1.25


class Tally(msgspec.Struct):
    """What the bot did and saw, counted by itself.

    Attributes:
        decisions: by action.
        votes: cast by the members.
        orders: sent to the venue.
        denied: orders stopped by the bot's own checks.
        updates: execution reports by status.
        rejections: by reason.
        fills: partial and last ones.
        fees: paid, zero or more.
        rebates: received, zero or more.
        notional: value of all fills.
    """

    decisions: dict[str, int] = {}
    votes: int = 0
    orders: int = 0
    denied: int = 0
    updates: dict[str, int] = {}
    rejections: dict[str, int] = {}
    fills: int = 0
    fees: Decimal = Decimal(0)
    rebates: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)

    def count(self, report: ExecutionReport) -> None:
        """Count an execution report."""
        _add(self.updates, report.status)
        if report.reason is not None:
            _add(self.rejections, report.reason)
        if report.last_quantity is not None and report.last_price is not None:
            self.fills += 1
            self.notional += report.last_quantity * report.last_price
            self.fees += max(report.fee, Decimal(0))
            self.rebates += max(-report.fee, Decimal(0))

    def decided(self, action: str, votes: int) -> None:
        """Count a decision and its votes."""
        _add(self.decisions, action)
        self.votes += votes


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


class Book(msgspec.Struct):
    """What the bot knows of its own trading.

    Attributes:
        account: cash and positions, from the fills.
        marks: last price by symbol.
        working: orders that are not done, by client id.
        held: bars since the position was opened, by symbol.
        caution: factor on the size of new positions by symbol; halved when the venue refuses a size, then recovering.
        day: the day of the last mark.
        day_start: equity at the end of the day before.
        last_equity: equity at the last mark.
        orders_today: orders sent on that day.
        numbered: orders numbered so far.
        tally: what was counted.
    """

    account: Account
    marks: dict[str, Decimal] = {}
    working: dict[str, Working] = {}
    held: dict[str, int] = {}
    caution: dict[str, float] = {}
    day: date | None = None
    day_start: Decimal = Decimal(0)
    last_equity: Decimal = Decimal(0)
    orders_today: int = 0
    numbered: int = 0
    tally: Tally = msgspec.field(default_factory=Tally)

    @property
    def equity(self) -> Decimal:
        """Cash plus positions at the last prices."""
        return self.account.equity(self.marks)

    @property
    def free(self) -> float:
        """Share of the equity that is not in positions, 0..1; orders that are not filled yet do not count."""
        return min(1.0, max(0.0, 1 - float(self.account.gross_exposure(self.marks) / self.equity)))

    @property
    def day_loss(self) -> float:
        """Loss since the end of the day before as a share of that equity, negative for a gain."""
        return float(1 - self.equity / self.day_start)

    def mark(self, symbol: str, price: float, time: datetime) -> None:
        """Take the close of a symbol's bar; the first mark of a day also ends the day before."""
        if self.day != time.date():
            self.day_start = self.equity if self.day is None else self.last_equity
            self.day = time.date()
            self.orders_today = 0
        self.marks[symbol] = Decimal(repr(price))
        self.last_equity = self.equity
        self.held[symbol] = self.held.get(symbol, 0) + 1 if self.account.quantity(symbol) else 0
        self.caution[symbol] = min(1.0, self.caution.get(symbol, 1.0) * RECOVERY)

    def send(self, order: Order, purpose: Purpose) -> None:
        """Note that an order is on its way."""
        self.working[order.client_id] = Working(order, purpose)
        self.orders_today += 1
        self.tally.orders += 1

    def apply(self, report: ExecutionReport) -> None:
        """Book what the venue says happened to one of the orders sent."""
        self.tally.count(report)
        working = self.working[report.client_id]
        working.filled = report.cumulative_quantity
        if report.status in FINAL:
            del self.working[report.client_id]
        if report.last_quantity is not None and report.last_price is not None:
            change = signed(report.side, report.last_quantity)
            self.account.apply(report.symbol, change, report.last_price, report.fee)
        if report.reason in {"exceeds_limit", "insufficient_funds"}:
            self.caution[report.symbol] = self.caution.get(report.symbol, 1.0) * BACK_OFF

    def working_in(self, symbol: str) -> tuple[Working, ...]:
        """Return the orders of a symbol that are not done."""
        return tuple(each for each in self.working.values() if each.order.symbol == symbol)
