"""Rows read ahead: what comes late comes in the order of time, so the next question is about the next rows."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from ares_otel.server.store.driver import Connection

__all__ = ["Ahead"]

ROWS = 64
LAST = (1 << 63) - 1


class Ahead:
    """Rows of a table by their ids, asked for one after the other within a transaction that does not change them.

    On PostgreSQL a question costs a round trip to the server, as much as storing some spans.

    Args:
        db: connection within a transaction.
        table: its name.
        columns: which columns to read, the id first.
    """

    def __init__(self, db: Connection, table: str, columns: str = "id") -> None:
        self._db = db
        self._query = f"SELECT {columns} FROM {table} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"  # noqa: S608  own names
        self.forget()

    def forget(self) -> None:
        """Forget what was read: the transaction ended, or rows changed."""
        self._rows: list[tuple[Any, ...]] = []
        self._ids: list[int] = []
        self._low, self._high = 0, -1

    def between(self, low: int, high: int) -> list[tuple[Any, ...]]:
        """Return the rows whose ids are in a range, ends included."""
        if not self._low <= low <= high <= self._high:
            self._read(low)
            if high > self._high:
                return self._db.execute(self._query, (low, high, LAST)).fetchall()
        at = bisect_left(self._ids, low)
        return self._rows[at : bisect_left(self._ids, high + 1, at)]

    def _read(self, low: int) -> None:
        self._rows = self._db.execute(self._query, (low, LAST, ROWS)).fetchall()
        self._ids = [row[0] for row in self._rows]
        self._low, self._high = low, LAST if len(self._rows) < ROWS else self._ids[-1]
