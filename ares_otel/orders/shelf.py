"""Where the ledger keeps its orders: memory first, then a file that several processes of one service share.

The file is written behind, in one transaction for each drain of the worker; what is not written yet is lost by
`kill -9`, nothing else. What other processes have written is read before a drain and again inside the transaction, and
the drain's own submissions and reports are then applied to it anew, so that no process overwrites what another counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ares_otel.guard import GUARD
from ares_otel.orders.gauges import Gauges
from ares_otel.orders.known import Known, decode, encode
from ares_otel.orders.memory import Memory
from ares_otel.orders.report import Report, Submission, report, submit

if TYPE_CHECKING:
    from ares_otel.orders.disk import Row
    from ares_otel.orders.keeper import Keeper

__all__ = ["Shelf", "Step"]

WHERE = "orders.ledger"
ENDED = 1_000
STEPS = 1_000
UNKNOWN = 2
Step = Submission | Report


class Shelf:
    """Orders by client id; used by one thread at a time.

    Attributes:
        process: unique id of this process.
        gauges: shows the open orders of this process.
    """

    def __init__(self, path: Path | None, process: str, *, limit: int, days: float) -> None:
        self.process = process
        self.gauges = Gauges()
        self._path, self._limit, self._days = path, limit, days
        self._memory = Memory()
        self._changes: dict[str, list[Step]] = {}
        self._keeper: Keeper | None = None
        self._generation = 0
        self._began = False

    def __len__(self) -> int:
        keeper = self._keeper
        return max(len(self._memory), keeper.rows if keeper is not None else 0)

    def begin(self) -> None:
        """Look, once for each drain, at what has happened to the file."""
        if self._began or self._path is None:
            return
        self._began = True
        if self._keeper is None:
            from ares_otel.orders.keeper import Keeper  # noqa: PLC0415  # SQLite is loaded where there is a file

            self._keeper = Keeper(self._path, self.process, limit=self._limit, days=self._days)
        self._catch_up(self._keeper)

    def at_hand(self, client_id: str) -> Known | None:
        """Return an order that is in memory."""
        return self._memory.get(client_id)

    def find(self, client_id: str) -> Known | None:
        """Return an order from memory or from the file."""
        known = self._memory.get(client_id)
        if known is not None or self._keeper is None:
            return known
        row = self._keeper.find(client_id)
        return self._read(row) if row is not None else None

    def change(self, client_id: str, known: Known, step: Step) -> None:
        """Keep an order as a submission or a report has left it."""
        self._put(client_id, known)
        if self._keeper is not None:
            # moved to the end: the file's order is that of the last changes, as in memory
            steps = self._changes.pop(client_id, [])
            steps.append(step)
            del steps[:-STEPS]
            self._changes[client_id] = steps
        if len(self._memory) > self._limit:
            self._trim(self._limit)

    def commit(self) -> bool:
        """End a drain: write what has changed; return whether the file, if there is one, holds all."""
        self.begin()
        self._began = False
        written = self._keeper is None or not self._changes or self._write(self._keeper)
        if written:
            self._changes.clear()
        self._trim(ENDED if written and self._keeper is not None else self._limit)
        return written

    def close(self) -> bool:
        """Commit with more patience and close the file; what comes later stays in memory."""
        self.begin()
        if self._keeper is not None:
            self._keeper.be_patient()
        written = self.commit()
        if self._keeper is not None:
            self._keeper.close()
        self._keeper = self._path = None
        return written

    def after_fork(self, process: str) -> None:
        """Begin anew in a forked child: the parent writes what the parent knows."""
        self.process = process
        self.gauges = Gauges()
        self._changes = {}
        self._began = False
        if self._keeper is not None:
            self._keeper.after_fork(process)
            # the parent may have been forked in the middle of a change
            self._memory = Memory()

    # --- the file ----------------------------------------------------------------------------------------------

    def _catch_up(self, keeper: Keeper) -> None:
        if not keeper.ready():
            return
        if keeper.generation != self._generation:
            self._generation = keeper.generation
            self._compare(keeper)
            self._adopt(keeper.orphans())
            self._refresh(keeper.unknown(ENDED))
        self._refresh(keeper.changed())

    def _compare(self, keeper: Keeper) -> None:
        """Bring memory and a file that was just opened together: what is in memory may be in it, or not."""
        for client_id in list(self._memory):
            self._changes.setdefault(client_id, [])
            known, row = self._memory.get(client_id), keeper.find(client_id)
            if known is not None and row is not None:
                newer = row.touched > known.touched
                self._refresh([row] if newer or known.order is None or row.rank == UNKNOWN else [])

    def _adopt(self, rows: Iterable[Row]) -> None:
        """Take over open orders whose process has ended."""
        for row in rows:
            known = self._read(row) if row.client_id not in self._memory else None
            if known is not None:
                self._put(row.client_id, msgspec.structs.replace(known, owner=self.process))
                self._changes.setdefault(row.client_id, [])

    def _refresh(self, rows: Iterable[Row]) -> None:
        """Take over what other processes have written, with what this one has not written yet on top.

        What was reported of an order that nobody has sent is taken over too: it may be sent here yet.
        """
        for row in rows:
            steps, mine = self._changes.get(row.client_id), self._memory.get(row.client_id)
            wanted = mine is not None or row.rank == UNKNOWN
            known = self._read(row) if wanted else None
            if known is None:
                continue
            for step in steps or ():
                known = submit(known, step) if isinstance(step, Submission) else report(known, step)[0]
            if known.order is not None or mine is None or mine.order is None:
                self._put(row.client_id, known)

    def _read(self, row: Row) -> Known | None:
        with GUARD.shield(WHERE):
            return decode(row.facts, row.owner, self.process)
        return None

    def _write(self, keeper: Keeper) -> bool:
        for _ in range(2):
            if keeper.commit(self._merge, self._sent()):
                return True
            if keeper.is_open:
                return False
            # the file was damaged and is out of the way: a new one gets all that is in memory
            self._catch_up(keeper)
        return False

    def _sent(self) -> list[str]:
        """Return the orders sent since the last commit whose ids a file can hold."""
        changes = self._changes.items()
        return [name for name, steps in changes if _is_text(name) and any(type(step) is Submission for step in steps)]

    def _merge(self, rows: list[Row]) -> Sequence[Row]:
        from ares_otel.orders.disk import Row  # noqa: PLC0415  # SQLite is loaded where there is a file

        self._refresh(rows)
        written = []
        for client_id, known in self._memory.some(self._changes):
            rank = UNKNOWN if known.order is None else int(known.done)
            try:
                client_id.encode()
                written.append(Row(client_id, rank, known.owner, known.touched, encode(known)))
            except ValueError as error:
                GUARD.failed(WHERE, error)
        return written

    # --- memory ------------------------------------------------------------------------------------------------

    def _put(self, client_id: str, known: Known) -> None:
        self._memory.put(client_id, known)
        self.gauges.show(client_id, known, self.process)

    def _trim(self, ended: int) -> None:
        for client_id, was_open in self._memory.trim(self._limit, ended):
            self._changes.pop(client_id, None)
            if was_open:
                self.gauges.hide(client_id)
                GUARD.complain(WHERE, "limit", f"more than {self._limit} open orders; the oldest are forgotten")


def _is_text(client_id: str) -> bool:
    try:
        client_id.encode()
    except UnicodeEncodeError:
        return False
    return True
