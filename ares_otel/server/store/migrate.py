"""Brings a database to the version of this code, or refuses it; what is in it is kept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ares_otel.server.store.schema import REVISION

__all__ = ["MIGRATIONS", "DatabaseError", "check", "migrate", "version"]

MIGRATIONS = Path(__file__).parent / "migrations"
EMPTY = ""


class DatabaseError(Exception):
    """A database that cannot be used, said so that a user knows what to do."""


def version(connection: sqlite3.Connection) -> str | None:
    """Return the revision of a database, "" for an empty one, None for one of somebody else."""
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in tables:
        return None if tables else EMPTY
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def check(database: Path, found: str | None, *, write: bool) -> bool:
    """Tell whether a database has to be migrated before it is used (to `write`: by us, else by a server).

    Raises:
        DatabaseError: it is not ours, newer than this code, or older where it may not be changed.
    """
    if found == REVISION:
        return False
    if found is None:
        raise DatabaseError(f"{database} is a database of something else, not of the ares server")
    if found > REVISION:
        raise DatabaseError(
            f"{database} was written by a newer version of ares-otel (schema {found}, this one knows {REVISION}); "
            "install that version, or name another database"
        )
    if not write:
        raise DatabaseError(f"{database} has an older schema; start `ares-otel serve` once to bring it up to date")
    return True


def migrate(database: Path, scripts: Path = MIGRATIONS) -> None:
    """Make or migrate a SQLite database; all steps or none.

    Raises:
        DatabaseError: it cannot be opened, is not ours, or is newer than this code.
    """
    try:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not database.exists():
            # what a bot decides is for the eyes of its user only
            os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            behind = check(database, version(connection), write=True)
            connection.execute("PRAGMA journal_mode = WAL")
        if behind:
            from ares_otel.server.store.upgrade import upgrade  # noqa: PLC0415  0.4 s, once in a database's life

            upgrade(database, scripts)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"{database} cannot be used as a database: {error}") from error
