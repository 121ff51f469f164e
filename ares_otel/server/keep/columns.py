"""What an export shows of a table: typed columns, names instead of their numbers, times as RFC 3339 and as Unix ns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import sqlalchemy as sa

from ares_otel.server.keep.groups import GROUPS
from ares_otel.server.keep.unpacked import SHOWN, STORED, unpacked
from ares_otel.server.store.ids import correlation_meant, decision_id, span_meant
from ares_otel.server.store.schema import METADATA

__all__ = ["PUBLIC", "Column", "Kind", "Names", "columns_of", "export_rows", "rfc3339", "table_of", "time_column"]

Kind: TypeAlias = Literal["text", "integer", "number", "boolean", "time"]
"""Types of exported columns; a time is RFC 3339 in UTC with nine digits of a second."""

PUBLIC: Final = {
    "decisions": "decision",
    "votes": "vote",
    "orders": "orders",
    "updates": "order_update",
    "outcomes": "outcome",
    "equity": "equity",
    "positions": "position",
    "trades": "trade",
    "bars": "bar",
    "marks": "mark",
    "funding": "funding",
    "breaches": "breach",
    "models": "model",
    "importances": "importance",
    "behaviors": "behavior",
    "drift_checks": "drift_check",
    "drift_evidences": "drift_evidence",
    "drift_episodes": "drift_episode",
    "drift_cards": "drift_card",
    "drift_windows": "drift_window",
    "logs": "log",
    "hourly": "hourly",
    "equity_hourly": "equity_hourly",
    "stages_hourly": "stage_hourly",
    "calls_hourly": "call_hourly",
    "checks_hourly": "check_hourly",
    "votes_daily": "vote_daily",
    "outcomes_daily": "outcome_daily",
    "regimes_hourly": "regime_hourly",
    "regime_episodes": "regime_episode",
}
"""Tables by the word that users say."""

SECOND: Final = 1_000_000_000
SLICE: Final = 2_000
FRACTION: Final = 10_000
NAMES_CACHED: Final = 20_000
FLAGS: Final = frozenset({"error", "submitted", "duplicate", "valid", "meta"})
NUMBERS: Final = frozenset({"hour", "day", "bucket", "position", "rejected", "n", "errors", "features", "agreed"}) | {
    *("tested", "untestable", "bars"),
}
"""Integer columns that are numbers; all others are numbers of names."""

TIMES: Final = frozenset(
    {"event_time", "updated", "entry_time", "exit_time", "trained_at", "started", "ended", "time", "since"}
)
SCALED: Final = frozenset(
    {("vote", "confidence"), ("vote", "weight"), ("drift_evidence", "evidence"), ("drift_evidence", "effect")}
)
HIDDEN: Final = frozenset({"resource", "key", "votes", "quantities"})

IMPLIED: Final[dict[tuple[str, str], Callable[[dict[str, Any]], Any]]] = {
    ("decision", "decision_id"): lambda row: row["decision_id"] or decision_id(bytes(row["trace"]), bytes(row["span"])),
    ("decision", "span"): lambda row: span_meant(bytes(row["trace"]), bytes(row["span"])).hex(),
    ("decision", "correlation"): lambda row: correlation_meant(bytes(row["trace"]), row["correlation"]),
}
"""Columns that may be left out where the trace implies them."""


class Column(NamedTuple):
    """A column of an export; `make` takes the row's values by column of the table."""

    name: str
    kind: Kind
    make: Callable[[dict[str, Any]], Any]


class Names:
    """Texts by number, read as they are needed."""

    def __init__(self, db: sa.Connection) -> None:
        self._query = sa.select(METADATA.tables["name"].c.value)
        self._id = METADATA.tables["name"].c.id
        self._db = db
        self.text = lru_cache(NAMES_CACHED)(self._text)

    def _text(self, number: int) -> str | None:
        found = self._db.execute(self._query.where(self._id == number)).scalar()
        return None if found is None else str(found)


def rfc3339(time_ns: int) -> str:
    """Return Unix ns as RFC 3339 in UTC, to the nanosecond."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(1_024)
def _second(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{rest // 3_600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def _civil(days: int) -> tuple[int, int, int]:
    """Return the date of a day since 1970, also beyond the year 9999 that `datetime` ends with."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9  # noqa: PLR2004  the year begins in March
    return year + era * 400 + (month <= 2), month, day  # noqa: PLR2004


def time_column(table: str) -> tuple[str, int]:
    """Return the column that tells the time of a row and the nanoseconds of one step of it."""
    if table == "vote":
        return "decision", 1
    for group in GROUPS.values():
        for kept in group:
            if kept.table == table:
                return kept.column, kept.unit
    return "id", 1


def columns_of(table: sa.Table, names: Names) -> list[Column]:
    """Return the columns of a table's export, the row's own time first."""
    told, unit = time_column(table.name)
    made = list(_time("time", told, unit))
    for column in table.columns:
        if column.name not in HIDDEN and (table.name, column.name) != (table.name, told if unit > 1 else ""):
            made += _columns(table.name, column, names)
    seen: dict[str, Column] = {}
    for each in made:
        seen.setdefault(each.name, each)
    return list(seen.values())


def _columns(table: str, column: sa.Column[Any], names: Names) -> Iterator[Column]:
    name, kind = column.name, column.type
    if name in TIMES:
        yield from _time(name, name, 1)
    elif (table, name) in IMPLIED:
        yield Column(name, "text", IMPLIED[table, name])
    elif isinstance(kind, sa.LargeBinary):
        yield Column(name, "text", lambda row: None if row[name] is None else bytes(row[name]).hex())
    elif isinstance(kind, sa.Text):
        yield Column(name, "text", lambda row: row[name])
    elif isinstance(kind, sa.Float):
        yield Column(name, "number", lambda row: row[name])
    elif (table, name) in SCALED:
        yield Column(name, "number", lambda row: None if row[name] is None else row[name] / FRACTION)
    elif name in FLAGS:
        yield Column(name, "boolean", lambda row: None if row[name] is None else bool(row[name]))
    elif isinstance(kind, sa.Integer) and not isinstance(kind, sa.BigInteger | sa.SmallInteger) and name not in NUMBERS:
        yield Column(name, "text", lambda row: names.text(row[name]) if row[name] else None)
    else:
        yield Column(name, "integer", lambda row: row[name])


def _time(name: str, source: str, unit: int) -> Iterator[Column]:
    yield Column(name, "time", lambda row: None if row[source] is None else rfc3339(int(row[source]) * unit))
    yield Column(f"{name}_ns", "integer", lambda row: None if row[source] is None else int(row[source]) * unit)


def table_of(word: str) -> sa.Table:
    """Return the shape of the rows that a public name means."""
    return SHOWN[word] if word in SHOWN else METADATA.tables[PUBLIC[word]]


def export_rows(db: sa.Connection, table: sa.Table, since: int, until: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table whose time is in [since, until) Unix ns, a slice of the primary key at a time.

    No slice keeps a transaction open, so that an export of any length does not hold up the server's log.
    """
    if table in SHOWN.values():
        for row in _stored_rows(db, STORED[table.name], since, until):
            yield from unpacked(table.name, row)
    else:
        yield from _stored_rows(db, table, since, until)


def _stored_rows(db: sa.Connection, table: sa.Table, since: int, until: int) -> Iterator[dict[str, Any]]:
    key = list(table.primary_key.columns)
    told, unit = time_column(table.name)
    column = table.c[told]
    query = sa.select(table).where(column >= -(-since // unit), column < -(-until // unit)).order_by(*key).limit(SLICE)
    last: tuple[Any, ...] | None = None
    while True:
        after = query if last is None else query.where(sa.tuple_(*key) > sa.tuple_(*last))
        found = db.execute(after).mappings().all()
        for row in found:
            yield dict(row)
        if len(found) < SLICE:
            return
        last = tuple(found[-1][each.name] for each in key)
