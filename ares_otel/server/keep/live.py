"""What belongs to orders that are still open, or were until lately, and is therefore not taken apart by pruning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ares_otel.orders.states import DONE
from ares_otel.server.keep.notes import Connection, numbers, rows
from ares_otel.server.store.ids import lookup_key, trace_key

__all__ = ["Live"]

SLICE: Final = 500
SEGMENTS: Final = "SELECT segment, pack FROM lookup JOIN segment ON segment.id = segment WHERE key IN ({})"
MOST: Final = 100_000
"""Orders remembered at once; of more open ones those that began last are kept."""


class Live:
    """Looks through all orders, a slice at a time.

    Args:
        db: connection to read from.
        cutoff: Unix ns before which rows of decisions and orders go; 0: they stay for ever.
        lost: Unix ns: an open order that was last heard of before counts as lost; 0: never.

    Attributes:
        orders: row ids of orders that began before the cutoff and are open, or ended after it.
        decisions: row ids of their decisions.
        traces: look-up keys of the traces of orders that are open.
    """

    def __init__(self, db: Connection, cutoff: int, lost: int) -> None:
        self.orders: dict[int, None] = {}
        self.decisions: dict[int, None] = {}
        self.traces: dict[int, None] = {}
        self._db = db
        self._cutoff = cutoff
        self._lost = lost
        self._done = {int(row[0]) for row in rows(db, f"SELECT id FROM name WHERE {_named()}")}  # noqa: S608  own words

    def steps(self) -> Iterator[None]:
        """Yield after each slice."""
        last = -1
        while found := rows(
            self._db,
            "SELECT id, decision, trace, status, updated FROM orders "  # noqa: S608  a number
            f"WHERE id > {last} ORDER BY id LIMIT {SLICE}",
        ):
            for row, decision, trace, status, updated in found:
                self._look(int(row), decision, bytes(trace), status, max(int(row), int(updated or 0)))
            last = int(found[-1][0])
            yield

    def segments(self) -> Iterator[set[int]]:
        """Yield the segments in which spans of open orders' traces are, and their packs, some at a time."""
        keys = list(self.traces)
        for at in range(0, len(keys), SLICE):
            some = numbers(keys[at : at + SLICE])
            found = rows(self._db, SEGMENTS.format(some))
            yield {int(own) for row in found for own in row if own is not None}

    def _look(self, row: int, decision: int | None, trace: bytes, status: int | None, heard: int) -> None:
        is_open = status not in self._done and heard >= self._lost
        if is_open:
            _add(self.traces, lookup_key(trace_key(trace)))
        began = row if decision is None else min(row, int(decision))
        if began < self._cutoff and (is_open or heard >= self._cutoff):
            _add(self.orders, row)
            if decision is not None:
                _add(self.decisions, int(decision))


def _named() -> str:
    return f"kind = 'status' AND value IN ({', '.join(repr(str(word)) for word in sorted(DONE))})"


def _add(kept: dict[int, None], number: int) -> None:
    kept[number] = None
    if len(kept) > MOST:
        del kept[next(iter(kept))]
