"""Which versions of a database this code can use."""

from __future__ import annotations

from pathlib import Path

from ares_otel.server.store.schema import REVISION

__all__ = ["EMPTY", "MIGRATIONS", "DatabaseError", "check"]

MIGRATIONS = Path(__file__).parent / "migrations"
EMPTY = ""
"""The revision of a database without tables."""


class DatabaseError(Exception):
    """A database that cannot be used, said so that a user knows what to do."""


def check(label: str, found: str | None, *, write: bool) -> bool:
    """Tell whether a database has to be migrated before it is used (to `write`: by us, else by a server).

    Args:
        label: what to call the database.
        found: its revision, "" for an empty one, None for one of somebody else.
        write: whether it may be changed.

    Raises:
        DatabaseError: it is not ours, newer than this code, or older where it may not be changed.
    """
    if found == REVISION:
        return False
    if found is None:
        raise DatabaseError(f"{label} is a database of something else, not of the ares server")
    if found > REVISION:
        raise DatabaseError(
            f"{label} was written by a newer version of ares-otel (schema {found}, this one knows {REVISION}); "
            "install that version, or name another database"
        )
    if not write:
        raise DatabaseError(f"{label} has an older schema; start `ares-otel serve` once to bring it up to date")
    return True
