"""Updates of orders that came after the accounts had gone by their time: remembered with the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ares_otel.server.store.driver import Connection
from ares_otel.server.store.schema import order_update

__all__ = ["CURSOR", "LATE", "READ", "WRITE", "note_late", "read_late"]

CURSOR, LATE = "accounts.cursor", "accounts.late"
QUANTITY, FEE, DUPLICATE = map(order_update.c.keys().index, ("fill_quantity", "fee", "duplicate"))
LATE_LIMIT: Final = 10_000
READ = "SELECT data FROM checkpoint WHERE kind = ?"
WRITE = "INSERT INTO checkpoint(kind, data) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET data = excluded.data"


def note_late(db: Connection, updates: Sequence[Sequence[Any]]) -> None:
    """Remember, in the transaction that adds them, rows of updates that accounts have gone by already."""
    if not updates:
        return
    found = db.execute(READ, (CURSOR,)).fetchone()
    passed = 0 if found is None else int(bytes(found[0]))
    late = [row[0] for row in updates if row[0] <= passed and (row[QUANTITY] or row[FEE]) and not row[DUPLICATE]]
    if late:
        db.execute(WRITE, (LATE, msgspec.json.encode([*read_late(db), *late][-LATE_LIMIT:])))


def read_late(db: Connection) -> list[int]:
    """Return the row ids of what came late and is not in the accounts yet."""
    found = db.execute(READ, (LATE,)).fetchone()
    return [] if found is None else msgspec.json.decode(bytes(found[0]), type=list[int])
