"""A back-up of whichever database there is, and the note in it of how that went, which a server shows."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ares_otel.server.keep.backup import backup
from ares_otel.server.keep.dump import dump
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.standing import NOTES, Standing, encoded, failed, tell
from ares_otel.server.store.databases import file_of
from ares_otel.server.store.driver import Location
from ares_otel.server.store.version import DatabaseError

__all__ = ["back_up"]

BUSY_SECONDS: Final = 5.0
READ: Final = text("SELECT value FROM meta WHERE key = :key")
WRITE: Final = text(
    "INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


def back_up(location: Location, target: Path) -> int:
    """Write a copy of a database, note in the database that it was made or why not; return its size in bytes.

    Raises:
        DatabaseError: there is no database, or it cannot be copied.
        FileError: the target exists or cannot be written.
    """
    file, begun = file_of(location), time.perf_counter()
    try:
        size = backup(file, target) if file is not None else dump(str(location), target)
    except (DatabaseError, FileError) as error:
        problem = str(error)
        _noted(location, lambda before: failed(before, time.time_ns(), problem))
        raise
    seconds = time.perf_counter() - begun
    _noted(
        location,
        lambda before: Standing(ended=time.time_ns(), seconds=seconds, amount=size, failures=before.failures),
    )
    return size


def _noted(location: Location, change: Callable[[Standing], Standing]) -> None:
    """Change the note, if the database takes it: the copy is what counts."""
    key = NOTES["backup"]
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error), _engine(location).begin() as connection:
        before = tell(connection.execute(READ, {"key": key}).scalar())
        connection.execute(WRITE, {"key": key, "value": encoded(change(before))})


def _engine(location: Location) -> Engine:
    file = file_of(location)
    if file is None:
        url = make_url(str(location)).set(drivername="postgresql+psycopg")
        return create_engine(url, poolclass=NullPool)
    place = f"file:{quote(str(file))}?mode=rw"
    return create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS), poolclass=NullPool
    )
