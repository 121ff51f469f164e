"""Brings a database to the version of this code, or refuses it; what is in it is kept."""

from __future__ import annotations

from pathlib import Path

from ares_otel.server.store.databases import database_of
from ares_otel.server.store.driver import Location
from ares_otel.server.store.version import MIGRATIONS, DatabaseError

__all__ = ["MIGRATIONS", "DatabaseError", "migrate"]


def migrate(location: Location, scripts: Path = MIGRATIONS) -> None:
    """Make or migrate a database; all steps or none.

    Raises:
        DatabaseError: it cannot be opened, is not ours, or is newer than this code.
    """
    database_of(location).migrate(scripts)
