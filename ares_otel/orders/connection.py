"""A connection to an SQLite file that is never open while the process forks.

SQLite keeps the locks of a file in memory of the process. A forked child inherits that memory, but not the locks: even
a connection of its own would then work without them, and the parent's exit could take the write-ahead log away from
under it. So every connection is closed before a fork, and opened again when it is needed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

__all__ = ["Connection"]

BUSY = 0.1
FORK_WAIT = 0.2
ALL: WeakSet[Connection] = WeakSet()
ABANDONED: list[sqlite3.Connection] = []


class Connection:
    """A connection that any thread may use, one at a time.

    Attributes:
        is_open: the file was opened and not closed; a fork may have closed it in between.
        is_torn: this is a child that was forked in the middle of a call; the file must not be used here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_open = False
        self.is_torn = False
        self._lock = threading.Lock()
        self._locked = False
        self._stat: os.stat_result | None = None
        self._sqlite: sqlite3.Connection | None = None
        ALL.add(self)

    @contextlib.contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to this thread for a while.

        Raises:
            sqlite3.Error: it is closed, or cannot be opened again.
        """
        with self._lock:
            if not self.is_open:
                raise sqlite3.OperationalError("the file is not open")
            if self._sqlite is None:
                self._sqlite = self._connect()
            yield self._sqlite

    def open(self) -> None:
        """Make the directory and the file, for the user's eyes only, and connect.

        Raises:
            sqlite3.Error: it is no database, or cannot be opened.
            OSError: it cannot be made.
        """
        if self.is_torn:
            raise sqlite3.OperationalError("forked while the file was in use")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._lock:
            self._stat = self.path.stat()
            self._sqlite = self._connect()
            self.is_open = True

    def _connect(self) -> sqlite3.Connection:
        if self.has_moved():
            raise sqlite3.OperationalError("the file was moved or removed")
        connection = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # SQLite's own 2 MiB fill up over half an hour; the system has the file in memory anyway
            connection.execute("PRAGMA cache_size = -256")
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self.is_open = False
            self._drop()

    def has_moved(self) -> bool:
        """Tell whether the path no longer leads to the file that was opened."""
        try:
            return self._stat is None or not os.path.samestat(self._stat, self.path.stat())
        except FileNotFoundError:
            return True

    def _drop(self) -> None:
        connection, self._sqlite = self._sqlite, None
        if connection is not None:
            connection.close()

    def before_fork(self) -> None:
        """Wait a moment for a call to end and close the connection."""
        self._locked = self._lock.acquire(timeout=FORK_WAIT)
        if self._locked:
            with contextlib.suppress(sqlite3.Error):
                self._drop()

    def after_fork_in_parent(self) -> None:
        """Let others go on."""
        if self._locked:
            self._locked = False
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Leave alone what could not be closed: closing it here would end what the parent is doing."""
        self._lock = threading.Lock()
        self.is_open = self._locked = False
        if self._sqlite is not None:
            ABANDONED.append(self._sqlite)
            self._sqlite, self.is_torn = None, True


def _before_fork() -> None:
    for connection in list(ALL):
        connection.before_fork()


def _after_fork_in_parent() -> None:
    for connection in list(ALL):
        connection.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for connection in list(ALL):
        connection.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # there is no fork where it is missing
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
