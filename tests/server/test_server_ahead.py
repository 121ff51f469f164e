"""Rows that are read ahead: the answers of the table, by fewer questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from ares_otel.server.store.ahead import ROWS, Ahead

IDS = [*range(0, 4_000, 10), *range(10_000, 10_000 + 3 * ROWS)]


class Counting:
    """A connection that counts what it is asked."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.asked = 0

    def execute(self, query: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run a statement."""
        self.asked += 1
        return self.db.execute(query, values)


@pytest.fixture
def counting() -> Iterator[Counting]:
    """Have a table of rows, some far apart and some dense."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, client_id TEXT)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [(row, f"o-{row}") for row in IDS])
        yield Counting(db)


@pytest.mark.parametrize("width", [0, 9, 25, 2 * ROWS])
def test_the_answers_are_the_tables(counting: Counting, width: int) -> None:
    """Forwards, backwards, between rows, beyond the last, and more rows at once than are read ahead."""
    ahead = Ahead(counting, "orders", "id, client_id")
    for low in [*range(0, 11_000, 7), *range(11_000, 0, -13)]:
        found = [row[0] for row in ahead.between(low, low + width)]
        assert found == [row for row in IDS if low <= row <= low + width]
    assert ahead.between(3_990, 3_990) == [(3_990, "o-3990")]


def test_neighbors_are_asked_for_once(counting: Counting) -> None:
    """Questions in the order of time cost one query for many rows, and those beyond the last row one in all."""
    ahead = Ahead(counting, "orders")
    for low in range(640):
        ahead.between(low, low)
    assert counting.asked == 2
    for low in range(20_000, 21_000):
        assert ahead.between(low, low) == []
    assert counting.asked == 3


def test_what_was_read_is_forgotten(counting: Counting) -> None:
    """After a change the table is asked again."""
    ahead = Ahead(counting, "orders")
    assert ahead.between(5, 5) == []
    counting.db.execute("INSERT INTO orders VALUES (5, 'late')")
    assert ahead.between(5, 5) == []

    ahead.forget()

    assert ahead.between(5, 5) == [(5,)]
