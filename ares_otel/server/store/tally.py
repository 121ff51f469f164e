"""Sums and newest states of one transaction, gathered in memory so that each key is written once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Table

from ares_otel.server.store import schema as t

__all__ = ["CONFLICTS", "Tally"]

Values: TypeAlias = list[Any]
Merge: TypeAlias = Callable[[Values, Sequence[Any]], None]

SUMS = (
    *(t.hourly, t.stage_hourly, t.call_hourly, t.vote_daily, t.outcome_daily),
    *(t.regime_hourly, t.check_hourly),
)
NEWEST = (t.limit_now, t.position_now)
REPLACED = (t.regime_episode, t.meta)


def _add(known: Values, said: Sequence[Any]) -> None:
    for place, value in enumerate(said):
        known[place] += value


def _newer(place: int) -> Merge:
    """Return what keeps the row whose id, at a place among the values, is the greater one."""

    def merge(known: Values, said: Sequence[Any]) -> None:
        if said[place] > known[place]:
            known[:] = said

    return merge


def _replace(known: Values, said: Sequence[Any]) -> None:
    known[:] = said


def _equity(known: Values, said: Sequence[Any]) -> None:
    first, last, low, high, first_id, last_id, number = said
    if first_id < known[4]:
        known[0], known[4] = first, first_id
    if last_id > known[5]:
        known[1], known[5] = last, last_id
    known[2], known[3] = min(known[2], low), max(known[3], high)
    known[6] += number


def _feed(known: Values, said: Sequence[Any]) -> None:
    row, age, gaps, messages = said
    if row > known[0]:
        known[0], known[1] = row, age
    for place, value in ((2, gaps), (3, messages)):
        if value is not None:
            known[place] = value + (known[place] or 0)


def _values(table: Table) -> list[str]:
    key = {column.name for column in table.primary_key}
    return [column.name for column in table.c if column.name not in key]


def _id_place(table: Table) -> int:
    return _values(table).index("id")


MERGES: dict[str, Merge] = (
    {table.name: _add for table in SUMS}
    | {table.name: _newer(_id_place(table)) for table in NEWEST}
    | {table.name: _replace for table in REPLACED}
    | {"equity_hourly": _equity, "feed_now": _feed}
)


def _on_conflict(table: Table, changes: str) -> str:
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    return f"ON CONFLICT ({key}) DO {changes}"


def _updated(table: Table, change: str) -> str:
    return _on_conflict(
        table, "UPDATE SET " + ", ".join(f'"{name}" = ' + change.format(table.name, name) for name in _values(table))
    )


EQUITY = """UPDATE SET
    "first" = CASE WHEN excluded.first_id < {0}.first_id THEN excluded."first" ELSE {0}."first" END,
    "last" = CASE WHEN excluded.last_id > {0}.last_id THEN excluded."last" ELSE {0}."last" END,
    low = CASE WHEN excluded.low < {0}.low THEN excluded.low ELSE {0}.low END,
    high = CASE WHEN excluded.high > {0}.high THEN excluded.high ELSE {0}.high END,
    first_id = CASE WHEN excluded.first_id < {0}.first_id THEN excluded.first_id ELSE {0}.first_id END,
    last_id = CASE WHEN excluded.last_id > {0}.last_id THEN excluded.last_id ELSE {0}.last_id END,
    n = {0}.n + excluded.n"""
FEED = """UPDATE SET
    id = CASE WHEN excluded.id > {0}.id THEN excluded.id ELSE {0}.id END,
    age = CASE WHEN excluded.id > {0}.id THEN excluded.age ELSE {0}.age END,
    gaps = CASE WHEN excluded.gaps IS NULL THEN {0}.gaps ELSE coalesce({0}.gaps, 0) + excluded.gaps END,
    messages = CASE WHEN excluded.messages IS NULL THEN {0}.messages
        ELSE coalesce({0}.messages, 0) + excluded.messages END"""

CONFLICTS: dict[str, str] = (
    {table.name: _updated(table, '{0}."{1}" + excluded."{1}"') for table in SUMS}
    | {table.name: _updated(table, 'excluded."{1}"') + f" WHERE excluded.id > {table.name}.id" for table in NEWEST}
    | {table.name: _updated(table, 'excluded."{1}"') for table in REPLACED}
    | {
        "equity_hourly": _on_conflict(t.equity_hourly, EQUITY.format("equity_hourly")),
        "feed_now": _on_conflict(t.feed_now, FEED.format("feed_now")),
        "bar": _on_conflict(t.bar, "NOTHING"),
    }
)
"""What an insert does about a row that is there, by table; the words are those of SQLite and PostgreSQL alike."""


class Tally:
    """Values by key, by table."""

    def __init__(self) -> None:
        self.by_table: defaultdict[str, dict[tuple[Any, ...], Values]] = defaultdict(dict)

    def add(self, table: str, key: tuple[Any, ...], *values: Any) -> None:
        """Join values with those that the key has so far, as the table does."""
        known = self.by_table[table].get(key)
        if known is None:
            self.by_table[table][key] = [*values]
        else:
            MERGES[table](known, values)

    def count(self, table: str, key: tuple[Any, ...]) -> None:
        """Add 1 to the only value of a key."""
        found = self.by_table[table]
        known = found.get(key)
        if known is None:
            found[key] = [1]
        else:
            known[0] += 1

    def spend(self, table: str, key: tuple[Any, ...], failed: int, micros: int) -> None:
        """Add a duration to the number, errors and sum of a key."""
        found = self.by_table[table]
        known = found.get(key)
        if known is None:
            found[key] = [1, failed, micros]
        else:
            known[0] += 1
            known[1] += failed
            known[2] += micros

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table, sorted by their keys, which is how the table is kept."""
        found = self.by_table[table]
        return [(*key, *found[key]) for key in sorted(found)]
