"""Accounts as they follow from the fills: positions, profit and loss, exposure.

What the bot says of its own account is in `holdings`; this is the second opinion, from its execution reports alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.accounts import Book
from ares_otel.portfolio.costs import turnover
from ares_otel.portfolio.holding import Method
from ares_otel.portfolio.money import ZERO, exact, exactly, plus
from ares_otel.portfolio.statement import Exposure, Statement, exposure, statements
from ares_otel.server.query.asking import Moment, Name, row_time
from ares_otel.server.query.holdings import AccountsAsked, accounts
from ares_otel.server.store import schema as t
from ares_otel.server.store.accounting import KIND, State, decode_state
from ares_otel.server.story.reader import Reader

__all__ = [
    "BooksAsked",
    "Earned",
    "KeptAccounts",
    "KeptPosition",
    "kept_accounts",
]

Worths: TypeAlias = dict[tuple[str | None, str | None], float]


class BooksAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose accounts."""

    strategy: Name | None = None
    symbol: Name | None = None


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    """Profit and loss of a strategy in one currency; null where a price or a mark is unknown. Nothing is converted.

    `realized` and `unrealized` are before fees; `net_realized` is realized - fees + rebates + funding. `equity` is the
    newest that the bot reported: `leverage` is gross exposure over it, `turnover` the value of all fills over it and
    the days from the first of them to the last. `reasons` says why one of the two is null.
    """

    strategy: str | None
    currency: str | None
    realized: Decimal | None
    unrealized: Decimal | None
    fees: Decimal | None
    rebates: Decimal | None
    funding: Decimal | None
    net_realized: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    largest: float | None
    concentration: float | None
    equity: float | None
    leverage: float | None
    turnover: float | None
    reasons: dict[str, str]


class KeptPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position as its fills make it, by `method` (average, or fifo).

    `fills` counts them since the first one that was stored.
    Those with ids are kept apart until they are flat; then their sums are in the one without an id.
    """

    strategy: str | None
    symbol: str
    position_id: str | None
    currency: str | None
    quantity: Decimal
    avg_price: float | None
    mark: Decimal | None
    notional: Decimal | None
    realized: Decimal | None
    unrealized: Decimal | None
    fees: dict[str, Decimal]
    rebates: dict[str, Decimal]
    turnover: Decimal | None
    fills: int
    method: Method


class KeptAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts from fills and funding, as of the last of them that was booked.

    A position of before the first stored fill is not in them. `left_out` counts fills without side or symbol.
    """

    as_of: Moment | None
    positions: tuple[KeptPosition, ...]
    earned: tuple[Earned, ...]
    left_out: int


def kept_accounts(reader: Reader, asked: BooksAsked) -> KeptAccounts:
    """Return positions now and profit and loss by strategy and currency, from fills."""
    checkpoint = t.checkpoint.c
    found = reader.db.execute(select(checkpoint.data).where(checkpoint.kind == KIND)).scalar()
    state = State() if found is None else decode_state(bytes(found))
    books = [book for book in state.books if _is_asked(book, asked)]
    return KeptAccounts(
        as_of=row_time(state.cursor) if state.cursor else None,
        positions=tuple(_position(book) for book in books if book.symbol),
        earned=tuple(_earned(books, _worths(reader, asked) if books else {})),
        left_out=sum(state.left_out.values()),
    )


def _is_asked(book: Book, asked: BooksAsked) -> bool:
    return asked.strategy in {None, book.strategy} and asked.symbol in {None, book.symbol}


def _position(book: Book) -> KeptPosition:
    held, price = book.holding, book.holding.average_price
    return KeptPosition(
        strategy=book.strategy or None,
        symbol=book.symbol,
        position_id=book.position or None,
        currency=book.currency or None,
        quantity=held.quantity,
        avg_price=None if price is None else float(price),
        mark=book.mark,
        notional=book.value,
        realized=held.realized,
        unrealized=book.unrealized,
        fees=book.fees,
        rebates=book.rebates,
        turnover=book.turnover,
        fills=book.fills,
        method=held.method,
    )


def _worths(reader: Reader, asked: BooksAsked) -> Worths:
    """Return the newest equity by strategy and currency, as the bots said it."""
    found = accounts(reader, AccountsAsked(strategy=asked.strategy))
    return {(one.strategy, one.currency): one.equity for one in found}


def _earned(books: Sequence[Book], worths: Worths) -> Iterable[Earned]:
    strategies: dict[str, list[Book]] = {}
    for book in books:
        strategies.setdefault(book.strategy, []).append(book)
    for strategy, own in sorted(strategies.items()):
        for currency, said in statements(own).items():
            some = [book for book in own if book.currency == currency]
            yield _sums(strategy or None, said, some, worths.get((strategy or None, currency or None)))


def _sums(strategy: str | None, said: Statement, own: Sequence[Book], worth: float | None) -> Earned:
    equity = None if worth is None else exact(worth)
    risked = exposure((book.value for book in own), equity)
    pace = _turnover(own, equity)
    return Earned(
        strategy=strategy,
        currency=said.currency or None,
        realized=said.realized,
        unrealized=said.unrealized,
        fees=said.fees,
        rebates=said.rebates,
        funding=said.funding,
        net_realized=said.net_realized,
        gross=risked.gross if risked else None,
        net=risked.net if risked else None,
        largest=risked.largest if risked else None,
        concentration=risked.concentration if risked else None,
        equity=worth,
        leverage=risked.leverage if risked else None,
        turnover=pace,
        reasons=dict(_reasons(risked, pace, equity)),
    )


def _turnover(own: Sequence[Book], equity: Decimal | None) -> float | None:
    """Return the value traded a day by equity; None where the time of the fills of a book was not kept."""
    filled = [book for book in own if book.fills]
    times = [(book.first, book.last) for book in filled if book.first is not None and book.last is not None]
    if not times or len(times) < len(filled):
        return None
    traded: Decimal | None = ZERO
    for book in filled:
        traded = exactly(plus)(traded, book.turnover)
    return turnover(traded, max(last for _, last in times) - min(first for first, _ in times), equity)


def _reasons(risked: Exposure | None, pace: float | None, equity: Decimal | None) -> Iterable[tuple[str, str]]:
    """Yield why leverage and turnover are absent."""
    without = "no equity is reported" if equity is None else "equity is not above zero" if equity <= 0 else None
    if without is None and risked is None:
        yield "leverage", "a position has no mark, or its fills disagree about the multiplier"
    elif without is not None:
        yield "leverage", without
    if pace is None:
        yield "turnover", without or "a fill has no price or no time, or all fills are of one moment"
