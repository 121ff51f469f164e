"""Positions, profit and trades that follow from the bot's fills, at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from metrics_story import metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics, accounts, booking
from ares_otel.orders import Ledger
from ares_otel.portfolio.holding import Method
from ares_otel.records import examine
from ares_otel.records.facts import OrderFacts, Origin, UpdateFacts
from ares_otel.records.model import Equity, Funding, Mark, Order, OrderUpdate, Position

USD = {"strategy": "s", "currency": "USD"}


class Trader:
    """Sends orders of strategy `s` and hears of them, with a ledger as the bot has one."""

    def __init__(self, target: Metrics, ledger: Ledger | None = None) -> None:
        self.target = target
        self.ledger = ledger or Ledger(None, process="p")
        self.number = 0

    def send(self, side: str, quantity: float, symbol: str = "A", **fields: object) -> str:
        """Send an order; return its client id."""
        self.number += 1
        client = str(fields.pop("client", f"c{self.number}"))
        given = {"currency": "USD", "symbol": symbol, "strategy": "s", **fields}
        order, _ = examine(Order(client, side, "market", quantity, **given))  # type: ignore[arg-type]
        self.ledger.submit(order, Origin(strategy="s", symbol=symbol), 0, 0)
        self.target.order(OrderFacts(order, Origin()))
        return client

    def hear(self, client: str, status: str = "filled", **fields: object) -> UpdateFacts:
        """Hear a report of an order."""
        update, _ = examine(OrderUpdate(client, status, **fields))  # type: ignore[arg-type]
        facts = self.ledger.update(update, 1, 1, Origin(strategy="s", symbol="A"))
        self.target.update(facts)
        return facts

    def trade(self, side: str, quantity: float, price: float, fee: float = 0.0, **fields: object) -> None:
        """Send an order that is filled whole."""
        self.hear(self.send(side, quantity, **fields), quantity=quantity, price=price, fee=fee)  # type: ignore[arg-type]

    def mark(self, price: float | None, symbol: str = "A", currency: str | None = None) -> None:
        """Say a mark."""
        self.target.record(noted(Mark(symbol, price, currency)))

    def say(self, quantity: float | None, **fields: object) -> None:
        """Report a position."""
        given = {"currency": "USD", **fields}
        self.target.record(noted(Position("A", quantity, **given), strategy="s"))  # type: ignore[arg-type]

    def quantity(self) -> float | None:
        """Return the position that is shown."""
        return value(self.target, "ares_position_quantity", strategy="s", symbol="A")

    def trades(self, outcome: str) -> float | None:
        """Return how many trades are counted."""
        return value(self.target, "ares_trades_total", strategy="s", symbol="A", trade_outcome=outcome)


@pytest.fixture
def trader() -> Trader:
    """Return a trader with metrics of its own."""
    return Trader(metrics())


def test_positions_come_from_fills(trader: Trader) -> None:
    """Quantity, value, profit and exposure of a bot that never reports a position."""
    trader.trade("buy", 2, 100, fee=1)
    trader.trade("sell", 0.5, 110, fee=-0.25)
    trader.trade("sell_short", 3, 10, symbol="B")
    assert trader.quantity() == 1.5
    assert value(trader.target, "ares_gross_exposure", **USD) is None

    trader.mark(120)
    trader.mark(9, "B", "USD")
    trader.mark(None)

    assert series(trader.target, "ares_position_notional") == {("USD", "s", "A"): 180.0, ("USD", "s", "B"): -27.0}
    assert series(trader.target, "ares_unrealized_pnl") == {("USD", "s", "A"): 30.0, ("USD", "s", "B"): 3.0}
    assert value(trader.target, "ares_gross_exposure", **USD) == 207.0
    assert value(trader.target, "ares_net_exposure", **USD) == 153.0
    assert value(trader.target, "ares_realized_pnl", **USD) == 4.25
    trader.target.record(noted(Equity(414.0, currency="USD"), strategy="s"))
    assert value(trader.target, "ares_leverage_ratio", strategy="s") == 0.5


def test_first_in_first_out() -> None:
    """A sale takes the cost of the first fill; a position that is open keeps the method that it was opened by."""
    first = Trader(Metrics(method=Method.FIFO))
    first.trade("buy", 1, 100)
    first.trade("buy", 1, 120)
    first.trade("sell", 1, 130)
    assert value(first.target, "ares_realized_pnl", **USD) == 30.0

    again = Trader(metrics())
    state = first.target.accounts_state()
    assert state is not None
    again.target.begin(state, flat=True)
    again.trade("buy", 1, 100)
    again.trade("sell", 1, 120)
    assert value(again.target, "ares_realized_pnl", **USD) == 30.0

    again.trade("sell", 1, 100)
    for price in (100, 120):
        again.trade("buy", 1, price)
    again.trade("sell", 1, 120)
    assert value(again.target, "ares_realized_pnl", **USD) == 40.0


def test_trades_are_counted_as_they_end(trader: Trader) -> None:
    """Outcomes start at zero; a win after fees, a loss by fees alone, one that is flat."""
    trader.trade("buy", 1, 100)
    assert [trader.trades(outcome) for outcome in ("win", "loss", "flat")] == [0.0, 0.0, 0.0]
    assert value(trader.target, "ares_trade_profit_total", **USD) == 0.0

    trader.trade("sell", 2, 110, fee=2)
    trader.trade("buy", 1, 110, fee=0.5)
    trader.trade("buy", 1, 5)
    trader.trade("sell", 1, 5)

    assert [trader.trades(outcome) for outcome in ("win", "loss", "flat")] == [1.0, 1.0, 1.0]
    assert value(trader.target, "ares_trade_profit_total", **USD) == 9.0
    assert value(trader.target, "ares_trade_loss_total", **USD) == 1.5


def test_duplicates_and_late_reports_change_nothing(trader: Trader) -> None:
    """A fill counts once, however often and in whatever order it is told."""
    client = trader.send("buy", 4)
    first = {"quantity": 1, "price": 10, "cum_quantity": 1, "fee": 0.5, "trade_id": "t1"}
    trader.hear(client, "partially_filled", **first)
    trader.hear(client, "partially_filled", **first)
    trader.hear(client, "filled", cum_quantity=4, avg_price=13)
    trader.hear(client, "partially_filled", quantity=2, price=14, cum_quantity=3, trade_id="t2")
    trader.mark(20)

    assert trader.quantity() == 4.0
    assert value(trader.target, "ares_unrealized_pnl", **USD, symbol="A") == 28.0
    assert value(trader.target, "ares_realized_pnl", **USD) == -0.5


def test_multipliers_and_fees_without_a_fill(trader: Trader) -> None:
    """Contracts are valued by their multiplier; a fee that comes later is booked, one of an unknown book is not."""
    client = trader.send("buy", 2, multiplier=50)
    trader.hear(client, fee=1)
    trader.hear(client, "partially_filled", quantity=2, price=100)
    trader.hear(client, "filled", fee=3)
    trader.mark(101)

    assert value(trader.target, "ares_position_notional", **USD, symbol="A") == 10_100.0
    assert value(trader.target, "ares_unrealized_pnl", **USD, symbol="A") == 100.0
    assert value(trader.target, "ares_realized_pnl", **USD) == -3.0
    notional = series(trader.target, "ares_filled_notional_total")
    assert list(notional.values()) == [10_000.0]


def test_a_fee_in_another_currency_is_no_part_of_the_profit(trader: Trader) -> None:
    """Nobody told what the other currency is worth: each has its own sum, and the trade is left out, which is said."""
    trader.hear(trader.send("buy", 1), quantity=1, price=10, fee=0.01, fee_currency="BNB")
    trader.trade("sell", 1, 12)

    assert [trader.trades(outcome) for outcome in ("win", "loss", "flat")] == [0.0, 0.0, 0.0]
    assert series(trader.target, "ares_realized_pnl") == {("USD", "s"): 2.0, ("BNB", "s"): -0.01}
    assert GUARD.counts() == {"metrics.accounts": 1}
    trader.say(0)
    assert series(trader.target, "ares_realized_pnl") == {}


def test_the_bot_s_own_word_wins(trader: Trader) -> None:
    """From its first report on the bot's positions are shown, its fills make trades only."""
    trader.trade("buy", 2, 100)
    trader.mark(110)
    trader.say(2, notional=999.0, realized_pnl=7.0)

    trader.trade("buy", 1, 100)
    trader.mark(120)
    assert trader.quantity() == 2.0
    assert series(trader.target, "ares_position_notional") == {("USD", "s", "A"): 999.0}
    assert value(trader.target, "ares_realized_pnl", **USD) == 7.0
    trader.say(3, notional=999.0, realized_pnl=7.0)
    trader.trade("sell", 3, 130)

    assert trader.quantity() == 3.0
    assert trader.trades("win") == 1.0


def test_a_reported_position_opens_the_book(trader: Trader) -> None:
    """What the bot held before is known by its word: selling it makes no short position."""
    trader.say(5, avg_price=100)
    trader.trade("sell", 5, 110)
    assert [trader.trades(outcome) for outcome in ("win", "loss")] == [0.0, 0.0]
    assert GUARD.counts() == {"metrics.accounts": 1}

    trader.say(0)
    trader.trade("sell_short", 1, 110)
    trader.trade("buy", 1, 100)

    assert trader.trades("win") == 1.0


def test_two_reports_that_differ_begin_the_book_anew(trader: Trader) -> None:
    """One report may be ahead of a fill; two in a row without a fill in between are the truth."""
    trader.trade("buy", 2, 100)
    trader.say(3)
    trader.trade("buy", 1, 100)
    trader.say(3)
    assert GUARD.counts() == {}

    trader.say(1)
    trader.say(1)
    trader.say(None)
    trader.trade("sell", 1, 90)
    trader.trade("buy", 1, 50)
    trader.trade("sell", 1, 60)

    assert trader.trades("win") == 1.0
    assert trader.trades("loss") == 0.0


def test_a_sum_of_floats_is_the_same_position(trader: Trader) -> None:
    """A bot that adds its fills as floating-point numbers means what was filled, also when it is flat again."""
    held = 0.0
    for side, signed in (("buy", 0.1), ("buy", 0.2), ("buy", 1e9), ("sell", -1e9), ("sell", -0.3)):
        trader.trade(side, abs(signed), 100)
        held += signed
        trader.say(held)
        trader.say(held)
    assert held != 0.0

    assert GUARD.counts() == {}
    assert [trader.trades(outcome) for outcome in ("win", "loss", "flat")] == [0.0, 0.0, 1.0]


def test_funding_is_realized_profit(trader: Trader) -> None:
    """Of a position, of its trade, and of a strategy as a whole."""
    trader.trade("buy", 1, 100)
    for funding in (
        Funding(-1.5, "USD", "A"),
        Funding(0.25, "USD", kind="interest"),
        Funding(0.25, "USD", "A", position_id="none"),
        Funding(None),
    ):
        trader.target.record(noted(funding, strategy="s"))
    assert value(trader.target, "ares_realized_pnl", **USD) == -1.0
    trader.trade("sell", 1, 101)

    assert (trader.trades("loss"), value(trader.target, "ares_trade_loss_total", **USD)) == (1.0, 0.25)
    assert set(series(trader.target, "ares_position_quantity")) == {("s", "A")}


def test_hedged_positions_are_apart_until_they_end(trader: Trader) -> None:
    """Positions with ids do not net; one that ends leaves its profit."""
    trader.trade("buy", 1, 100, position_id="long")
    trader.trade("sell", 1, 100, position_id="short")
    trader.mark(100)
    assert (trader.quantity(), value(trader.target, "ares_gross_exposure", **USD)) == (0.0, 200.0)

    trader.trade("sell", 1, 104, position_id="long")

    assert (trader.quantity(), value(trader.target, "ares_gross_exposure", **USD)) == (-1.0, 100.0)
    assert (trader.trades("win"), value(trader.target, "ares_realized_pnl", **USD)) == (1.0, 4.0)
    trader.say(0, position_id="long")
    assert trader.trades("win") == 1.0


def test_nothing_is_known_of_a_bot_with_an_unknown_past(trader: Trader) -> None:
    """Without what was before there is no position and no trade, and that is said; a report makes it known."""
    trader.target.begin(None, flat=False)
    trader.trade("sell", 1, 100)
    trader.target.record(noted(Funding(1.0, "USD", "A"), strategy="s"))
    trader.mark(100)
    assert (trader.quantity(), trader.trades("win"), value(trader.target, "ares_realized_pnl", **USD)) == (
        None,
        None,
        None,
    )
    assert GUARD.counts() == {"metrics.accounts": 2}

    trader.say(0)
    trader.trade("buy", 1, 10)
    trader.trade("sell", 1, 11)

    assert trader.trades("win") == 1.0


def test_fills_that_cannot_be_booked_make_the_position_unknown(trader: Trader) -> None:
    """A fill of an order that nobody knows, or without a side: its position is forgotten, not wrong."""
    trader.trade("buy", 1, 100)
    trader.trade("buy", 1, 100, symbol="B")
    trader.hear("stranger", "filled", quantity=1, price=1, cum_quantity=1)
    assert trader.quantity() is None
    assert value(trader.target, "ares_position_quantity", strategy="s", symbol="B") == 1.0

    trader.trade("buy", 1, 100)
    assert trader.quantity() is None
    trader.trade("sideways", 1, 100, symbol="B")
    assert value(trader.target, "ares_position_quantity", strategy="s", symbol="B") is None
    trader.hear("stranger2", "rejected")


def test_a_fill_without_a_price_leaves_quantity_alone(trader: Trader) -> None:
    """The position is known, its cost is not."""
    trader.hear(trader.send("buy", 2), quantity=2)
    trader.mark(10)

    assert trader.quantity() == 2.0
    assert value(trader.target, "ares_position_notional", **USD, symbol="A") == 20.0
    assert value(trader.target, "ares_unrealized_pnl", **USD, symbol="A") is None


def test_a_currency_that_is_not_said_is_the_one_before(trader: Trader) -> None:
    """Orders without a currency belong to the position whose currency is known; another one is another position."""
    trader.trade("buy", 2, 100)
    trader.trade("sell", 1, 100, currency=None)
    trader.trade("buy", 1, 90, currency="EUR")
    assert trader.quantity() == 2.0
    assert set(series(trader.target, "ares_realized_pnl")) == {("USD", "s"), ("EUR", "s")}

    trader.trade("buy", 1, 5, symbol="B", currency=None)
    trader.mark(6, "B")
    assert series(trader.target, "ares_unrealized_pnl")["", "s", "B"] == 1.0


@pytest.fixture
def restarted(trader: Trader) -> Callable[[], Trader]:
    """Return what gives the trader new metrics and a new ledger, as after a kill: what the ledger knew is lost."""

    def restart() -> Trader:
        state = trader.target.accounts_state()
        assert state is not None
        target = metrics()
        target.begin(state, flat=True)
        fresh = Trader(target)
        fresh.number = trader.number
        return fresh

    return restart


def test_accounts_survive_a_restart(trader: Trader, restarted: Callable[[], Trader]) -> None:
    """Position, profit, the open trade and the peak of equity go on; values wait for a new mark."""
    trader.target.record(noted(Equity(100.0, currency="USD"), strategy="s"))
    trader.trade("buy", 2, 100, fee=1)
    trader.trade("sell", 1, 101)
    trader.mark(200)

    after = restarted()

    assert (after.quantity(), value(after.target, "ares_realized_pnl", **USD)) == (1.0, 0.0)
    assert value(after.target, "ares_position_notional", **USD, symbol="A") is None
    assert value(after.target, "ares_leverage_ratio", strategy="s") is None
    after.trade("sell", 1, 102)
    assert (after.trades("win"), value(after.target, "ares_trade_profit_total", **USD)) == (1.0, 2.0)
    after.target.record(noted(Equity(75.0, currency="USD"), strategy="s"))
    assert value(after.target, "ares_drawdown_ratio", strategy="s") == 0.25


def test_a_report_that_comes_again_after_a_crash_counts_once(trader: Trader, restarted: Callable[[], Trader]) -> None:
    """The accounts were written, the ledger was not: its next report is booked as far as it is new."""
    client = trader.send("buy", 5)
    trader.hear(client, "partially_filled", quantity=2, price=10, cum_quantity=2)
    after = restarted()
    after.send("buy", 5, client=client)

    after.hear(client, "partially_filled", quantity=2, price=10, cum_quantity=2)
    assert after.quantity() == 2.0
    after.hear(client, "filled", quantity=3, price=10, cum_quantity=5)

    assert after.quantity() == 5.0


def test_doubt_and_an_unknown_past_survive_a_restart(trader: Trader, restarted: Callable[[], Trader]) -> None:
    """What was unknown is not taken for flat later."""
    trader.hear("stranger", "filled", quantity=1, price=1, cum_quantity=1)
    after = restarted()
    after.trade("buy", 1, 1)
    assert after.quantity() is None

    after.target.begin(None, flat=False)
    state = after.target.accounts_state()
    assert state is not None
    assert after.target.accounts_state() is None
    again = Trader(metrics())
    again.target.begin(state, flat=True)
    again.trade("buy", 1, 1, symbol="Z")
    assert value(again.target, "ares_position_quantity", strategy="s", symbol="Z") is None


@pytest.mark.parametrize("state", [b"", b"[]", b'{"format": 2}'])
def test_a_state_that_is_none(state: bytes) -> None:
    """Damaged, or of another version: it is refused."""
    with pytest.raises(ValueError, match=r"."):
        metrics().begin(state, flat=True)


def test_books_are_bounded(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions beyond the limit are unknown, and open orders that are remembered are few."""
    monkeypatch.setattr(accounts, "BOOKS_LIMIT", 2)
    monkeypatch.setattr(booking, "LIMIT", 1)
    for symbol in ("A", "B", "C"):
        client = trader.send("buy", 5, symbol)
        trader.hear(client, "partially_filled", quantity=1, price=10, cum_quantity=1)
    trader.target.record(noted(Position("D", 1.0), strategy="s"))

    assert set(series(trader.target, "ares_position_quantity")) == {("s", "A"), ("s", "B"), ("s", "D")}
    assert GUARD.counts() == {"metrics.accounts": 1}
    state = trader.target.accounts_state()
    assert state is not None
    assert b'"counted":{"c3":"1.0"}' in state


def test_shown_positions_are_bounded(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills of a symbol too many make the exposure unknown, as reports do."""
    monkeypatch.setattr("ares_otel.metrics.portfolio.POSITIONS_LIMIT", 1)
    trader.trade("buy", 1, 10)
    trader.mark(10)
    assert value(trader.target, "ares_gross_exposure", **USD) == 10.0

    trader.trade("buy", 1, 10, symbol="B")

    assert value(trader.target, "ares_gross_exposure", **USD) is None
