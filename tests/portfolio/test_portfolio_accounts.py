"""Positions, profit and trades against a ledger on paper; the laws that hold whatever was traded."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Deal, Ledger, deals, told

from ares_otel.portfolio.accounts import Accounts, Book, Key
from ares_otel.portfolio.holding import Fill, Holding, Method
from ares_otel.portfolio.money import ZERO
from ares_otel.portfolio.statement import statement
from ares_otel.portfolio.trades import Trade
from ares_otel.semconv.enums import TradeOutcome

METHODS = list(Method)
CLOSE = Fraction(1, 10**12)
KEY = Key("s", "A", "USD")


def fill(deal: Deal, at: int = 0) -> Fill:
    """Return a deal as the library takes it."""
    return Fill(
        Decimal(deal.quantity) / 100,
        Decimal(deal.price) / 100,
        Decimal(deal.multiplier),
        Decimal(deal.fee) / 100,
        at=at,
    )


def booked(book: Book, made: Iterable[Deal]) -> list[Trade]:
    """Book deals and return the trades that ended."""
    return [trade for at, deal in enumerate(made) if (trade := book.fill(fill(deal, at))) is not None]


def random_deal(draw: random.Random, largest: int, multiplier: int) -> Deal:
    """Return a deal of at most so many hundredths."""
    quantity = draw.choice((-1, 1)) * draw.randint(1, largest)
    return Deal(quantity, draw.randint(1, 10**6), multiplier, draw.randint(-300, 700))


def fraction(value: Decimal | None) -> Fraction:
    """Return a known number as a fraction."""
    assert value is not None
    return Fraction(value)


def compare(book: Book, ledger: Ledger, trades: list[Trade], mark: int) -> None:
    """Check everything a book says against the ledger on paper."""
    lots, realized = ledger.lots()
    cost = sum((quantity * price for quantity, price in lots), Fraction(0)) * ledger.multiplier
    value = ledger.quantity() * Fraction(mark, 100) * ledger.multiplier
    held, price = book.holding, Decimal(mark) / 100
    assert Fraction(held.quantity) == ledger.quantity() == sum((quantity for quantity, _ in lots), Fraction(0))
    assert abs(fraction(held.realized) - realized) < CLOSE
    assert abs(fraction(held.cost) - cost) < CLOSE
    assert fraction(held.value(price)) == value
    assert abs(fraction(held.unrealized(price)) - (value - cost)) < CLOSE
    # not one digit is lost between the two: what was split adds up
    assert fraction(held.realized) + fraction(held.unrealized(price)) == ledger.cash() + value
    paid, received = ledger.fees()
    assert (Fraction(book.fees.get("USD", ZERO)), Fraction(book.rebates.get("USD", ZERO))) == (paid, received)
    assert len(trades) == len(ledger.trades())
    for trade, (direction, pnl, fees) in zip(trades, ledger.trades(), strict=True):
        assert trade.direction == direction
        assert abs(fraction(trade.pnl) - pnl) < CLOSE
        assert abs(fraction(trade.fees) - fees) < CLOSE


@pytest.mark.parametrize("method", METHODS)
def test_ten_thousand_sequences(method: Method) -> None:
    """Positions, profit, fees and trades of 10,000 random sequences of fills equal those on paper."""
    draw = random.Random(20_261)  # noqa: S311  a fixed sequence, no secret
    for _ in range(5_000):
        multiplier = draw.choice((1, 1, 5, 50))
        largest = draw.choice((3, 50, 1_000))
        made = [random_deal(draw, largest, multiplier) for _ in range(draw.randint(1, 12))]
        book, ledger = Book(*KEY, holding=Holding(method)), Ledger(multiplier, fifo=method is Method.FIFO)
        trades = booked(book, made)
        ledger.deals = made
        compare(book, ledger, trades, draw.randint(1, 10**6))


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=150)
@given(st.sampled_from([1, 5]).flatmap(deals), st.integers(1, 10**6))
def test_every_step(method: Method, made: list[Deal], mark: int) -> None:
    """The same holds after each fill, and after a restart at any time."""
    book = Book(*KEY, holding=Holding(method))
    ledger = Ledger(made[0].multiplier if made else 1, fifo=method is Method.FIFO)
    trades: list[Trade] = []
    for deal in made:
        trades += booked(book, [deal])
        ledger.deals.append(deal)
        compare(book, ledger, trades, mark)
        book = msgspec.json.decode(msgspec.json.encode(book), type=Book)


@settings(deadline=None, max_examples=150)
@given(deals(1))
def test_both_methods_agree_when_flat(made: list[Deal]) -> None:
    """Average cost and first in, first out realize the same total, to the last digit, once nothing is open."""
    left = sum(deal.quantity for deal in made)
    if left:
        made = [*made, Deal(-left, 777, 1, 0)]
    totals = []
    for method in METHODS:
        book = Book(*KEY, holding=Holding(method))
        booked(book, made)
        assert book.holding.lots == []
        totals.append(book.holding.realized)

    assert totals[0] == totals[1]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from("AB"), deals(1)), max_size=4), st.lists(st.integers(-500, 500), max_size=4))
def test_equity_is_what_came_in(made: list[tuple[str, list[Deal]]], paid: list[int]) -> None:
    """Initial + realized + unrealized - fees + rebates + funding is cash plus the value of the positions, exactly."""
    accounts, cash = Accounts(), Fraction(1_000)
    quantities = dict.fromkeys("AB", Fraction(0))
    for symbol, some in made:
        for deal in some:
            accounts.fill(Key("s", symbol, "USD"), fill(deal))
            cash -= Fraction(deal.quantity * deal.price, 10_000) + Fraction(deal.fee, 100)
            quantities[symbol] += Fraction(deal.quantity, 100)
    for amount in paid:
        accounts.book(KEY).fund(Decimal(amount) / 100)
        cash += Fraction(amount, 100)
    for symbol in "AB":
        accounts.mark(symbol, Decimal("12.34"))

    equity = statement(accounts.of("s"), "USD").equity(Decimal(1_000))

    assert fraction(equity) == cash + sum(quantities.values(), Fraction(0)) * Fraction(1_234, 100)


def one(*amounts: tuple[str, str], method: Method = Method.AVERAGE) -> tuple[Book, list[Trade]]:
    """Return a book after fills of (quantity, price), and the trades that ended."""
    book = Book(*KEY, holding=Holding(method))
    ended = [book.fill(Fill(Decimal(quantity), Decimal(price))) for quantity, price in amounts]
    return book, [trade for trade in ended if trade is not None]


def test_average_and_first_in_first_out_differ_while_open() -> None:
    """Two lots at 10 and 20, one sold at 30: 15 by average cost, 20 by the first lot."""
    average, _ = one(("1", "10"), ("1", "20"), ("-1", "30"))
    first, _ = one(("1", "10"), ("1", "20"), ("-1", "30"), method=Method.FIFO)

    assert told(average.holding.realized, average.holding.average_price) == (15, 15)
    assert told(first.holding.realized, first.holding.average_price) == (20, 20)


def test_a_turn_ends_one_trade_and_begins_the_next() -> None:
    """A sale of three out of one long: the trade of the one ends with a third of the fee, two are short."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(1), Decimal(10), at=1))
    ended = book.fill(Fill(Decimal(-3), Decimal(15), fee=Decimal(3), at=2))

    assert ended is not None
    assert told(ended.direction, ended.pnl, ended.fees, ended.net, ended.outcome) == (1, 5, 1, 4, TradeOutcome.WIN)
    assert told(ended.entry_price, ended.exit_price, ended.quantity) == (10, 15, 1)
    assert told(book.holding.quantity, book.holding.average_price) == (-2, 15)
    assert book.trade is not None
    assert told(book.trade.direction, book.trade.entry_time, book.trade.fees) == (-1, 2, {"USD": 2})


def test_thirds_add_up() -> None:
    """Costs that cannot be split evenly lose nothing: three thirds of 10 are 10."""
    book, trades = one(("3", "3.3333"), ("4", "1.0001"), ("-1", "2"), ("-1", "2"), ("-1", "2"), ("-4", "2"))

    assert book.holding.realized == 14 - (Decimal("9.9999") + Decimal("4.0004"))
    assert [trade.pnl for trade in trades] == [book.holding.realized]


def test_excursions_come_from_marks_and_fills() -> None:
    """MAE and MFE are lowest and highest profit within the trade; without a mark in between they are unknown."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(2), Decimal(100), at=10**9))
    for price in ("97", "108", "101"):
        book.revalue(Decimal(price))
    ended = book.fill(Fill(Decimal(-2), Decimal(103), at=5 * 10**9))
    blind, trades = one(("1", "10"), ("-1", "9"))

    assert ended is not None
    assert told(ended.mae, ended.mfe, ended.pnl, ended.seconds) == (-6, 16, 6, 4.0)
    assert (trades[0].mae, trades[0].mfe, trades[0].outcome) == (None, None, TradeOutcome.LOSS)
    assert blind.trade is None


def test_excursions_of_a_short_that_is_closed_in_parts() -> None:
    """What was realized on the way stays in the profit that is compared."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(-2), Decimal(100)))
    book.revalue(Decimal(90))
    book.fill(Fill(Decimal(1), Decimal(90)))
    book.revalue(Decimal(120))
    ended = book.fill(Fill(Decimal(1), Decimal(110)))

    assert ended is not None
    assert told(ended.mfe, ended.mae, ended.pnl) == (20, -10, 0)
    assert ended.outcome is TradeOutcome.FLAT


def test_an_unknown_price_makes_profit_unknown_and_nothing_else() -> None:
    """Quantity goes on; cost and profit are unknown, and known again for what is bought after flat."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(1), None))
    assert told(book.holding.quantity, book.holding.cost, book.holding.average_price) == (1, None, None)
    assert book.holding.value(Decimal(5)) == 5
    assert book.holding.unrealized(Decimal(5)) is None

    ended = book.fill(Fill(Decimal(-1), Decimal(5)))

    assert ended is not None
    assert told(ended.pnl, ended.net, ended.outcome, ended.entry_price, ended.exit_price) == (None, None, None, None, 5)
    assert (book.holding.realized, book.turnover) == (None, None)
    book.fill(Fill(Decimal(2), Decimal(3)))
    assert told(book.holding.cost, book.holding.realized) == (6, None)


def test_fifo_with_an_unknown_lot() -> None:
    """The cost of the lots together is unknown while one of them is."""
    book = Book(*KEY, holding=Holding(Method.FIFO))
    book.fill(Fill(Decimal(1), Decimal(10)))
    book.fill(Fill(Decimal(1), None))
    assert book.holding.cost is None

    book.fill(Fill(Decimal(-1), Decimal(12)))

    assert book.holding.realized == 2


def test_a_fee_in_another_currency_leaves_the_profit_of_the_trade_before_fees() -> None:
    """Without a rate there is no net profit and no outcome, but the profit before fees is known."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(1), Decimal(10), fee=Decimal("0.001"), fee_currency="BNB"))
    ended = book.fill(Fill(Decimal(-1), Decimal(11)))

    assert ended is not None
    assert told(ended.pnl, ended.fees, ended.net, ended.outcome) == (1, None, None, None)
    assert book.fees == {"BNB": Decimal("0.001")}


def test_multipliers_that_disagree_leave_no_value() -> None:
    """An open position whose fills say different multipliers cannot be valued; the next one can."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(1), Decimal(10), Decimal(50)))
    book.fill(Fill(Decimal(1), Decimal(10), Decimal(5)))
    assert (book.holding.value(Decimal(10)), book.holding.average_price) == (None, None)

    book.fill(Fill(Decimal(-2), Decimal(10), Decimal(50)))
    book.fill(Fill(Decimal(1), Decimal(10), Decimal(50)))

    assert book.holding.value(Decimal(11)) == 550


def test_positions_with_ids_are_kept_apart_and_end_flat() -> None:
    """Hedged positions do not net; one that is flat leaves its sums to the symbol's book."""
    accounts = Accounts()
    long, short = KEY._replace(position="p1"), KEY._replace(position="p2")
    accounts.fill(long, Fill(Decimal(1), Decimal(10), fee=Decimal(1)))
    accounts.fill(short, Fill(Decimal(-1), Decimal(10)))
    accounts.book(short).fund(Decimal("-0.5"))
    assert [book.holding.quantity for book in accounts.of("s")] == [1, -1]

    ended = accounts.fill(long, Fill(Decimal(-1), Decimal(14), fee=Decimal(-2)))
    accounts.fill(short, Fill(Decimal(1), Decimal(9)))

    assert ended is not None
    assert list(accounts.books) == [KEY]
    left = accounts.book(KEY)
    assert told(left.holding.realized, left.fees, left.rebates, left.funding, left.turnover, left.fills) == (
        5, {"USD": 1}, {"USD": 2}, {"USD": Decimal("-0.5")}, 43, 4,
    )  # fmt: skip


def test_the_time_of_fills_goes_with_their_sums() -> None:
    """First and last fill, whatever their order and over positions that end; unknown once a part was not kept."""
    accounts = Accounts()
    held = KEY._replace(position="p1")
    for quantity, at in ((1, 20), (-1, 30)):
        accounts.fill(held, Fill(Decimal(quantity), Decimal(10), at=at))
    left = accounts.book(KEY)
    assert (left.first, left.last) == (20, 30)
    left.fill(Fill(Decimal(1), Decimal(10), at=10))
    assert (left.first, left.last) == (10, 30)

    left.absorb(Book(*held, fills=1))
    left.fill(Fill(Decimal(1), Decimal(10), at=40))

    assert (left.first, left.last, left.fills) == (None, None, 5)


def test_marks_reach_positions_in_their_currency() -> None:
    """A mark in another currency is not for them; one without a currency is."""
    accounts = Accounts([Book(*KEY), Book("s", "A", "EUR"), Book("s", "B")])

    assert [book.currency for book in accounts.mark("A", Decimal(3), "EUR")] == ["EUR"]
    assert len(accounts.mark("A", Decimal(4))) == 2
    assert len(accounts.mark("B", Decimal(5), "JPY")) == 1
    assert accounts.mark("C", Decimal(5)) == []
    accounts.forget(Key("s", "B"))
    accounts.forget(Key("s", "B"))
    assert accounts.mark("B", Decimal(5)) == []


def test_funding_belongs_to_the_trade_that_is_open() -> None:
    """Funding of an open trade counts in its net profit; in another currency the net is unknown."""
    book = Book(*KEY)
    book.fill(Fill(Decimal(1), Decimal(10)))
    book.fund(Decimal(-2))
    first = book.fill(Fill(Decimal(-1), Decimal(11)))
    book.fill(Fill(Decimal(1), Decimal(10)))
    book.fund(Decimal(-2), "EUR")
    second = book.fill(Fill(Decimal(-1), Decimal(11)))
    book.fund(Decimal(1))

    assert first is not None
    assert second is not None
    assert told(first.net, first.outcome) == (-1, TradeOutcome.LOSS)
    assert (second.funding, second.net) == (None, None)
    assert book.funding == {"USD": -1, "EUR": -2}
