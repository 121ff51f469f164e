"""Fills and funding that came after the accounts had gone by their time: remembered with the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ares_otel.server.store.driver import Connection
from ares_otel.server.store.schema import funding, order_update

__all__ = ["CURSOR", "LATE", "READ", "WRITE", "note_late", "read_late"]

CURSOR = "accounts.cursor"
LATE: Final = {"order_update": "accounts.late", "funding": "accounts.late_funding"}
"""Where the row ids of a table are remembered."""
QUANTITY, FEE, DUPLICATE = map(order_update.c.keys().index, ("fill_quantity", "fee", "duplicate"))
AMOUNT = funding.c.keys().index("amount")
LATE_LIMIT: Final = 10_000
READ = "SELECT data FROM checkpoint WHERE kind = ?"
WRITE = "INSERT INTO checkpoint(kind, data) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET data = excluded.data"


def note_late(db: Connection, rows: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Remember, in the transaction that adds them, rows of fills and funding that accounts have gone by already."""
    updates, paid = rows.get("order_update", ()), rows.get("funding", ())
    if not updates and not paid:
        return
    found = db.execute(READ, (CURSOR,)).fetchone()
    passed = 0 if found is None else int(bytes(found[0]))
    _note(db, "funding", [row[0] for row in paid if row[0] <= passed and row[AMOUNT]])
    moved = (row for row in updates if (row[QUANTITY] or row[FEE]) and not row[DUPLICATE])
    _note(db, "order_update", [row[0] for row in moved if row[0] <= passed])


def _note(db: Connection, table: str, late: Sequence[int]) -> None:
    if late:
        db.execute(WRITE, (LATE[table], msgspec.json.encode([*read_late(db, table), *late][-LATE_LIMIT:])))


def read_late(db: Connection, table: str) -> list[int]:
    """Return the row ids of a table that came late and are not in the accounts yet."""
    found = db.execute(READ, (LATE[table],)).fetchone()
    return [] if found is None else msgspec.json.decode(bytes(found[0]), type=list[int])
