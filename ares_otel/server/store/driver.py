"""What the store needs of a database's driver: so much is common to SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Connection", "Cursor"]


class Cursor(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""


class Connection(Protocol):
    """Runs statements with `?` for each value."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""
