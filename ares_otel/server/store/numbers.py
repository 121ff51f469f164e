"""Small numbers for what repeats, and row ids that are free: the store's memory of its own tables."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any, TypeVar

from ares_otel.server.store.ahead import Ahead
from ares_otel.server.store.driver import Connection
from ares_otel.server.store.ids import TEXT_LIMIT, bounded
from ares_otel.server.store.voting import Voting

__all__ = ["Numbers"]

K = TypeVar("K")

CACHE_LIMIT = 50_000
RESOURCE_LIMIT = 4_096
TIMED = (
    *("decision", "orders", "order_update", "outcome", "equity", "position", "mark", "breach"),
    *("model", "importance", "behavior", "log", "funding"),
    *("drift_check", "drift_episode", "drift_card", "drift_window"),
)
FIND_NAME = "SELECT id FROM name WHERE kind = ? AND value = ?"
NEW_NAME = "INSERT INTO name(kind, value) VALUES (?, ?) RETURNING id"
FIND_RESOURCE = "SELECT id FROM resource WHERE digest = ?"
NEW_RESOURCE = "INSERT INTO resource(digest, data) VALUES (?, ?) RETURNING id"


class Numbers:
    """Numbers of names and resources, and free row ids, within transactions of one connection.

    What is remembered may come from a transaction that did not end well: `forget` after a rollback, `settle` after a
    commit.

    Attributes:
        votes: what the bytes of votes say, in numbers of names.
    """

    def __init__(self, db: Connection) -> None:
        self.votes = Voting()
        self._db = db
        self._names: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._resources: dict[bytes, int] = {}
        self._used: dict[str, set[int]] = {table: set() for table in TIMED}
        self._newest = {table: self.greatest(table) for table in TIMED}
        self._ahead = {table: Ahead(db, table) for table in TIMED}
        self._ahead["orders"] = Ahead(db, "orders", "id, client_id, trace")

    def greatest(self, table: str) -> int:
        """Return the greatest row id of a table, 0 for an empty one."""
        return int(self._db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])  # noqa: S608  own name

    def name(self, kind: str, value: str | None) -> int | None:
        """Return the number of a text that repeats; None for None."""
        if value is None:
            return None
        try:
            return self._names[kind][value]
        except KeyError:
            known = self._find(FIND_NAME, (kind, bounded(value))) or self._insert(NEW_NAME, kind, bounded(value))
            if len(value) <= TEXT_LIMIT:
                _remember(self._names[kind], value, known)
            return known

    def resource(self, data: bytes) -> int:
        """Return the number of a resource."""
        known = self._resources.get(data)
        if known is None:
            digest = hashlib.blake2b(data, digest_size=16).digest()
            known = self._find(FIND_RESOURCE, (digest,)) or self._insert(NEW_RESOURCE, digest, data)
            if len(data) <= RESOURCE_LIMIT:
                _remember(self._resources, data, known)
        return known

    def free(self, table: str, base: int) -> int:
        """Return the first free row id from `base` on, and take it."""
        used, newest = self._used[table], self._newest[table]
        ahead = self._ahead[table]
        while base in used or (base <= newest and ahead.between(base, base)):
            base += 1
        used.add(base)
        return base

    def orders_between(self, low: int, high: int) -> list[tuple[Any, ...]]:
        """Return row id, client order id and trace of the orders that are stored in a range of row ids."""
        return self._ahead["orders"].between(low, high)

    def orders_moved(self) -> None:
        """Hear that the row id of an order has changed."""
        self._ahead["orders"].forget()

    def forget(self) -> None:
        """Forget what a transaction that was rolled back has told."""
        self.votes.forget()
        self._names.clear()
        self._resources.clear()
        for used in self._used.values():
            used.clear()
        self._end()

    def settle(self) -> None:
        """Keep what a transaction that was committed has told."""
        for table, used in self._used.items():
            if used:
                self._newest[table] = max(self._newest[table], *used)
                used.clear()
        self._end()

    def _end(self) -> None:
        for ahead in self._ahead.values():
            ahead.forget()

    def _find(self, select: str, key: tuple[str | bytes, ...]) -> int | None:
        found = self._db.execute(select, key).fetchone()
        return int(found[0]) if found else None

    def _insert(self, insert: str, *values: str | bytes) -> int:
        return int(self._db.execute(insert, values).fetchone()[0])


def _remember(cache: dict[K, int], key: K, number: int) -> None:
    if len(cache) >= CACHE_LIMIT:
        cache.clear()
    cache[key] = number
