"""The bot's own books: what the reports say, day by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from demo_samples import DAY, START, make_bar, order

from ares_otel.demo.account import Account
from ares_otel.demo.book import Book, Tally
from ares_otel.demo.orders import ExecutionReport
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.venue import PaperVenue


class Desk:
    """A book and the venue that fills its orders."""

    def __init__(self) -> None:
        self.book = Book(Account.open(VenueRules().initial_cash))
        self.venue = PaperVenue(VenueRules(), 1)
        self.days = 0
        self.bar(100.0)

    def bar(self, close: float) -> None:
        """Let a day pass."""
        bar = make_bar(close, time=START + self.days * DAY)
        self.days += 1
        self.hear(self.venue.trade(bar))
        self.book.mark("X", close, bar.time)

    def send(self, **changes: Any) -> None:
        """Send an order."""
        sent = order(account="a", time=START + (self.days - 1) * DAY, **changes)
        self.book.send(sent, "open")
        self.hear([self.venue.submit(sent)])

    def hear(self, reports: Iterable[ExecutionReport]) -> None:
        """Book some reports."""
        for report in reports:
            self.book.apply(report)


def test_books_agree_with_the_venue() -> None:
    """After an order and its fills the bot knows what the venue knows."""
    desk = Desk()
    desk.send(quantity=Decimal(30))
    assert [each.order.client_id for each in desk.book.working_in("X")] == ["c1"]
    assert desk.book.working_in("Y") == ()
    desk.bar(110.0)

    assert desk.book.working == {}
    assert desk.book.account == desk.venue.account("a")
    assert desk.book.account.quantity("X") == 30
    assert desk.book.equity == desk.venue.account("a").equity({"X": Decimal(110)})


def test_days() -> None:
    """The first mark of a day ends the day before: its equity is what a loss is measured against."""
    desk = Desk()
    desk.send(quantity=Decimal(500))
    desk.bar(100.0)
    start = desk.book.equity
    assert desk.book.orders_today == 0
    desk.send(client_id="c2")
    assert desk.book.orders_today == 1
    desk.bar(90.0)

    assert desk.book.day_start == start
    assert desk.book.day_loss == pytest.approx(float(Decimal(500 * 10) / start), rel=0.01)
    assert desk.book.orders_today == 0
    desk.book.mark("Y", 1.0, START + 2 * DAY + timedelta(hours=2))
    assert desk.book.day_start == start


def test_held_counts_bars() -> None:
    """A position is one bar old at the close of the bar in which it was opened, and nothing when it is closed."""
    desk = Desk()
    assert desk.book.held["X"] == 0
    desk.send()
    held = []
    for _ in range(3):
        desk.bar(100.0)
        held.append(desk.book.held["X"])
    desk.send(client_id="c2", side="sell")
    desk.bar(100.0)

    assert held == [1, 2, 3]
    assert desk.book.held["X"] == 0


def test_caution() -> None:
    """A refusal of a size halves the next one; the bars after it give it back."""
    desk = Desk()
    desk.send(quantity=Decimal(5_000))
    assert desk.book.caution["X"] == 0.5
    seen = []
    for _ in range(4):
        desk.bar(100.0)
        seen.append(desk.book.caution["X"])

    assert seen == [0.625, 0.78125, 0.9765625, 1.0]


def test_other_refusals_need_no_caution() -> None:
    """A price out of band says nothing about size."""
    desk = Desk()
    desk.send(price=Decimal(50))

    assert desk.book.caution["X"] == 1.0
    assert desk.book.tally.rejections == {"price_band": 1}


def test_free() -> None:
    """What is in positions is not free; without positions all is."""
    desk = Desk()
    assert desk.book.free == 1.0
    desk.send(quantity=Decimal(600), side="sell_short")
    desk.bar(100.0)

    assert desk.book.free == pytest.approx(0.4, abs=0.01)


def test_tally() -> None:
    """Everything is counted once: orders, updates by status, refusals, fills, fees, value."""
    desk = Desk()
    desk.send(client_id="c1", quantity=Decimal(10))
    desk.send(client_id="c2", quantity=Decimal(5_000))
    desk.send(client_id="c3", price=Decimal(99))
    desk.bar(100.0)
    tally = desk.book.tally
    tally.decided("buy", 5)
    tally.decided("buy", 5)

    assert (tally.decisions, tally.votes, tally.orders) == ({"buy": 2}, 10, 3)
    assert tally.updates["new"] == 2
    assert tally.updates["rejected"] == tally.updates["filled"] == tally.updates["expired"] == 1
    assert tally.rejections == {"exceeds_limit": 1}
    assert tally.fills == tally.updates.get("partially_filled", 0) + 1
    assert (tally.notional, tally.fees, tally.rebates) == (Decimal(1_000), Decimal("0.20"), Decimal(0))


def test_two_tallies_share_nothing() -> None:
    """Counts of one are not counts of the other."""
    one = Tally()
    one.decided("hold", 1)

    assert Tally().decisions == {}
