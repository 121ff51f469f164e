"""The ledger's file, and what happens when it fails: the ledger goes on in memory, complains once, and tries again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ares_otel.guard import GUARD
from ares_otel.orders.disk import Disk, Row, is_corrupt
from ares_otel.orders.presence import Presence

__all__ = ["Keeper"]

WHERE = "orders.file"
RETRY = 5.0
REPAIRS = 3
NEVER = float("inf")
T = TypeVar("T")


class Keeper:
    """A file that never raises.

    Attributes:
        generation: counts the times the file was opened; after each, nothing of the ledger can be taken to be in it.
    """

    def __init__(self, path: Path, process: str, *, limit: int, days: float) -> None:
        self.generation = 0
        self._process = process
        self._disk = Disk(path, limit=limit, days=days)
        self._presence = Presence(path, process)
        self._next = 0.0
        self._repairs = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a file to work with."""
        return self._disk.connection.is_open

    @property
    def rows(self) -> int:
        """How many orders are in the file."""
        return self._disk.rows

    def ready(self) -> bool:
        """Open the file unless it is open; tell whether it is."""
        if self.is_open and self._guarded(self._disk.connection.has_moved, default=False):
            GUARD.complain(WHERE, "moved", f"{self._disk.path} was moved or removed; a new one is begun")
            self._guarded(self._disk.connection.close, default=None)
            self._next = 0.0
        for _ in range(2):  # a damaged file makes way for a new one
            if not self.is_open and time.monotonic() >= self._next:
                self._next = time.monotonic() + RETRY
                self._guarded(self._open, default=None)
        return self.is_open

    def _open(self) -> None:
        self._disk.open()
        self.generation += 1
        self._presence.take()

    def find(self, client_id: str) -> Row | None:
        """Return an order, None when it is unknown or cannot be read."""
        return self._guarded(lambda: self._disk.find(client_id), default=None) if self.is_open else None

    def changed(self) -> list[Row]:
        """Return what other processes have written since the last look."""
        return self._guarded(self._disk.changed, default=[]) if self.is_open else []

    def orphans(self) -> list[Row]:
        """Return the open orders whose owner has ended, or is this process."""
        rows: list[Row] = self._guarded(self._disk.open_orders, default=[]) if self.is_open else []
        gone = {owner: self._has_ended(owner) for owner in {row.owner for row in rows}}
        return [row for row in rows if gone[row.owner]]

    def unknown(self, limit: int) -> list[Row]:
        """Return the newest orders that were reported but never sent."""
        return self._guarded(lambda: self._disk.unknown(limit), default=[]) if self.is_open else []

    def _has_ended(self, owner: str) -> bool:
        return owner == self._process or self._guarded(lambda: self._presence.has_ended(owner), default=False)

    def commit(self, merge: Callable[[list[Row]], Sequence[Row]], sent: Sequence[str]) -> bool:
        """Write what `merge` returns in one transaction, as `Disk.commit`; tell whether it is written."""
        return self.is_open and self._guarded(lambda: self._commit(merge, sent), default=False)

    def _commit(self, merge: Callable[[list[Row]], Sequence[Row]], sent: Sequence[str]) -> bool:
        self._disk.commit(merge, sent)
        return True

    def be_patient(self) -> None:
        """Wait longer for other processes, for a last commit."""
        if self.is_open:
            self._guarded(self._disk.be_patient, default=None)

    def close(self) -> None:
        """Close the file."""
        self._guarded(self._disk.connection.close, default=None)
        self._guarded(self._presence.release, default=None)

    def after_fork(self, process: str) -> None:
        """Begin anew in a forked child."""
        torn = self._disk.connection.is_torn
        self._process, self._next = process, NEVER if torn else 0.0
        if torn:
            GUARD.complain(WHERE, "fork", "forked while the file was in use; this child keeps its orders in memory")
        self._disk = Disk(self._disk.path, limit=self._disk.limit, days=self._disk.days)
        self._presence.abandon()
        self._presence = Presence(self._disk.path, process)

    def _guarded(self, function: Callable[[], T], default: T) -> T:
        try:
            return function()
        except (sqlite3.Error, OSError) as error:
            self._trouble(error)
        except ValueError as error:
            GUARD.failed(WHERE, error)
        return default

    def _trouble(self, error: Exception) -> None:
        if is_corrupt(error):
            self._guarded(self._repair, default=None)
        else:
            message = f"{self._disk.path}: {error}; orders are kept in memory until it can be written again"
            GUARD.complain(WHERE, type(error).__name__, message)

    def _repair(self) -> None:
        """Make way for a new file, unless another process has done so already."""
        moved = self._disk.connection.has_moved()
        self._disk.connection.close()
        self._repairs += 1
        if self._repairs > REPAIRS:
            GUARD.complain(WHERE, "corrupt again", f"{self._disk.path} is damaged again; orders are kept in memory")
            self._next = NEVER
            return
        self._next = 0.0
        if not moved:
            aside = self._disk.move_aside()
            GUARD.complain(
                WHERE, "corrupt", f"{self._disk.path} is damaged; it was moved to {aside}, a new one is begun"
            )
