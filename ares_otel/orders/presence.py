"""Which processes that share a ledger still run: each holds a lock on a file of its own, and the lock ends with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover  # no such locks there: every other process counts as ended
    fcntl = None  # type: ignore[assignment]

__all__ = ["Presence"]

SUFFIX = ".alive"


class Presence:
    """The sign of life of a process beside a ledger's file."""

    def __init__(self, ledger: Path, process: str) -> None:
        self._ledger = ledger
        self._process = process
        self._held: int | None = None

    def take(self) -> None:
        """Show that this process runs.

        Raises:
            OSError: the file cannot be made, or the process id is taken by another process.
        """
        if self._held is None:
            self._clean()
            self._held = self._lock(self._place(self._process))

    def release(self) -> None:
        """Show no longer that this process runs."""
        if self._held is not None:
            self._place(self._process).unlink(missing_ok=True)
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file only; in a forked child the parent keeps its lock."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def has_ended(self, process: str) -> bool:
        """Tell whether another process that used the ledger no longer runs."""
        return self._remove_if_free(self._place(process))

    def _place(self, process: str) -> Path:
        name = blake2b(process.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return self._ledger.with_name(f"{self._ledger.name}.{name}{SUFFIX}")

    def _clean(self) -> None:
        for place in self._ledger.parent.glob(f"{self._ledger.name}.*{SUFFIX}"):
            with contextlib.suppress(OSError):
                self._remove_if_free(place)

    def _lock(self, place: Path) -> int:
        while True:
            held = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(held)
                if _is_at(held, place):
                    return held
            except OSError:
                os.close(held)
                raise
            # somebody took it for one of a dead process in the moment before it was locked
            os.close(held)

    def _remove_if_free(self, place: Path) -> bool:
        with contextlib.suppress(FileNotFoundError), _opened(place) as found:
            try:
                _lock(found)
            except BlockingIOError:
                return False
            place.unlink(missing_ok=True)
        return True


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[int]:
    found = os.open(place, os.O_RDWR)
    try:
        yield found
    finally:
        os.close(found)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False
