"""Accounts kept from fills: a book for each position, money by currency, trades as they end."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from ares_otel.portfolio.holding import ONE, Closing, Fill, Holding, Lot, Method
from ares_otel.portfolio.money import ZERO, Sums, add, exactly, fraction, plus
from ares_otel.portfolio.trades import OpenTrade, Trade

__all__ = ["Accounts", "Book", "Key"]

ROUNDING: Final = Decimal("1e-9")
"""Of the largest quantity: far above what a million additions are off by, far below what a venue trades."""


class Key(NamedTuple):
    """What a book is of; "" where it was not said. Positions with ids of their own are kept apart (hedging)."""

    strategy: str
    symbol: str
    currency: str = ""
    position: str = ""


class Book(msgspec.Struct):
    """A position with all that it cost and earned, since its first fill.

    At all times value of the position + money received = realized + unrealized - fees + rebates + funding.

    Attributes:
        strategy: whose it is.
        symbol: what is traded.
        currency: of price and profit.
        position: id of the position, "" for the one of the strategy in the symbol.
        holding: quantity, cost and realized profit.
        mark: last price at which it was valued.
        fees: paid, by currency.
        rebates: received, by currency.
        funding: received (negative: paid) for holding it: funding, borrow, interest; by currency.
        turnover: value of all fills; None if a price is unknown.
        fills: how many there were.
        first: time of the earliest one, Unix ns; None if there is none, or if it was not kept.
        last: time of the latest one.
        trade: the one that has not ended, None when flat.
        largest: quantity of the largest fill or position so far, without its sign.
    """

    strategy: str = ""
    symbol: str = ""
    currency: str = ""
    position: str = ""
    holding: Holding = msgspec.field(default_factory=Holding)
    mark: Decimal | None = None
    fees: Sums = {}
    rebates: Sums = {}
    funding: Sums = {}
    turnover: Decimal | None = ZERO
    fills: int = 0
    first: int | None = None
    last: int | None = None
    trade: OpenTrade | None = None
    largest: Decimal = ZERO

    @property
    def key(self) -> Key:
        """What it is of."""
        return Key(self.strategy, self.symbol, self.currency, self.position)

    @property
    def value(self) -> Decimal | None:
        """Signed value at the mark; None if that is unknown."""
        return self.holding.value(self.mark)

    @property
    def unrealized(self) -> Decimal | None:
        """Profit of closing all at the mark, before fees; None if unknown."""
        return self.holding.unrealized(self.mark)

    @exactly
    def fill(self, fill: Fill) -> Trade | None:
        """Book a fill with its fee; return the trade that it ended, if it did."""
        if self.fills == 0 or self.first is not None:
            self._span(fill.at, fill.at)
        self.fills += 1
        add(self.rebates if fill.fee < 0 else self.fees, fill.fee_currency or self.currency, abs(fill.fee))
        self.turnover = plus(self.turnover, fill.value)
        closing = self.holding.apply(fill)
        self.largest = max(self.largest, abs(fill.quantity), abs(self.holding.quantity))
        fee = fraction(fill.fee, -closing.quantity, fill.quantity) if closing.quantity else ZERO
        ended = self._leave(closing, fill, fee)
        rest = fill.quantity + closing.quantity
        if rest:
            if self.trade is None:
                self.trade = OpenTrade(1 if rest > 0 else -1, fill.at, regime=fill.regime)
            self.trade.enter(rest, fill, fill.fee - fee, self.currency)
            self.trade.see(self.holding.unrealized(fill.price), is_mark=False)
        return ended

    def revalue(self, price: Decimal) -> None:
        """Value the position at a new price."""
        self.mark = price
        if self.trade is not None:
            self.trade.see(self.holding.unrealized(price), is_mark=True)

    @exactly
    def charge(self, fee: Decimal, currency: str | None = None) -> None:
        """Book a fee, or, if negative, a rebate, that came without its fill."""
        add(self.rebates if fee < 0 else self.fees, currency or self.currency, abs(fee))
        if self.trade is not None:
            add(self.trade.fees, currency or self.currency, fee)

    @exactly
    def begin(self, quantity: Decimal, cost: Decimal | None, multiplier: Decimal = ONE) -> None:
        """Begin anew with a position that others say is there; the profit of its trade is unknown."""
        self.holding.lots = [Lot(quantity, cost)] if quantity else []
        self.holding.multiplier = multiplier
        self.largest = max(self.largest, abs(quantity))
        self.trade = None
        if quantity:
            self.trade = OpenTrade(1 if quantity > 0 else -1, 0, paid=None, profit=None)

    def agrees(self, quantity: Decimal) -> bool:
        """Whether it holds a quantity, but for what a sum of floating-point numbers is off by."""
        return abs(self.holding.quantity - quantity) <= ROUNDING * max(self.largest, abs(quantity))

    @exactly
    def fund(self, amount: Decimal, currency: str | None = None) -> None:
        """Book what holding the position has earned, or, if negative, cost."""
        add(self.funding, currency or self.currency, amount)
        if self.trade is not None:
            add(self.trade.funding, currency or self.currency, amount)

    @exactly
    def absorb(self, other: Book) -> None:
        """Add the sums of a book that is flat and ends."""
        for mine, others in ((self.fees, other.fees), (self.rebates, other.rebates), (self.funding, other.funding)):
            for currency, amount in others.items():
                add(mine, currency, amount)
        self.holding.realized = plus(self.holding.realized, other.holding.realized)
        self.turnover = plus(self.turnover, other.turnover)
        if self.fills == 0 or self.first is not None:
            self._span(other.first, other.last)
        self.fills += other.fills

    def _span(self, first: int | None, last: int | None) -> None:
        """Widen the time of the fills; one whose time is unknown makes it unknown."""
        if first is None or last is None:
            self.first = self.last = None
            return
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def _leave(self, closing: Closing, fill: Fill, fee: Decimal) -> Trade | None:
        trade = self.trade
        if trade is None or not closing.quantity:
            return None
        trade.leave(closing, fill, fee, self.currency)
        trade.see(self.holding.unrealized(fill.price), is_mark=False)  # what a turn has opened is worth its cost
        if self.holding.lots and (self.holding.lots[0].quantity > 0) == (trade.direction > 0):
            return None
        self.trade = None
        return trade.end(self.strategy, self.symbol, self.currency, fill.at)


class Accounts:
    """Books of strategies, from fills, marks and funding in the order of their time.

    Args:
        books: those that were kept before.
        method: which cost a closing fill takes away. A position that is open keeps the one that it was opened by.
    """

    def __init__(self, books: Iterable[Book] = (), method: Method = Method.AVERAGE) -> None:
        self.books: dict[Key, Book] = {book.key: book for book in books}
        self.method = method
        self._by_symbol: dict[str, dict[Key, Book]] = {}
        for key, book in self.books.items():
            self._by_symbol.setdefault(key.symbol, {})[key] = book

    def book(self, key: Key) -> Book:
        """Return the book of a position, a new one if there is none."""
        found = self.books.get(key)
        if found is None:
            found = self.books[key] = Book(*key, holding=Holding(self.method))
            self._by_symbol.setdefault(key.symbol, {})[key] = found
        return found

    def fill(self, key: Key, fill: Fill) -> Trade | None:
        """Book a fill; return the trade that it ended, if it did.

        The book of a position with an id ends when it is flat; its sums go to that of the symbol.
        """
        book = self.book(key)
        if not book.holding.lots:
            book.holding.method = self.method
        ended = book.fill(fill)
        if key.position and not book.holding.lots:
            self.book(key._replace(position="")).absorb(book)
            self.forget(key)
        return ended

    def mark(self, symbol: str, price: Decimal, currency: str | None = None) -> list[Book]:
        """Value all positions in a symbol at a new price, in this currency if it says one; return their books."""
        found = self._by_symbol.get(symbol, {}).values()
        books = [book for book in found if not currency or not book.currency or book.currency == currency]
        for book in books:
            book.revalue(price)
        return books

    def forget(self, key: Key) -> None:
        """Drop a book."""
        self.books.pop(key, None)
        of_symbol = self._by_symbol.get(key.symbol, {})
        of_symbol.pop(key, None)
        if not of_symbol:
            self._by_symbol.pop(key.symbol, None)

    def of(self, strategy: str) -> list[Book]:
        """Return the books of a strategy."""
        return [book for book in self.books.values() if book.strategy == strategy]
