"""Accounts from the bot's own fills: trades as they end, and positions that the bot does not report itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.booking import Booked, Currencies, Pair, fill_of
from ares_otel.metrics.portfolio import Portfolio
from ares_otel.metrics.registry import Instruments
from ares_otel.portfolio.accounts import Accounts, Book, Key
from ares_otel.portfolio.costs import SIGNS
from ares_otel.portfolio.drawdown import Drawdown
from ares_otel.portfolio.holding import Fill, Method
from ares_otel.portfolio.money import exact, exactly
from ares_otel.portfolio.trades import Trade
from ares_otel.records.facts import RecordFacts, UpdateFacts
from ares_otel.records.model import Equity, Funding, Mark, Order, Position
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Side, TradeOutcome

__all__ = ["FillAccounts"]

BOOKS_LIMIT: Final = 10_000
FORMAT: Final = 1
WHERE: Final = "metrics.accounts"


class _State(msgspec.Struct, omit_defaults=True):
    """What is remembered over a restart."""

    books: list[Book] = []
    counted: dict[str, Decimal] = {}
    doubtful: list[Pair] = []
    curves: dict[str, dict[str, Drawdown]] = {}
    flat: bool = True
    format: int = FORMAT


_DECODER = msgspec.json.Decoder(_State)


class FillAccounts:
    """Books by one method from execution reports, with the bot's marks and funding.

    A book begins flat, or as a `Position` of the bot says; where the position before is unknown (`flat` is False, or a
    fill could not be booked) there is none until a `Position` says it. A bot that reports its positions itself is
    believed: its word is what is shown, and two reports in a row that differ from the book begin the book anew.

    Attributes:
        flat: a position of which nothing is known yet is zero: this bot has no past.
        changed: something is to be remembered since `state` was last called.
    """

    def __init__(
        self, instruments: Instruments, portfolio: Portfolio, guard: Guard = GUARD, method: Method = Method.AVERAGE
    ) -> None:
        self.flat = True
        self.changed = False
        self._guard = guard
        self._portfolio = portfolio
        self._trades = instruments.counter(m.TRADES)
        self._profit = instruments.counter(m.TRADE_PROFIT)
        self._loss = instruments.counter(m.TRADE_LOSS)
        self._accounts = Accounts(method=method)
        self._booked = Booked()
        self._doubtful: set[Pair] = set()
        self._disputed: dict[Key, Decimal] = {}
        self._currencies = Currencies()

    @exactly
    def updated(self, facts: UpdateFacts, at: float) -> None:
        """Book what an execution report filled and cost; one that was seen before changes nothing."""
        order, fee = facts.order, facts.update.fee
        if facts.duplicate or not (facts.fill_quantity or fee):
            return
        if order is None:
            if facts.fill_quantity and facts.origin.symbol:
                self._doubt((facts.origin.strategy or "", facts.origin.symbol), "a fill of an unknown order")
            return
        quantity = self._booked.new(facts)
        self.changed = True
        key = self._key(facts, order)
        if not isinstance(order.side, Side) or not key.symbol:
            self._doubt(key[:2], "a fill without side or symbol")
        elif quantity:
            self._fill(key, fill_of(facts, order, quantity * SIGNS[order.side], at))
        elif fee is not None and not facts.fill_quantity and key in self._accounts.books:
            book = self._accounts.books[key]
            book.charge(exact(fee), facts.update.fee_currency)
            self._show(book)

    def position(self, position: Position, facts: RecordFacts) -> None:
        """Compare the book with what the bot says; begin one where there is none."""
        if position.quantity is None or not position.symbol:
            return
        strategy = position.strategy or facts.origin.strategy or ""
        currency = self._currencies.of((strategy, position.symbol), position.currency)
        key = Key(strategy, position.symbol, currency, position.position_id or "")
        said, book = exact(position.quantity), self._accounts.books.get(key)
        if book is None:
            if said or not key.position:
                self._begin(key, position)
        elif book.agrees(said):
            self._disputed.pop(key, None)
        elif self._disputed.get(key) == said:
            self._guard.complain(WHERE, "differs", "fills and reported positions differ; the report is believed")
            self._begin(key, position)
        elif len(self._disputed) < BOOKS_LIMIT:
            self._disputed[key] = said

    def equity(self, _: Equity, __: RecordFacts) -> None:
        """Remember the curve of equity, too."""
        self.changed = True

    def mark(self, mark: Mark, _: RecordFacts) -> None:
        """Value the positions in a symbol."""
        if mark.price is not None:
            for book in self._accounts.mark(mark.symbol, exact(mark.price), mark.currency):
                self.changed = True
                self._portfolio.revalue(book)

    def fund(self, funding: Funding, facts: RecordFacts) -> None:
        """Book what holding a position has earned or cost; without a symbol it is the strategy's."""
        if funding.amount is None:
            return
        strategy, symbol = funding.strategy or facts.origin.strategy or "", funding.symbol or ""
        currency = self._currencies.of((strategy, symbol), funding.currency)
        key = Key(strategy, symbol, currency, funding.position_id or "")
        if key not in self._accounts.books and key.position:
            key = key._replace(position="")
        if self._is_open_to(key):
            book = self._accounts.book(key)
            book.fund(exact(funding.amount), funding.currency)
            self._show(book)

    def state(self) -> bytes:
        """Return what is to be remembered, as JSON."""
        self.changed = False
        books = list(self._accounts.books.values())
        curves = self._portfolio.balances.curves
        return msgspec.json.encode(_State(books, self._booked.orders, sorted(self._doubtful), curves, self.flat))

    def recall(self, data: bytes) -> None:
        """Go on from what `state` returned; prices are forgotten, for they are of another time.

        Raises:
            ValueError: it is none.
        """
        state = _DECODER.decode(data)
        if state.format != FORMAT:
            raise ValueError(f"format {state.format}, not {FORMAT}")
        self.flat = state.flat
        self._accounts = Accounts(state.books, self._accounts.method)
        self._booked = Booked(state.counted)
        self._doubtful = set(state.doubtful)
        for book in state.books:
            self._currencies.of((book.strategy, book.symbol), book.currency)
            book.mark = None
            self._show(book)
        for strategy, curves in state.curves.items():
            for curve in curves.values():
                curve.value = 0.0  # makes no leverage until equity is said again
            self._portfolio.balances.curves[strategy] = curves

    def _key(self, facts: UpdateFacts, order: Order) -> Key:
        strategy, symbol = order.strategy or facts.origin.strategy or "", order.symbol or facts.origin.symbol or ""
        currency = self._currencies.of((strategy, symbol), order.currency)
        return Key(strategy, symbol, currency, order.position_id or "")

    def _fill(self, key: Key, fill: Fill) -> None:
        if not self._is_open_to(key):
            return
        self._disputed.pop(key, None)
        if key not in self._accounts.books:
            self._seed(key)
        ended = self._accounts.fill(key, fill)
        if ended is not None:
            self._ended(ended)
        book = self._accounts.books.get(key)
        if book is None:
            self._portfolio.drop(key)
            book = self._accounts.book(key._replace(position=""))
        self._show(book)

    def _seed(self, key: Key) -> None:
        """Begin the counts of a position at zero."""
        self._trades.seed((key.strategy or None, key.symbol))
        for counter in (self._profit, self._loss):
            counter.seed((key.strategy or None, key.currency or None))

    def _ended(self, trade: Trade) -> None:
        net, strategy = trade.net, trade.strategy or None
        if net is None or trade.outcome is None:
            message = (
                "trades whose profit is unknown (price, opening position, or a fee in another currency) are left out"
            )
            self._guard.complain(WHERE, "trade", message)
            return
        self._trades.cell((strategy, trade.symbol, trade.outcome)).inc()
        counter = {TradeOutcome.WIN: self._profit, TradeOutcome.LOSS: self._loss}.get(trade.outcome)
        if counter is not None:
            counter.cell((strategy, trade.currency or None)).inc(float(abs(net)))

    def _begin(self, key: Key, position: Position) -> None:
        if key not in self._accounts.books and len(self._accounts.books) >= BOOKS_LIMIT:
            return
        self._doubtful.discard(key[:2])
        self._disputed.pop(key, None)
        quantity, multiplier = exact(position.quantity or 0), exact(position.multiplier or 1)
        price = None if position.avg_price is None else exact(position.avg_price)
        self._seed(key)
        book = self._accounts.book(key)
        book.begin(quantity, None if price is None else quantity * price * multiplier, multiplier)
        self._show(book)

    def _is_open_to(self, key: Key) -> bool:
        if key in self._accounts.books:
            return True
        if len(self._accounts.books) >= BOOKS_LIMIT:
            self._doubt(key[:2], f"more than {BOOKS_LIMIT} positions")
            return False
        if self.flat and key[:2] not in self._doubtful:
            return True
        message = "positions of before this process are unknown; report a Position to have them kept from fills"
        self._guard.complain(WHERE, "unknown", message)
        return False

    def _doubt(self, pair: Pair, why: str) -> None:
        self._guard.complain(WHERE, why, f"{why}: positions kept from fills are unknown until a Position is reported")
        if len(self._doubtful) < BOOKS_LIMIT:
            self._doubtful.add(pair)
        for key in [key for key in self._accounts.books if key[:2] == pair]:
            self._accounts.forget(key)
            self._portfolio.drop(key)
        self.changed = True

    def _show(self, book: Book) -> None:
        self.changed = True
        self._portfolio.keep(book)
