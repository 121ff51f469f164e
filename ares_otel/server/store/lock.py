"""One server writes a database: a lock on a file beside it, which ends with its process however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from ares_otel.server.store.version import DatabaseError

__all__ = ["DatabaseLock"]


class DatabaseLock:
    """Exclusive right to write a database; the file `<database>.lock` says which process has it."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: BinaryIO | None = None

    def acquire(self) -> None:
        """Take the right.

        Raises:
            DatabaseError: another server has it, or the file cannot be made.
        """
        path = self._database.with_name(self._database.name + ".lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise DatabaseError(f"{path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
            file.close()
            raise DatabaseError(f"{self._database} is served already, by process {holder}") from error
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the right back."""
        if self._file is not None:
            self._file.close()
            self._file = None
