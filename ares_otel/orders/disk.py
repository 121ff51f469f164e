"""The ledger's file: SQLite in WAL mode, shared by the processes of one service.

Every write of an order deletes its row and adds a new one at the end, so that the row number says what has changed
since a process last looked.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ares_otel.orders.connection import Connection

__all__ = ["Disk", "NewerError", "Row", "is_corrupt"]

VERSION = 1
LAST_BUSY = 0.5
DAY = 86_400 * 10**9
SLACK = 50
CHUNK = 500
COMPANIONS = ("", "-wal", "-shm")
CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS orders (
    change INTEGER PRIMARY KEY AUTOINCREMENT, -- greater with each write
    client_id TEXT NOT NULL UNIQUE,
    rank INTEGER NOT NULL,                    -- 0 open, 1 done, 2 reported but never sent
    owner TEXT NOT NULL,                      -- process that shows it in its gauges
    touched INTEGER NOT NULL,                 -- Unix ns of the last submission or report
    facts TEXT NOT NULL                       -- JSON
);
CREATE INDEX IF NOT EXISTS open_orders ON orders (change) WHERE rank = 0;
CREATE INDEX IF NOT EXISTS unknown_orders ON orders (change) WHERE rank = 2;
PRAGMA user_version = {VERSION};
COMMIT;
"""
SELECT = "SELECT change, client_id, rank, owner, touched, facts FROM orders "
INSERT = "INSERT OR REPLACE INTO orders (client_id, rank, owner, touched, facts) VALUES (?, ?, ?, ?, ?)"
PRUNE = "DELETE FROM orders WHERE change IN (SELECT change FROM orders ORDER BY rank DESC, change LIMIT ?)"


class NewerError(OSError):
    """The file was written by a later version that changed its shape."""


class Row(NamedTuple):
    """An order as it stands in the file."""

    client_id: str
    rank: int
    owner: str
    touched: int
    facts: str


class Disk:
    """The orders in the file. Methods raise `sqlite3.Error` when the file is locked, full, damaged or closed.

    Attributes:
        rows: how many orders the file held when last counted, and those written since.
    """

    def __init__(self, path: Path, *, limit: int, days: float) -> None:
        self.path = path
        self.limit = limit
        self.days = days
        self.rows = 0
        self.connection = Connection(path)
        self._seen = 0
        self._version: tuple[sqlite3.Connection, int] | None = None

    def open(self) -> None:
        """Connect, make the tables, and remove what is too old.

        Raises:
            sqlite3.Error: the file is locked, damaged, or cannot be opened.
            OSError: it cannot be made, or is of a later version.
        """
        self.connection.open()
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        with self.connection.use() as sqlite:
            version = _number(sqlite, "PRAGMA user_version")
            if version > VERSION:
                raise NewerError(f"{self.path} has version {version}, this program knows {VERSION}")
            (verdict,) = sqlite.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _corrupt(verdict)
            if version < VERSION:
                sqlite.executescript(SCHEMA)
            sqlite.execute("DELETE FROM orders WHERE touched < ?", (time.time_ns() - int(self.days * DAY),))
            self.rows = _number(sqlite, "SELECT count(*) FROM orders")
            self._seen = _number(sqlite, "SELECT max(change) FROM orders")

    def be_patient(self) -> None:
        """Wait longer for other processes from now on: there will be no next time."""
        with self.connection.use() as sqlite:
            sqlite.execute(f"PRAGMA busy_timeout = {int(LAST_BUSY * 1000)}")

    def move_aside(self) -> Path:
        """Close the file, rename it, with what belongs to it, and return its new path.

        Raises:
            OSError: the directory cannot be written.
        """
        self.connection.close()
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns()}")
        for suffix in COMPANIONS:
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(f"{aside}{suffix}")
        return aside

    def find(self, client_id: str) -> Row | None:
        """Return an order.

        Raises:
            ValueError: the id is no Unicode.
        """
        with self.connection.use() as sqlite:
            found = _select(sqlite, "WHERE client_id = ?", client_id)
        return found[0][1] if found else None

    def open_orders(self) -> list[Row]:
        """Return the orders that can still be filled, oldest change first; the newest ones if there are too many."""
        return self._newest("WHERE rank = 0 ORDER BY change DESC LIMIT ?", self.limit)

    def unknown(self, limit: int) -> list[Row]:
        """Return the newest orders that were reported but never sent, oldest change first."""
        return self._newest("WHERE rank = 2 ORDER BY change DESC LIMIT ?", limit)

    def _newest(self, where: str, limit: int) -> list[Row]:
        with self.connection.use() as sqlite:
            return [row for _, row in reversed(_select(sqlite, where, limit))]

    def changed(self) -> list[Row]:
        """Return what other processes have written since the last call or commit."""
        with self.connection.use() as sqlite:
            version = (sqlite, _number(sqlite, "PRAGMA data_version"))
            if version == self._version:
                return []
            found = self._since(sqlite)
            self._version = version
            self._seen = max([self._seen, *(change for change, _ in found)])
        return [row for _, row in found]

    def commit(self, merge: Callable[[list[Row]], Sequence[Row]], sent: Sequence[str]) -> None:
        """Write orders in one transaction.

        Args:
            merge: takes what others have written in the meantime, and what the file has of the orders that were sent,
                and returns what is to be written.
            sent: client ids of orders that were sent since the last commit.
        """
        with self.connection.use() as sqlite:
            sqlite.execute("BEGIN IMMEDIATE")
            try:
                found = [*self._since(sqlite), *_among(sqlite, sent)]
                rows = merge([row for _, row in found])
                sqlite.executemany(INSERT, rows)
                self._prune(sqlite, len(rows))
                seen = _number(sqlite, "SELECT max(change) FROM orders")
                sqlite.execute("COMMIT")
            except BaseException:
                if sqlite.in_transaction:
                    sqlite.execute("ROLLBACK")
                raise
            self._seen = max(self._seen, seen)

    def _prune(self, sqlite: sqlite3.Connection, written: int) -> None:
        self.rows += written
        if self.rows > self.limit:
            self.rows = _number(sqlite, "SELECT count(*) FROM orders")
        if self.rows > self.limit:
            excess = self.rows - self.limit + self.limit // SLACK
            sqlite.execute(PRUNE, (excess,))
            self.rows -= excess

    def _since(self, sqlite: sqlite3.Connection) -> list[tuple[int, Row]]:
        return _select(sqlite, "WHERE change > ? ORDER BY change", self._seen)


def is_corrupt(error: BaseException) -> bool:
    """Tell whether an error of SQLite means that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in CORRUPT


def _corrupt(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _select(sqlite: sqlite3.Connection, where: str, *values: object) -> list[tuple[int, Row]]:
    return [(change, Row(*rest)) for change, *rest in sqlite.execute(SELECT + where, values)]


def _among(sqlite: sqlite3.Connection, ids: Sequence[str]) -> Iterator[tuple[int, Row]]:
    # placeholders of an IN are limited, in older versions to 999
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        yield from _select(sqlite, f"WHERE client_id IN ({', '.join('?' * len(chunk))})", *chunk)


def _number(sqlite: sqlite3.Connection, sql: str) -> int:
    return int(sqlite.execute(sql).fetchone()[0] or 0)
