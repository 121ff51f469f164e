"""PostgreSQL by psycopg 3: binary COPY for rows that are new, `unnest` for those that may be there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import psycopg
from sqlalchemy import URL, Engine, Table, create_engine, text, types
from sqlalchemy.pool import NullPool, StaticPool

from ares_otel.server.store.driver import Cursor, Row
from ares_otel.server.store.schema import METADATA
from ares_otel.server.store.tally import CONFLICTS
from ares_otel.server.store.version import EMPTY, DatabaseError, check

__all__ = ["PostgresDatabase", "PostgresDriver", "PostgresLock"]

Link: TypeAlias = psycopg.Connection[Row]

LOCK = 0x61726573
WRITING, MIGRATING = 1, 2
LOCK_SECONDS, LOCK_PAUSE = 5.0, 0.1
CONNECT_SECONDS = 5
COPY_FROM = 8
"""Fewer rows than that cost less as one statement than the start and end of a COPY."""

CHANGES = ("INSERT", "UPDATE", "DELETE")
OURS = frozenset(table.name for table in METADATA.sorted_tables)
KINDS: dict[type[types.TypeEngine[Any]], str] = {
    types.BigInteger: "int8",
    types.SmallInteger: "int2",
    types.Integer: "int4",
    types.Double: "float8",
    types.Text: "text",
    types.LargeBinary: "bytea",
}
NUMBERS = frozenset({"int8", "int2", "int4", "float8"})


def _kinds(table: Table) -> list[str]:
    return [next(kind for base, kind in KINDS.items() if isinstance(column.type, base)) for column in table.c]


def _target(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return f"{table.name}({names})"


def _insert(table: Table) -> str:
    lists = ", ".join(f"%s::{kind}[]" for kind in _kinds(table))
    return f"INSERT INTO {_target(table)} SELECT * FROM unnest({lists}) {CONFLICTS.get(table.name, '')}"  # noqa: S608  own names


TABLES = METADATA.sorted_tables
INSERT = {table.name: _insert(table) for table in TABLES}
NUMERIC = {table.name: [kind in NUMBERS for kind in _kinds(table)] for table in TABLES}
COPY = {
    table.name: (f"COPY {_target(table)} FROM STDIN (FORMAT BINARY)", _kinds(table))
    for table in TABLES
    if table.name not in CONFLICTS
}


def _arrays(table: str, rows: Sequence[Row]) -> list[Any]:
    """Return the columns of rows as arrays; numbers as text, which costs a quarter of what a list does."""
    columns = zip(NUMERIC[table], zip(*rows, strict=True), strict=True)
    return [_literal(values) if numeric else list(values) for numeric, values in columns]


def _literal(numbers: Iterable[float | None]) -> str:
    return "{" + ",".join(["NULL" if number is None else str(number) for number in numbers]) + "}"


class _Said(NamedTuple):
    """A statement: its values, or, where it is `many`, a sequence of these."""

    query: str
    values: Sequence[Any] = ()
    many: bool = False

    def send(self, link: Link) -> Cursor:
        """Run it."""
        if self.many:
            cursor = link.cursor()
            cursor.executemany(self.query, self.values)
            return cursor
        return link.execute(self.query, self.values, binary=True) if self.values else link.execute(self.query)


class _Unasked:
    """What a change gives before it was sent: nothing."""

    rowcount = -1

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def fetchone(self) -> Any:
        """Return None."""
        return None

    def fetchall(self) -> list[Any]:
        """Return no rows."""
        return []


class PostgresDriver:
    """The connection that writes; made again when it was lost.

    Within a transaction changes wait for the next question, COPY or commit and go with it: a way to the server and back
    costs as much as storing some spans, much more where the server is another machine or a busy one. What is wrong with
    a change is said by what it went with.

    Args:
        connect: makes a connection that has the right to write.
    """

    group_bytes = 384 << 10

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._link = connect()
        self._waiting: list[_Said] = []
        self._begun = False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._begun

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""
        said = _Said(_translated(query) if values else query, values)
        if self._begun and _is_change(query):
            self._waiting.append(said)
            return _Unasked()
        return self._send(said)

    def begin(self) -> None:
        """Begin a transaction, on a new connection if the last one was lost."""
        if self._link.closed:
            self._link = self._connect()
        self._waiting = [_Said("BEGIN")]
        self._begun = True

    def commit(self) -> None:
        """End it."""
        self._send(_Said("COMMIT"))
        self._begun = False

    def rollback(self) -> None:
        """Undo it; a lost connection has undone it already, and what waited was never sent."""
        self._waiting, self._begun = [], False
        with contextlib.suppress(psycopg.OperationalError):
            self._link.execute("ROLLBACK")

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or join them with those that are there."""
        copied = COPY.get(table)
        if copied is None or len(rows) < COPY_FROM:
            if rows:
                self._change(_Said(INSERT[table], _arrays(table, rows)))
            return
        self._send()
        statement, kinds = copied
        with self._link.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(row)

    def change(self, query: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""
        values = [*rows]
        if values:
            self._change(_Said(_translated(query), values, many=True))

    def pick(self, query: str, keys: Sequence[int]) -> list[Any]:
        """Return the rows of a query for some keys."""
        return self._send(_Said(query.replace("{some}", "= ANY(%s::int8[])"), (_literal(keys),))).fetchall()

    def passing(self, error: Exception) -> bool:
        """Tell a lost connection, a full disk or a server that only reads from a request that no try can store."""
        kinds = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, DatabaseError)
        return isinstance(error, kinds)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _change(self, said: _Said) -> None:
        if self._begun:
            self._waiting.append(said)
        else:
            self._send(said)

    def _send(self, *said: _Said) -> Cursor:
        """Send what waits and then a statement, all at once; return what the last one gives."""
        waiting, self._waiting = [*self._waiting, *said], []
        cursor: Cursor = _Unasked()
        if len(waiting) == 1:
            return waiting[0].send(self._link)
        if waiting:
            with self._link.pipeline():
                for each in waiting:
                    cursor = each.send(self._link)
        return cursor


@lru_cache(256)
def _is_change(query: str) -> bool:
    return query.lstrip().startswith(CHANGES) and "RETURNING" not in query


@lru_cache(256)
def _translated(query: str) -> str:
    return query.replace("%", "%%").replace("?", "%s")


class PostgresLock:
    """The right to write belongs to the connection that writes: it ends with it, however that ends."""

    def acquire(self) -> None:
        """Leave it to the connection."""

    def release(self) -> None:
        """Leave it to the connection."""


class PostgresDatabase:
    """A database of a server."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @property
    def label(self) -> str:
        """The URL without password and options."""
        return self._url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)

    def lock(self) -> PostgresLock:
        """Return the right to write, which is taken by `open`."""
        return PostgresLock()

    def open(self) -> PostgresDriver:
        """Return the connection that writes.

        Raises:
            DatabaseError: it cannot be reached, or another server writes it.
        """
        return PostgresDriver(self._exclusive)

    def read(self) -> Engine:
        """Return where to get a connection that cannot write.

        Raises:
            DatabaseError: it cannot be reached, or this code cannot read it.
        """
        with self._connect(read_only=True) as link, self._explained():
            check(self.label, _version(link), write=False)
        return create_engine(
            "postgresql+psycopg://", creator=lambda: self._connect(read_only=True), poolclass=StaticPool
        )

    def migrate(self, scripts: Path) -> None:
        """Make or migrate the tables; all steps or none.

        Raises:
            DatabaseError: the database cannot be reached, is not ours, or is newer than this code.
        """
        with self._connect() as link, self._explained():
            behind = check(self.label, _version(link), write=True)
        if behind:
            from ares_otel.server.store.upgrade import upgrade  # noqa: PLC0415  0.4 s, once in a database's life

            engine = create_engine(self._url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
            with engine.connect() as guard, guard.begin():
                # two servers that start together must not both migrate
                guard.execute(text(f"SELECT pg_advisory_xact_lock({LOCK}, {MIGRATING})"))
                upgrade(engine, scripts)

    # --- connections -------------------------------------------------------------------------------------------

    def _connect(self, *, read_only: bool = False) -> Link:
        place = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with self._explained():
            link = psycopg.connect(place, autocommit=True, **self._settings())
            if read_only:
                link.execute("SET default_transaction_read_only = on")
            return link

    def _settings(self) -> dict[str, Any]:
        defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": "ares-otel"}
        return {key: value for key, value in defaults.items() if key not in self._url.query}

    def _exclusive(self) -> Link:
        """Return a connection that alone may write."""
        link = self._connect()
        deadline = time.monotonic() + LOCK_SECONDS
        with self._explained():
            while not _taken(link):
                if time.monotonic() > deadline:
                    link.close()
                    raise DatabaseError(f"{self.label} is served already, by another `ares-otel serve`")
                # a server that was killed has its connection for a moment longer
                time.sleep(LOCK_PAUSE)
        return link

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            said = " ".join(str(error).split())
            if self._url.password:
                said = said.replace(str(self._url.password), "***")
            raise DatabaseError(f"{self.label} cannot be used as a database: {said}") from None


def _taken(link: Link) -> bool:
    query = f"SELECT pg_try_advisory_lock({LOCK} + hashtext(current_schema()) % 1000, {WRITING})"
    found = link.execute(query).fetchone()
    return bool(found and found[0])


def _version(link: Link) -> str | None:
    """Return the revision of a database, "" for one without tables of ours, None for one of somebody else."""
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    tables = {str(row[0]) for row in link.execute(query).fetchall()}
    if "alembic_version" not in tables:
        return None if tables & OURS else EMPTY
    found = link.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found and "segment" in tables else None
