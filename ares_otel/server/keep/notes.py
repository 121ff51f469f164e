"""The store's own notes in table `meta`, and what statements of keeping have in common.

The statements run on the raw driver of SQLite and of PostgreSQL alike: whole numbers stand in them as text, so that a
statement may have as many as it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["Connection", "identifiers", "note", "numbers", "remember", "rows"]

NOTE = "SELECT value FROM meta WHERE key = ?"
FORGET = "DELETE FROM meta WHERE key = ?"
REMEMBER = "INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Connection(Protocol):
    """What both drivers offer."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Any:
        """Run a statement with `?` for each value, and return its cursor."""


def rows(db: Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the answer to a query."""
    found: list[tuple[Any, ...]] = db.execute(query).fetchall()
    return found


def note(db: Connection, key: str) -> str | None:
    """Return what is noted under a key."""
    found = db.execute(NOTE, (key,)).fetchone()
    return None if found is None else str(found[0])


def remember(db: Connection, key: str, value: str | None) -> None:
    """Note a value under a key, or forget the key; within the caller's transaction."""
    if value is None:
        db.execute(FORGET, (key,))
    else:
        db.execute(REMEMBER, (key, value))


def numbers(values: Iterable[int]) -> str:
    """Return whole numbers as they stand between the parentheses of IN."""
    return ", ".join(map(str, map(int, values)))


def identifiers(names: Iterable[str]) -> str:
    """Return names of columns as a list; some of ours are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)
