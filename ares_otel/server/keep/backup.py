"""Back-up of a SQLite database while a server writes it, and the way back."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ares_otel.server.keep.files import SIDES, new_file, set_aside_name, sync_directory
from ares_otel.server.store.lock import DatabaseLock
from ares_otel.server.store.sqlite import revision_of
from ares_otel.server.store.version import DatabaseError, check

__all__ = ["backup", "inspect", "restore"]

BUSY_SECONDS = 60.0
SHOWN = 3


def backup(database: Path, target: Path) -> int:
    """Write a compact copy of the database as of one moment; return its size in bytes.

    The server goes on writing meanwhile. The copy gets its name when it is complete and has passed its check.

    Raises:
        DatabaseError: there is no database, or the copy is not sound.
        FileError: the target exists or cannot be written.
    """
    if not database.exists():
        raise DatabaseError(f"there is no database {database}")
    with new_file(target) as part:
        try:
            with closing(_connect(database, "rw")) as connection:
                # an older schema is as good: a back-up before an update is the one that is needed
                check(str(database), revision_of(connection), write=True)
                connection.execute("VACUUM INTO ?", (str(part),))
        except sqlite3.Error as error:
            raise DatabaseError(f"{database} cannot be backed up: {error}") from error
        inspect(part)
        return part.stat().st_size


def inspect(database: Path) -> str:
    """Return the version of the schema of a database that is sound and that this code can use.

    Raises:
        DatabaseError: it is not there, damaged, not ours, or newer than this code.
    """
    if not database.exists():
        raise DatabaseError(f"there is no file {database}")
    try:
        with closing(_connect(database, "rw")) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                raise DatabaseError(f"{database} is damaged: {'; '.join(found[:SHOWN])}")
            revision = revision_of(connection)
    except sqlite3.Error as error:
        raise DatabaseError(f"{database} cannot be read as a database: {error}") from error
    if not revision:
        raise DatabaseError(f"{database} is no database of the ares server")
    check(str(database), revision, write=True)
    return revision


def restore(source: Path, database: Path) -> Path | None:
    """Put a back-up in the place of the database; return where the old one is kept, None if there was none.

    Raises:
        DatabaseError: a server has the database, or the back-up cannot be used; nothing is changed then.
    """
    lock = DatabaseLock(database)
    lock.acquire()
    try:
        inspect(source)
        part = database.with_name(f"{database.name}.restoring")
        try:
            _copy(source, part)
            inspect(part)
            kept = _set_aside(database)
            part.replace(database)
            sync_directory(database.parent)
        except OSError as error:
            raise DatabaseError(f"{database} cannot be restored: {error}") from error
        finally:
            for side in SIDES:
                part.with_name(part.name + side).unlink(missing_ok=True)
    finally:
        lock.release()
    return kept


def _copy(source: Path, part: Path) -> None:
    """Copy a back-up with what may stand in its log."""
    with closing(_connect(source, "rw")) as connection:
        # a back-up that somebody opened may have a log beside it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def _set_aside(database: Path) -> Path | None:
    """Rename the database and its log."""
    if not database.exists():
        return None
    kept = set_aside_name(database.parent, database.name)
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            database.with_name(database.name + side).rename(kept.with_name(kept.name + side))
    return kept


def _connect(database: Path, mode: str) -> sqlite3.Connection:
    place = f"file:{quote(str(database))}?mode={mode}"
    return sqlite3.connect(place, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
