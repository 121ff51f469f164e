"""The seam between the store and its databases: what it needs of a connection, and of where that leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import sqlalchemy as sa

__all__ = ["Connection", "Cursor", "Database", "Driver", "Location", "Lock", "Row"]

Location: TypeAlias = Path | str
"""An SQLite file, or the URL of a PostgreSQL database."""

Row: TypeAlias = tuple[Any, ...]


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """How many rows a change met."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""


class Connection(Protocol):
    """Runs statements in the words that SQLite and PostgreSQL share, with `?` for each value."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""


class Driver(Connection, Protocol):
    """A connection that writes; used by one thread at a time.

    Attributes:
        group_bytes: of requests that fill a transaction: small ones share the disk's flush, large ones do not make
            others wait for more than 0.1 s.
    """

    group_bytes: int

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def begin(self) -> None:
        """Begin a transaction that writes."""

    def commit(self) -> None:
        """End it; what it did is safe then."""

    def rollback(self) -> None:
        """Undo it."""

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows in the order of the table's columns, or join them with those that are there (`CONFLICTS`)."""

    def change(self, query: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""

    def pick(self, query: str, keys: Sequence[int]) -> list[Any]:
        """Return the rows of a query in which `{some}` stands for the condition that a column is one of the keys."""

    def passing(self, error: Exception) -> bool:
        """Tell a full disk, a lock or a lost connection from something that no try can store."""

    def close(self) -> None:
        """Close the connection."""


class Lock(Protocol):
    """Exclusive right to write a database."""

    def acquire(self) -> None:
        """Take the right, or raise `DatabaseError`: another server has it."""

    def release(self) -> None:
        """Give the right back."""


class Database(Protocol):
    """Where a store is."""

    @property
    def label(self) -> str:
        """What to call it in messages; no password."""

    def lock(self) -> Lock:
        """Return the right to write it."""

    def migrate(self, scripts: Path) -> None:
        """Make it or bring it to the version of this code, or raise `DatabaseError`."""

    def open(self) -> Driver:
        """Return a connection that writes."""

    def read(self) -> sa.Engine:
        """Return where to get a connection that cannot write; raise `DatabaseError` if nothing can be read."""
