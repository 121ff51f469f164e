"""Positions and exposure, as the bot reports them or as its fills make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.equity import Balances
from ares_otel.metrics.registry import Instruments
from ares_otel.metrics.sums import Sums
from ares_otel.portfolio import accounts
from ares_otel.portfolio.statement import statements
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import Equity, Mark, Number, Position
from ares_otel.semconv import metrics as m

__all__ = ["Portfolio"]

POSITIONS_LIMIT: Final = 10_000
Key: TypeAlias = "tuple[str | None, str, str | None]"


@dataclass(slots=True)
class _Holding:
    """The last that is known of a position; money in `currency`. `kept`: it comes from fills, not from a report."""

    currency: str | None
    quantity: float | None
    notional: float | None
    unrealized: float | None
    realized: float | None
    mark: float | None
    kept: bool = False

    def revalue(self, price: float) -> None:
        """Follow a new mark: value and unrealized profit move as those of a linear product."""
        before = self.notional
        if before is not None and self.mark:
            self.notional, self.mark = before * price / self.mark, price
            self.unrealized = None if self.unrealized is None else self.unrealized + self.notional - before
        elif before is None and self.quantity is not None:
            self.notional, self.mark = self.quantity * price, price


class Portfolio:
    """Positions, exposure, equity: the part of the group "portfolio" that comes from records and books.

    A position's value is its `notional`, else quantity times mark (a contract with a multiplier has to give
    `notional`). Exposure is known when the value of every position is. Positions with different ids add up; one with
    an id that becomes flat is closed, its realized profit stays in the strategy's sum. `Equity.realized_pnl`, where
    it is given, replaces that sum. Where a strategy reports no position in a symbol itself, the one that is kept from
    its fills is shown.

    Attributes:
        balances: equity, drawdown, leverage.
    """

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        self._guard = guard
        self.balances = Balances(instruments)
        self._quantity = Sums(instruments, m.POSITION_QUANTITY, mixes=False)
        self._notional = Sums(instruments, m.POSITION_NOTIONAL)
        self._unrealized = Sums(instruments, m.UNREALIZED_PNL)
        self._realized = Sums(instruments, m.REALIZED_PNL)
        self._gross = Sums(instruments, m.GROSS_EXPOSURE)
        self._net = Sums(instruments, m.NET_EXPOSURE)
        self._holdings: dict[Key, _Holding] = {}
        self._by_symbol: dict[str, set[Key]] = {}
        self._stated: set[tuple[str | None, str]] = set()
        self._elsewhere: dict[Key, set[str]] = {}

    def equity(self, equity: Equity, facts: RecordFacts) -> None:
        """Show equity, and realized profit where the record has it."""
        self.balances.equity(equity, facts)
        if equity.realized_pnl is not None:
            strategy = equity.strategy or facts.origin.strategy
            self._realized.state((strategy, equity.currency), float(equity.realized_pnl))

    def position(self, position: Position, facts: RecordFacts) -> None:
        """Show a position and what follows for the exposure of its strategy."""
        key = (position.strategy or facts.origin.strategy, position.symbol, position.position_id)
        if key[:2] not in self._stated:
            self._state(key[:2])
        before = self._holdings.get(key)
        self._take(key, _holding(position, before), before)

    def keep(self, book: accounts.Book) -> None:
        """Show a position that is kept from fills, unless the bot reports positions in this symbol itself."""
        key = _kept_key(book.key)
        if key[:2] in self._stated or len(self._stated) >= POSITIONS_LIMIT:
            return
        nets = {currency: each.net_realized for currency, each in statements((book,)).items()}
        if book.symbol:
            self._take(key, _of_book(book, _real(nets.pop(book.currency))), self._holdings.get(key))
        for currency, net in nets.items():
            self._elsewhere.setdefault(key, set()).add(currency)
            self._realized.put((key[0], currency or None), key, _real(net))

    def revalue(self, book: accounts.Book) -> None:
        """Show the new value of a position that is kept from fills."""
        key = _kept_key(book.key)
        before = self._holdings.get(key)
        if before is not None:
            self._take(key, _of_book(book, before.realized), before)

    def drop(self, key: accounts.Key) -> None:
        """Show a position no longer that was kept from fills."""
        self._remove(_kept_key(key))

    def mark(self, mark: Mark, _: RecordFacts) -> None:
        """Value the open positions of a symbol at a new price."""
        if mark.price is None:
            return
        for key in self._by_symbol.get(mark.symbol, ()):
            holding = self._holdings[key]
            if holding.kept:
                continue  # its book is revalued exactly
            if None in {mark.currency, holding.currency} or mark.currency == holding.currency:
                holding.revalue(float(mark.price))
                self._show(key, holding)

    def _state(self, pair: tuple[str | None, str]) -> None:
        """Believe the bot from now on."""
        if len(self._stated) < POSITIONS_LIMIT:
            self._stated.add(pair)
        for key in [key for key in self._by_symbol.get(pair[1], ()) if key[:2] == pair and self._holdings[key].kept]:
            self._remove(key)

    def _take(self, key: Key, now: _Holding, before: _Holding | None) -> None:
        if before is None and len(self._holdings) >= POSITIONS_LIMIT:
            self._refuse(key[0], now.currency)
            return
        if before is not None and before.currency != now.currency:
            self._forget(key, before)
        self._holdings[key] = now
        self._by_symbol.setdefault(key[1], set()).add(key)
        self._show(key, now)
        if now.quantity == 0.0 and key[2] is not None and not now.kept:
            self._close(key, now)

    def _remove(self, key: Key) -> None:
        last = self._holdings.get(key)
        if last is not None:
            self._quantity.drop(key[:2], key)
            self._forget(key, last)
            self._end(key)
        for currency in self._elsewhere.pop(key, ()):
            self._realized.drop((key[0], currency or None), key)

    def _show(self, key: Key, now: _Holding) -> None:
        strategy, symbol, _ = key
        own, all_own = (strategy, symbol, now.currency), (strategy, now.currency)
        self._quantity.put((strategy, symbol), key, now.quantity)
        self._notional.put(own, key, now.notional)
        self._unrealized.put(own, key, now.unrealized)
        self._net.put(all_own, key, now.notional)
        gross = self._gross.put(all_own, key, None if now.notional is None else abs(now.notional))
        self.balances.exposed(strategy, now.currency, gross)
        if now.realized is not None or now.kept:
            self._realized.put(all_own, key, now.realized)

    def _close(self, key: Key, last: _Holding) -> None:
        self._quantity.drop(key[:2], key, flat=True)
        self._realized.merge((key[0], last.currency), key, "closed")
        self._forget(key, last, flat=True)
        self._end(key)

    def _end(self, key: Key) -> None:
        del self._holdings[key]
        self._by_symbol[key[1]].discard(key)
        if not self._by_symbol[key[1]]:
            del self._by_symbol[key[1]]

    def _forget(self, key: Key, last: _Holding, *, flat: bool = False) -> None:
        own, all_own = (key[0], key[1], last.currency), (key[0], last.currency)
        self._notional.drop(own, key, flat=flat)
        self._unrealized.drop(own, key, flat=flat)
        self._net.drop(all_own, key, flat=True)
        self.balances.exposed(*all_own, self._gross.drop(all_own, key, flat=True))
        if not flat:
            self._realized.drop(all_own, key)

    def _refuse(self, strategy: str | None, currency: str | None) -> None:
        message = f"more than {POSITIONS_LIMIT} positions; the exposure of the strategy is unknown"
        self._guard.complain("metrics.portfolio", "positions", message)
        for sums in (self._gross, self._net):
            sums.put((strategy, currency), "refused", None)
        self.balances.exposed(strategy, currency, None)


def _holding(position: Position, before: _Holding | None) -> _Holding:
    quantity, notional, mark = _real(position.quantity), _real(position.notional), _real(position.mark)
    currency, realized = position.currency, _real(position.realized_pnl)
    unrealized = _real(position.unrealized_pnl)
    if before is not None:
        quantity = before.quantity if quantity is None else quantity
        realized = before.realized if realized is None else realized
        currency = currency or before.currency
        mark = before.mark if mark is None and notional is None else mark
    if quantity == 0.0:
        notional, unrealized = notional or 0.0, unrealized or 0.0
    elif notional is None and quantity is not None and mark is not None:
        notional = quantity * mark
    return _Holding(currency, quantity, notional, unrealized, realized, mark)


def _of_book(book: accounts.Book, realized: float | None) -> _Holding:
    quantity, value, unrealized = float(book.holding.quantity), _real(book.value), _real(book.unrealized)
    return _Holding(book.currency or None, quantity, value, unrealized, realized, _real(book.mark), kept=True)


def _kept_key(key: accounts.Key) -> Key:
    # told apart from the ids of positions that the bot reports
    return key.strategy or None, key.symbol, f"{key.currency}\n{key.position}"


def _real(value: Number | None) -> float | None:
    return None if value is None else float(value)
