"""Prunes what is older than `server.retention` says, in steps of at most 500 rows between the writer's commits.

How old a row is, is counted from a reference that no wrong clock can move far: never later than the clock, never later
than the newest row of the same kind, and never more than a day further than at the run before, an hour ago or longer.
So a clock that jumps by years costs a day's worth of rows an hour, and what stopped growing is not pruned to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ares_otel.config import Retention
from ares_otel.guard import GUARD
from ares_otel.server.keep import standing
from ares_otel.server.keep.groups import DAY, GROUPS, HOUR, Group, Kept, tables
from ares_otel.server.keep.live import Live
from ares_otel.server.keep.notes import Connection, identifiers, note, numbers, remember, rows
from ares_otel.server.keep.standing import Observed, Standing
from ares_otel.server.store.store import Store
from ares_otel.server.store.told import TOLD, Told
from ares_otel.server.story.remains import KEPT_SINCE

__all__ = ["REFERENCE", "STEP_ROWS", "Pruner"]

STEP_ROWS: Final = 500
READ_ROWS: Final = 2_000
"""Most rows read in one step of a walk through a table that has no index by time."""

FIRST_RUN: Final = 60.0
BETWEEN_RUNS: Final = 3_600.0
SHORTEST_PAUSE: Final = 0.005
SHARE: Final = 9.0
"""Pruning takes at most a tenth of the writer's time: after each step it rests for so many times the step."""

REFERENCE: Final = "retention.reference"
"""Note: Unix ns from which ages were counted by the last run."""

WALKED: Final = "retention.walked."
"""Note by table: the key up to which a walk has come, so that a restart goes on there."""

REAL_TIME: Final = 7 * DAY
"""Market time further from the wall clock than this is that of a replay: its rows have no age, and stay."""

SILENT: Final = f"SELECT key, value FROM meta WHERE substr(key, 1, ?) = ? AND key > ? ORDER BY key LIMIT {STEP_ROWS}"  # noqa: S608

NEWEST: Final[dict[Group, tuple[tuple[str, int], ...]]] = {
    "spans": (("segment", 1_000),),
    "decisions": (("decision", 1), ("orders", 1)),
    "outcomes": (("outcome", 1),),
    "equity": (("equity", 1), ("position", 1), ("decision", 1)),
    "rollups": (("decision", 1),),
    "logs": (("log", 1),),
}
"""Tables whose newest row justifies the pruning of a group, with the nanoseconds of one step of their ids."""


class Pruner:
    """A chore of the writer: one run an hour, each in many steps.

    Args:
        settings: days to keep, by group.
        now: the wall clock in Unix ns.
        first: seconds until the first run.
        observed: hears of the seconds of each step.

    Attributes:
        pruned: rows deleted since the start, by table.
        last: the last run that came to its end, since the start.
        failures: runs that failed since the start.
    """

    def __init__(
        self,
        settings: Retention,
        now: Callable[[], int] = time.time_ns,
        first: float = FIRST_RUN,
        observed: Observed | None = None,
    ) -> None:
        self.pruned: dict[str, int] = {}
        self.last = Standing()
        self.failures = 0
        self._observed = observed
        self._begun = 0.0
        self._before = 0
        self._days: Mapping[Group, int] = {group: int(getattr(settings, group)) for group in GROUPS}
        self._open_days = settings.open_orders
        self._now = now
        self._first = first
        self._steps: Iterator[None] | None = None
        self._started = False

    def __call__(self, store: Store) -> float:
        """Do one step; return the seconds until the next."""
        if not self._started:
            self._started = True
            return self._first
        if not any(self._days.values()):
            return BETWEEN_RUNS
        begun = time.perf_counter()
        try:
            with store.transaction() as db:
                last = self._step(db)
        except Exception as error:
            self._failed(store, error)
            raise
        seconds = time.perf_counter() - begun
        if self._observed is not None:
            self._observed.observe(seconds)
        if last is not None:
            self.last = last
            return BETWEEN_RUNS
        return max(SHORTEST_PAUSE, SHARE * seconds)

    @property
    def by_group(self) -> dict[tuple[str, ...], float]:
        """Rows deleted since the start, by group of the settings."""
        return {
            (group,): float(sum(self.pruned.get(kept.table, 0) for kept in tables(group)))
            for group in GROUPS
            if self._days[group]
        }

    def _step(self, db: Connection) -> Standing | None:
        """Do one step; at the end of the run note that, and return it."""
        if self._steps is None:
            self._begun, self._before = time.perf_counter(), sum(self.pruned.values())
            self._steps = self._run(db)
        if next(self._steps, self) is not self:
            return None
        self._steps = None
        known = standing.read(db, "retention")
        ended = Standing(
            ended=self._now(),
            seconds=time.perf_counter() - self._begun,
            amount=sum(self.pruned.values()) - self._before,
            failures=known.failures,
        )
        standing.write(db, "retention", ended)
        return ended

    def _failed(self, store: Store, error: Exception) -> None:
        """Begin anew the next time; note the failure, if the store takes it."""
        self._steps = None
        self.failures += 1
        with GUARD.shield("retention note"), store.transaction() as db:
            standing.write(db, "retention", standing.failed(standing.read(db, "retention"), self._now(), error))

    def _run(self, db: Connection) -> Iterator[None]:
        reference = self._reference(db)
        cutoffs = {group: self._cutoff(db, group, reference) for group in GROUPS}
        lost = reference - self._open_days * DAY if self._open_days else 0
        live = Live(db, cutoffs["decisions"], lost)
        yield from live.steps()
        held: set[int] = set()
        for some in live.segments() if cutoffs["spans"] else ():
            held |= {segment for segment in some if segment * 1_000 < cutoffs["spans"]}
            yield
        for group, cutoff in cutoffs.items():
            for kept in tables(group) if cutoff else ():
                yield from self._prune(db, kept, cutoff, _held(kept, live, held))
        yield from self._silent(db, cutoffs["spans"])

    def _silent(self, db: Connection, cutoff: int) -> Iterator[None]:
        """Forget what processes said that have said nothing for as long as spans are kept."""
        last = ""
        while found := db.execute(SILENT, (len(TOLD), TOLD, last)).fetchall():
            for key, value in found:
                if Told.read(value).time < cutoff:
                    remember(db, key, None)
            last = found[-1][0]
            yield

    # --- how old is old ----------------------------------------------------------------------------------------

    def _reference(self, db: Connection) -> int:
        before = int(note(db, REFERENCE) or 0)
        limit = before + DAY if before else max(self._newest(db, group) for group in GROUPS)
        reference = min(self._now(), limit)
        if reference:
            remember(db, REFERENCE, str(reference))
        return reference

    def _cutoff(self, db: Connection, group: Group, reference: int) -> int:
        """Return the Unix ns before which rows of a group go, 0 for none; at a full hour, so that roll-ups fit."""
        days = self._days[group]
        newest = self._newest(db, group) if days else 0
        justified = min(reference, newest) - days * DAY
        return justified // HOUR * HOUR if newest and justified > 0 else 0

    def _newest(self, db: Connection, group: Group) -> int:
        present = {kept.table for each in GROUPS for kept in tables(each)}
        found = [
            int(rows(db, f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]) * unit  # noqa: S608  own names
            for table, unit in NEWEST[group]
            if table in present
        ]
        return max(found, default=0)

    # --- one table ---------------------------------------------------------------------------------------------

    def _prune(self, db: Connection, kept: Kept, cutoff: int, held: _Held) -> Iterator[None]:
        if kept.axis == "market":
            newest = 0
            for newest in self._newest_market(db, kept):  # noqa: B007  the last one is the newest
                yield
            if abs(newest - self._now()) > REAL_TIME:
                return
        if kept.table == "segment":
            remember(db, KEPT_SINCE, str(max(cutoff, int(note(db, KEPT_SINCE) or 0))))
        bound = cutoff // kept.unit
        yield from self._oldest(db, kept, bound, held) if kept.oldest_first else self._walk(db, kept, bound, held)

    def _newest_market(self, db: Connection, kept: Kept) -> Iterator[int]:
        newest = 0
        for found in _slices(db, kept, ""):
            newest = max(newest, *(int(row[-1]) * kept.unit for row in found))
            yield newest

    def _oldest(self, db: Connection, kept: Kept, bound: int, held: _Held) -> Iterator[None]:
        """Delete from the beginning of the primary key on."""
        last: tuple[int, ...] | None = None
        while True:
            after = f"AND {_after(kept.key, last)}" if last else ""
            found = rows(
                db,
                f"SELECT {identifiers((*kept.key, held.column))} FROM {kept.table} "  # noqa: S608  own names, numbers
                f"WHERE {kept.column} < {bound} {after} ORDER BY {identifiers(kept.key)} LIMIT {STEP_ROWS}",
            )
            if not found:
                return
            last = found[-1][:-1]
            self._delete(db, kept, [row[:-1] for row in found if row[-1] not in held.values])
            yield

    def _walk(self, db: Connection, kept: Kept, bound: int, held: _Held) -> Iterator[None]:
        """Walk through a table that has no index by time; a restart goes on where it was."""
        where = WALKED + kept.table
        for found in _slices(db, kept, note(db, where) or ""):
            doomed = [row[:-1] for row in found if int(row[-1]) < bound and row[-1] not in held.values]
            for at in range(0, len(doomed), STEP_ROWS):
                self._delete(db, kept, doomed[at : at + STEP_ROWS])
                if at + STEP_ROWS < len(doomed):
                    yield
            remember(db, where, numbers(found[-1][:-1]))
            yield
        remember(db, where, None)

    def _delete(self, db: Connection, kept: Kept, keys: list[tuple[int, ...]]) -> None:
        if not keys:
            return
        if len(kept.key) == 1:
            condition = f"{kept.key[0]} IN ({numbers(key for (key,) in keys)})"
        else:
            condition = f"({identifiers(kept.key)}) IN (VALUES {', '.join(f'({numbers(key)})' for key in keys)})"
        db.execute(f"DELETE FROM {kept.table} WHERE {condition}")  # noqa: S608  own names, numbers
        self.pruned[kept.table] = self.pruned.get(kept.table, 0) + len(keys)


class _Held(NamedTuple):
    """Values of a column that keep their rows."""

    column: str
    values: Container[int] = ()


def _held(kept: Kept, live: Live, segments: set[int]) -> _Held:
    if kept.table in {"segment", "lookup", "pack"}:
        return _Held(kept.column, segments)
    if kept.live is None:
        return _Held(kept.column)
    column, which = kept.live
    return _Held(column, live.orders if which == "orders" else live.decisions)


def _after(key: tuple[str, ...], last: tuple[int, ...]) -> str:
    return f"({identifiers(key)}) > ({numbers(last)})" if len(key) > 1 else f"{key[0]} > {numbers(last)}"


def _slices(db: Connection, kept: Kept, last: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows of a table in the order of its key: the key, then the column that tells the time."""
    while True:
        after = f"WHERE {_after(kept.key, tuple(map(int, last.split(','))))}" if last else ""
        found = rows(
            db,
            f"SELECT {identifiers((*kept.key, kept.column))} FROM {kept.table} {after} "  # noqa: S608  own names, numbers
            f"ORDER BY {identifiers(kept.key)} LIMIT {READ_ROWS}",
        )
        if not found:
            return
        yield found
        last = numbers(found[-1][:-1])
