"""Accounts of all strategies from the stored fills and funding: trades as rows, books as one checkpoint.

A chore of the writer's thread: some milliseconds of work, then a pause, so that ingestion does not feel it; while more
fills come than that, accounts lag behind and say how far they are. Fills are booked in the order of their wall time,
`GRACE` after it, for what several bots send meets in any order. One that comes later than that makes the accounts of
its strategy be derived anew from the first fill, beside those that are shown; once that fill, or the first funding, is
not kept any more, a late one is booked as if it had happened now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from ares_otel.portfolio.accounts import Accounts, Book, Key
from ares_otel.portfolio.costs import WORDS
from ares_otel.portfolio.holding import ONE, Fill, Method
from ares_otel.portfolio.money import ZERO, exact, exactly
from ares_otel.portfolio.trades import Trade
from ares_otel.server.store.driver import Connection
from ares_otel.server.store.late import CURSOR, LATE, READ, WRITE, read_late
from ares_otel.server.store.store import Store

__all__ = ["Accounting", "State", "decode_state"]

KIND = "accounts"
GRACE: Final = 2_000_000_000
ROWS: Final = 500
REST: Final = 0.2
IDLE: Final = 1.0
MARK_COLUMNS: Final = 4
FUNDING_COLUMNS: Final = 6

FILLS = """
SELECT u.id, s.value, y.value, c.value, d.value, u.fill_quantity, u.fill_price, u.cum_quantity, u.avg_price, u.fee,
    f.value, o.multiplier, u.event_time, o.position_id, v.value, r.value
FROM order_update u JOIN orders o ON o.id = u.order_id LEFT JOIN decision e ON e.id = o.decision
LEFT JOIN name s ON s.id = o.strategy LEFT JOIN name y ON y.id = o.symbol LEFT JOIN name c ON c.id = o.currency
LEFT JOIN name d ON d.id = o.side LEFT JOIN name f ON f.id = u.fee_currency
LEFT JOIN name v ON v.id = o.venue LEFT JOIN name r ON r.id = e.regime
WHERE u.id > ? AND u.id <= ? AND u.duplicate = 0 AND (u.fill_quantity > 0 OR u.fee <> 0)
"""
FUNDING = """
SELECT u.id, s.value, y.value, c.value, u.amount, u.position_id FROM funding u
LEFT JOIN name s ON s.id = u.strategy LEFT JOIN name y ON y.id = u.symbol LEFT JOIN name c ON c.id = u.currency
WHERE u.id > ? AND u.id <= ? AND u.amount <> 0
"""
QUERIES: Final = {"order_update": FILLS, "funding": FUNDING}
OF_STRATEGY = " AND coalesce(s.value, '') = ?"
OF_ROW = " AND u.id = ?"
IN_ORDER = " ORDER BY u.id LIMIT ?"
MARKS = """
SELECT m.id, y.value, c.value, m.price FROM mark m
LEFT JOIN name y ON y.id = m.symbol LEFT JOIN name c ON c.id = m.currency
WHERE m.id > ? AND m.id <= ? AND m.price > 0 ORDER BY m.id LIMIT ?
"""
IS_KEPT: Final = {table: f"SELECT 1 FROM {table} WHERE id = ?" for table in QUERIES}  # noqa: S608  own names
OWNER: Final = {
    "order_update": """
SELECT coalesce(s.value, '') FROM order_update u JOIN orders o ON o.id = u.order_id
LEFT JOIN name s ON s.id = o.strategy WHERE u.id = ?
""",
    "funding": "SELECT coalesce(s.value, '') FROM funding u LEFT JOIN name s ON s.id = u.strategy WHERE u.id = ?",
}
FORGET = "DELETE FROM trade WHERE strategy = (SELECT id FROM name WHERE kind = 'strategy' AND value = ?)"
FORGET_UNNAMED = "DELETE FROM trade WHERE strategy IS NULL"
KINDS: Final = ("strategy", "symbol", "currency", "venue", "regime")
NAMED = "(SELECT id FROM name WHERE kind = '{}' AND value = ?)"
INSERT = f"""
INSERT INTO trade(id, {", ".join(KINDS)}, direction, quantity, entry_time, exit_time, entry_price, exit_price, pnl,
    fees, mae, mfe, funding)
VALUES (?, {", ".join(NAMED.format(kind) for kind in KINDS)}, {", ".join("?" * 11)})
"""  # noqa: S608  own names


class State(msgspec.Struct):
    """How far the accounts are.

    Attributes:
        cursor: row id of the last update that was looked at; its time, in effect.
        books: of all strategies and symbols.
        first: row id of the first fill of each strategy.
        funded: row id of the first funding of each strategy.
        left_out: fills by strategy that could not be booked, without side or symbol.
        method: which cost a closing fill takes away.
    """

    cursor: int = 0
    books: list[Book] = []
    first: dict[str, int] = {}
    funded: dict[str, int] = {}
    left_out: dict[str, int] = {}
    method: Method = Method.AVERAGE


Ended: TypeAlias = tuple[int, Trade]


def decode_state(data: bytes) -> State:
    """Return the accounts from a checkpoint."""
    return msgspec.json.decode(data, type=State)


class _Run:
    """Books rows in their order, of all strategies or of one."""

    def __init__(self, state: State, strategy: str | None = None) -> None:
        self.state = state
        self.strategy = strategy
        self.accounts = Accounts(state.books, state.method)
        self.ended: list[Ended] = []
        self.moved = False

    def step(self, db: Connection, until: int) -> bool:
        """Book some rows up to a row id; tell whether that was all."""
        marks = db.execute(MARKS, (self.state.cursor, until, ROWS)).fetchall()
        sources = (marks, *(self._own(db, query, until) for query in QUERIES.values()))
        ends = [rows[-1][0] for rows in sources if len(rows) == ROWS]
        rows = [row for source in sources for row in source if row[0] <= min(ends, default=until)]
        for row in sorted(rows, key=lambda row: (row[0], -len(row))):
            if len(row) == MARK_COLUMNS:
                self._mark(*row[1:])
            else:
                self.book(row)
            self.state.cursor = row[0]
        self.moved = bool(rows)
        return not ends

    def _own(self, db: Connection, query: str, until: int) -> list[Any]:
        if self.strategy is None:
            return db.execute(query + IN_ORDER, (self.state.cursor, until, ROWS)).fetchall()
        named = (self.state.cursor, until, self.strategy, ROWS)
        return db.execute(query + OF_STRATEGY + IN_ORDER, named).fetchall()

    def _mark(self, symbol: str | None, currency: str | None, price: float) -> None:
        self.accounts.mark(symbol or "", exact(price), currency)

    def book(self, row: Sequence[Any]) -> None:
        """Book a row of `QUERIES`."""
        if len(row) == FUNDING_COLUMNS:
            self._fund(row)
        else:
            self._fill(row)

    def _fund(self, row: Sequence[Any]) -> None:
        """Book funding; one without a currency is in that of the position, if it has only one."""
        at, strategy, symbol, currency, amount, position = row
        owner = (strategy or "", symbol or "")
        known = {book.currency for book in self.accounts.of(owner[0]) if book.symbol == owner[1]}
        named = currency or (known.pop() if len(known) == 1 else "")
        self.state.funded.setdefault(owner[0], at)
        self._open(Key(*owner, named, position or "")).fund(exact(amount), named)

    def _open(self, key: Key) -> Book:
        """Return the book of a position; that of the symbol, if the one with the id is not open."""
        return self.accounts.book(key if key in self.accounts.books else key._replace(position=""))

    @exactly
    def _fill(self, row: Sequence[Any]) -> None:
        """Book a fill, or a fee that came alone."""
        at, strategy, symbol, currency, side, quantity, price, cum, average, fee, fee_currency, multiplier, *said = row
        time_, position, venue, regime = said
        key = Key(strategy or "", symbol or "", currency or "", position or "")
        if side not in WORDS or not symbol:
            self.state.left_out[key.strategy] = self.state.left_out.get(key.strategy, 0) + 1
            return
        self.state.first.setdefault(key.strategy, at)
        paid = ZERO if fee is None else exact(fee)
        if not quantity:
            self._open(key).charge(paid, fee_currency)
            return
        if price is None and cum == quantity:
            price = average
        fill = Fill(
            exact(quantity) * WORDS[side],
            exact(price) if price is not None else None,
            exact(multiplier) if multiplier else ONE,
            paid,
            fee_currency or "",
            time_ if time_ is not None else at,
            venue or "",
            regime or "",
        )
        trade = self.accounts.fill(key, fill)
        if trade is not None:
            self.ended.append((at, trade))

    def take(self, other: _Run) -> None:
        """Take the books of a strategy over that were derived anew."""
        for book in self.accounts.of(other.strategy or ""):
            self.accounts.forget(book.key)
        kept = [*self.accounts.books.values(), *other.accounts.books.values()]
        self.accounts = Accounts(kept, self.state.method)
        for mine, others in (
            (self.state.first, other.state.first),
            (self.state.funded, other.state.funded),
            (self.state.left_out, other.state.left_out),
        ):
            mine.pop(other.strategy or "", None)
            mine.update(others)

    def settle(self, method: Method) -> bytes:
        """Return the state with its books as it is kept, and the method by which all of them were."""
        self.state.books = list(self.accounts.books.values())
        return msgspec.json.encode(msgspec.structs.replace(self.state, method=method))


class Accounting:
    """The chore.

    Args:
        now: Unix time in ns.
        method: which cost a closing fill takes away. Where accounts were kept by another one they are derived anew, as
            far as all that was booked of a strategy is still stored; else open positions keep theirs.
    """

    def __init__(self, now: Callable[[], int] = time.time_ns, method: Method = Method.AVERAGE) -> None:
        self._now = now
        self._method = method
        self._before = method
        self._other: list[str] = []
        self._run: _Run | None = None
        self._anew: _Run | None = None
        self._handled: dict[str, list[int]] = {}

    def __call__(self, store: Store) -> float:
        """Do a step; see `Chore`."""
        try:
            return self._step(store)
        except BaseException:
            # what was not committed is read again
            self._run, self._anew, self._handled = None, None, {}
            raise

    def _step(self, store: Store) -> float:
        run = self._run = self._run or self._begin(store.db)
        done = run.step(store.db, self._now() - GRACE)
        renewed = self._renew(store.db, run) if done else None
        changed = run.moved or renewed is not None or bool(self._handled and self._anew is None)
        if changed:
            with store.transaction() as db:
                self._write(db, run, renewed)
            run.ended.clear()
        return REST if changed or self._anew is not None else IDLE

    def _begin(self, db: Connection) -> _Run:
        """Go on where the accounts stand; those that were kept by another method are to be derived anew."""
        state = _read(db)
        self._other = sorted({book.strategy for book in state.books}) if state.method != self._method else []
        self._before, state.method = state.method, self._method
        return _Run(state)

    def _renew(self, db: Connection, run: _Run) -> _Run | None:
        """Go on with what is derived anew; return it when it has come as far as the rest."""
        if self._anew is None:
            self._anew = self._late(db, run)
        if self._anew is None or not self._anew.step(db, run.state.cursor):
            return None
        renewed, self._anew = self._anew, None
        return renewed

    def _late(self, db: Connection, run: _Run) -> _Run | None:
        """Look at what came late: the strategy that is to be derived anew, if its first fill is still there."""
        late = [(table, row) for table in QUERIES for row in read_late(db, table)]
        if not late:
            return self._changed(db, run)
        strategy = _owner(db, *late[0])
        own = [(table, row) for table, row in late if _owner(db, table, row) == strategy]
        self._handled = {table: [row for told, row in own if told == table] for table in QUERIES}
        if self._is_whole(db, run.state, strategy):
            return _Run(State(method=self._method), strategy)
        for table, row in own:
            for found in db.execute(QUERIES[table] + OF_ROW, (0, row, row)).fetchall():
                run.book(found)
        return None

    def _changed(self, db: Connection, run: _Run) -> _Run | None:
        """Return a strategy that was kept by another method, to be derived anew."""
        while self._other:
            strategy = self._other.pop()
            self._handled = {table: [] for table in QUERIES}
            if self._is_whole(db, run.state, strategy):
                return _Run(State(method=self._method), strategy)
        return None

    def _is_whole(self, db: Connection, state: State, strategy: str) -> bool:
        """Tell whether all that was booked of a strategy is still stored."""
        for table, known in (("order_update", state.first), ("funding", state.funded)):
            first = known.get(strategy)
            is_before = first is not None and min(self._handled[table], default=first) < first
            if first is not None and not is_before and not db.execute(IS_KEPT[table], (first,)).fetchone():
                return False
        return True

    def _write(self, db: Connection, run: _Run, renewed: _Run | None) -> None:
        if renewed is not None:
            run.take(renewed)
            strategy = renewed.strategy or ""
            db.execute(*((FORGET, (strategy,)) if strategy else (FORGET_UNNAMED, ())))
            _insert(db, renewed.ended)
        _insert(db, run.ended)
        # until all were derived anew, a start begins with that again
        settled = self._before if self._other or self._anew is not None else self._method
        db.execute(WRITE, (KIND, run.settle(settled)))
        db.execute(WRITE, (CURSOR, str(run.state.cursor).encode()))
        if self._handled and self._anew is None:
            for table, rows in self._handled.items():
                left = [row for row in read_late(db, table) if row not in rows]
                db.execute(WRITE, (LATE[table], msgspec.json.encode(left)))
            self._handled = {}


def _owner(db: Connection, table: str, row: int) -> str:
    found = db.execute(OWNER[table], (row,)).fetchone()
    return "" if found is None else str(found[0])


def _read(db: Connection) -> State:
    found = db.execute(READ, (KIND,)).fetchone()
    return State() if found is None else decode_state(bytes(found[0]))


def _insert(db: Connection, ended: Iterable[Ended]) -> None:
    for row, trade in ended:
        db.execute(INSERT, (row, *(getattr(trade, kind) for kind in KINDS), *_values(trade)))


def _values(trade: Trade) -> tuple[Any, ...]:
    *money, funding = [None if amount is None else str(amount) for amount in (trade.pnl, trade.fees, trade.funding)]
    prices = [None if price is None else float(price) for price in (trade.entry_price, trade.exit_price)]
    swings = [None if amount is None else float(amount) for amount in (trade.mae, trade.mfe)]
    return (
        trade.direction,
        float(trade.quantity),
        trade.entry_time,
        trade.exit_time,
        *prices,
        *money,
        *swings,
        funding,
    )
