"""The store's own notes in table `meta`, and what is common to statements of keeping: numbers stand in them as text.

The statements run on the raw driver of SQLite and of PostgreSQL alike, which differ in how they mark parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

__all__ = ["Connection", "identifiers", "note", "numbers", "remember", "rows"]


class Connection(Protocol):
    """What both drivers offer."""

    def execute(self, statement: str, /) -> Any:
        """Run a statement and return its cursor."""


def rows(db: Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the answer to a query."""
    found: list[tuple[Any, ...]] = db.execute(query).fetchall()
    return found


def note(db: Connection, key: str) -> str | None:
    """Return what is noted under a key."""
    found = db.execute(f"SELECT value FROM meta WHERE key = {_quoted(key)}").fetchone()  # noqa: S608  quoted
    return None if found is None else str(found[0])


def remember(db: Connection, key: str, value: str | None) -> None:
    """Note a value under a key, or forget the key; within the caller's transaction."""
    if value is None:
        db.execute(f"DELETE FROM meta WHERE key = {_quoted(key)}")  # noqa: S608  quoted
    else:
        db.execute(
            f"INSERT INTO meta(key, value) VALUES ({_quoted(key)}, {_quoted(value)}) "  # noqa: S608  quoted
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )


def numbers(values: Iterable[int]) -> str:
    """Return whole numbers as they stand between the parentheses of IN."""
    return ", ".join(map(str, map(int, values)))


def identifiers(names: Iterable[str]) -> str:
    """Return names of columns as a list; some of ours are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
