"""SQLite: one file, one connection that writes, readers that are never blocked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Engine, Table, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from ares_otel.server.store.driver import Row
from ares_otel.server.store.lock import DatabaseLock
from ares_otel.server.store.schema import METADATA
from ares_otel.server.store.tally import CONFLICTS
from ares_otel.server.store.version import EMPTY, DatabaseError, check

__all__ = ["SqliteDriver", "SqliteFile", "revision_of"]

PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    # a commit that ends with a checkpoint takes twice as long: it is one of thirty under full load
    "wal_autocheckpoint = 16000",
    "cache_size = -65536",
    "busy_timeout = 5000",
    "temp_store = MEMORY",
)


def _insert(table: Table) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    places = ", ".join("?" * len(table.c))
    return f"INSERT INTO {table.name}({columns}) VALUES ({places}) {CONFLICTS.get(table.name, '')}"  # noqa: S608  own names


INSERT = {table.name: _insert(table) for table in METADATA.sorted_tables}


class SqliteDriver(sqlite3.Connection):
    """The connection that writes."""

    group_bytes = 1 << 20

    def begin(self) -> None:
        """Begin a transaction that writes."""
        self.execute("BEGIN IMMEDIATE")

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or join them with those that are there."""
        self.executemany(INSERT[table], rows)

    def change(self, query: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""
        self.executemany(query, rows)

    def pick(self, query: str, keys: Sequence[int]) -> list[Any]:
        """Return the rows of a query for some keys."""
        return self.execute(_picking(query, len(keys)), keys).fetchall()

    def passing(self, error: Exception) -> bool:
        """Tell a full disk, a lock or a damaged file from a request that no try can store."""
        return isinstance(error, sqlite3.OperationalError | DatabaseError) or type(error) is sqlite3.DatabaseError

    def close(self) -> None:
        """Write the log back into the database and close it."""
        with contextlib.suppress(sqlite3.Error):
            self.execute("PRAGMA busy_timeout = 200")
            self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        super().close()


@lru_cache(1_024)
def _picking(query: str, number: int) -> str:
    return query.replace("{some}", f"IN ({', '.join('?' * number)})")


class SqliteFile:
    """A database in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def label(self) -> str:
        """The file's name."""
        return str(self.path)

    def lock(self) -> DatabaseLock:
        """Return the right to write the file."""
        return DatabaseLock(self.path)

    def open(self) -> SqliteDriver:
        """Return the connection that writes.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        driver = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, factory=SqliteDriver)
        try:
            for pragma in PRAGMAS:
                driver.execute(f"PRAGMA {pragma}")
        except BaseException:
            driver.close()
            raise
        return driver

    def read(self) -> Engine:
        """Return where to get a connection that cannot write.

        Raises:
            DatabaseError: there is no such file, or this code cannot read it.
        """
        if not self.path.exists():
            raise DatabaseError(f"there is no database {self.path}; `ares-otel serve` makes one")
        try:
            with closing(self._connect()) as connection:
                check(self.label, revision_of(connection), write=False)
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path} cannot be read: {error}") from error
        return create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)

    def _connect(self) -> sqlite3.Connection:
        # `rw` makes no database, and needs no right to write one
        name = f"file:{quote(str(self.path))}?mode=rw"
        connection = sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    def migrate(self, scripts: Path) -> None:
        """Make or migrate the file; all steps or none.

        Raises:
            DatabaseError: it cannot be opened, is not ours, or is newer than this code.
        """
        path = self.path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                # what a bot decides is for the eyes of its user only
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                behind = check(self.label, revision_of(connection), write=True)
                connection.execute("PRAGMA journal_mode = WAL")
            if behind:
                self.upgrade(scripts)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseError(f"{path} cannot be used as a database: {error}") from error

    def upgrade(self, scripts: Path) -> None:
        """Run the migrations that are missing."""
        from ares_otel.server.store.upgrade import upgrade  # noqa: PLC0415  0.4 s, once in a database's life

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(self.path, isolation_level=None)

        engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
        # the driver's own transactions begin too late to hold changes of the schema
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        upgrade(engine, scripts)


def revision_of(connection: sqlite3.Connection) -> str | None:
    """Return the revision of a database, "" for an empty one, None for one of somebody else."""
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in tables:
        return None if tables else EMPTY
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return cast("str", found[0]) if found else None
