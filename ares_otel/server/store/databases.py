"""From what a user names to where the store is."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ares_otel.server.store.driver import Database, Location
from ares_otel.server.store.sqlite import SqliteFile
from ares_otel.server.store.version import DatabaseError

__all__ = ["database_of", "file_of"]


def file_of(location: Location) -> Path | None:
    """Return the SQLite file that a location means, None for another database."""
    if isinstance(location, Path) or "://" not in location:
        return Path(location)
    return Path(location.removeprefix("sqlite:///")) if location.startswith("sqlite:///") else None


def database_of(location: Location) -> Database:
    """Return the database of a path or a URL.

    Raises:
        DatabaseError: the URL is none of PostgreSQL, or its driver is not installed.
    """
    file = file_of(location)
    if file is not None:
        return SqliteFile(file)
    try:
        url = make_url(str(location))
    except (ArgumentError, ValueError):
        raise DatabaseError("the database URL cannot be read; write postgresql+psycopg://user@host/name") from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise DatabaseError(f"{url.drivername} is no database of the ares server; it knows SQLite and PostgreSQL")
    try:
        from ares_otel.server.store.postgres import PostgresDatabase  # noqa: PLC0415  needs the extra "postgres"
    except ImportError as error:
        raise DatabaseError(f"{error.name or error}: PostgreSQL needs `pip install 'ares-otel[postgres]'`") from error
    return PostgresDatabase(url)
