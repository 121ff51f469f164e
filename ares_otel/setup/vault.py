"""A small file of one process: what its accounts are, over restarts."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ares_otel.guard import GUARD

try:
    import fcntl
except ImportError:  # pragma: no cover  # no such locks there: whoever comes writes
    fcntl = None  # type: ignore[assignment]

__all__ = ["Vault"]

WHERE = "accounts.file"
NEW = 0o600


class Vault:
    """A file that is replaced whole, and that one process at a time may use.

    Nothing raises: what goes wrong is counted and logged by the guard.

    Args:
        path: the file; a lock lies beside it.
        where: place in the telemetry, for the guard.
        what: what is kept there, for its messages.
    """

    def __init__(self, path: Path, where: str = WHERE, what: str = "accounts") -> None:
        self.path = path
        self._where = where
        self._what = what
        self._held: int | None = None

    def open(self) -> bool:
        """Take the file for this process; tell whether it is ours."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            held = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, NEW)
        except OSError as error:
            self._complain(error)
            return False
        try:
            if fcntl is not None:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            return False
        self._held = held
        return True

    def load(self) -> bytes | None:
        """Return what was saved last, None if nothing was.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        """Replace what is saved; a reader, or the next start, finds the old content or the new one, whole."""
        if self._held is None:
            return
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            beside.write_bytes(data)
            beside.replace(self.path)
        except OSError as error:
            self._complain(error)

    def move_aside(self) -> None:
        """Make way for a new file and keep what cannot be used."""
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns()}")
        try:
            self.path.replace(aside)
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Let others have the file; in a forked child the parent keeps it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _complain(self, error: OSError) -> None:
        message = f"{self.path}: {error}; {self._what} will not survive a restart"
        GUARD.complain(self._where, type(error).__name__, message)
