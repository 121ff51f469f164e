"""Which look-up keys cannot be stored yet: what is newer than all that is there need not be asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ares_otel.server.store.driver import Connection

__all__ = ["Fresh"]

MILLISECOND = 1_000_000
AHEAD = 3_600_000
"""How far clocks of bots may be ahead, in keys, which are milliseconds in ids that begin with the time."""

REMEMBERED = 65_536
GREATEST = "SELECT coalesce(max(key), 0) FROM lookup WHERE key <= ?"


class Fresh:
    """Knows the greatest key that is a time, and the keys that were stored since it was looked up.

    A key above it that is not among these is in no row. A key that is no time of by now, as most of foreign ids are,
    can always be in one.

    Args:
        db: the connection that writes; no other adds keys as long as it lasts.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._since: set[int] = set()
        self._greatest, self._latest = 0, -1

    def stored(self, keys: Iterable[int]) -> None:
        """Hear of the keys of rows, whether their transaction ends well or not."""
        self._since.update(keys)

    def forget(self) -> None:
        """Hear that the connection may have been another's meanwhile."""
        self._latest = -1

    def known(self, keys: Iterable[int]) -> list[int]:
        """Return the keys that can be in a row; asked at the beginning of a transaction."""
        now = time.time_ns() // MILLISECOND
        if self._latest < now + AHEAD // 2 or len(self._since) > REMEMBERED:
            self._latest = now + AHEAD
            self._greatest = int(self._db.execute(GREATEST, (self._latest,)).fetchone()[0])
            self._since.clear()
        greatest, latest, since = self._greatest, self._latest, self._since
        return [key for key in keys if key in since or not greatest < key <= latest]
