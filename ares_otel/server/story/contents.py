"""What is in segments, wherever it is: in a frame of their own or in a pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.frames import Unpacker

__all__ = ["CONTENT", "Contents"]

CONTENT: Final = (t.segment.c.data, t.segment.c.pack, t.segment.c.start, t.segment.c.size)
"""Columns that tell where the content of a segment is."""

PACKS: Final = select(t.pack.c.id, t.pack.c.data).where(t.pack.c.id.in_(bindparam("ids", expanding=True)))
DATA: Final = select(t.dictionary.c.data).where(t.dictionary.c.id == bindparam("number"))


class Contents:
    """Reads contents.

    Args:
        db: connection to read from.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._unpacker = Unpacker(self._dictionary)

    def of(self, rows: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        """Yield the content of each row, which ends in `CONTENT`; empty where it was pruned meanwhile."""
        return self._unpacker.contents([row[-len(CONTENT) :] for row in rows], self._packs)

    def _packs(self, numbers: Sequence[int]) -> Iterable[tuple[int, bytes]]:
        return self._db.execute(PACKS, {"ids": numbers}).all()

    def _dictionary(self, number: int) -> bytes | None:
        found = self._db.execute(DATA, {"number": number}).scalar()
        return None if found is None else bytes(found)
