"""Which rows are kept how long: tables by group of `server.retention`, and by which column a row's age is told."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import Table

from ares_otel.server.store.schema import METADATA

__all__ = ["DAY", "GROUPS", "HOUR", "Axis", "Group", "Kept", "tables"]

HOUR: Final = 3_600_000_000_000
DAY: Final = 24 * HOUR
MICROSECOND: Final = 1_000

Group: TypeAlias = Literal["spans", "decisions", "outcomes", "equity", "rollups", "logs"]
Axis: TypeAlias = Literal["wall", "market"]


class Kept(NamedTuple):
    """How the rows of a table age.

    Attributes:
        table: its name.
        column: what tells the time of a row.
        unit: nanoseconds of one step of it.
        axis: the clock it is read from; market time may be that of a replay, which says nothing about a row's age.
        live: column whose value keeps a row while an order that is open needs it, as "orders" or "decisions".
    """

    table: str
    column: str = "id"
    unit: int = 1
    axis: Axis = "wall"
    live: tuple[str, Literal["orders", "decisions"]] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of the primary key in their order."""
        return tuple(column.name for column in METADATA.tables[self.table].primary_key.columns)

    @property
    def oldest_first(self) -> bool:
        """Whether the primary key finds the oldest rows; otherwise the whole table is walked."""
        return self.key[0] == self.column


GROUPS: Final[dict[Group, tuple[Kept, ...]]] = {
    "spans": (
        Kept("segment", unit=MICROSECOND),
        Kept("lookup", "segment", MICROSECOND),
        Kept("pack", unit=MICROSECOND),
    ),
    "decisions": (
        Kept("decision", live=("id", "decisions")),
        Kept("order_update", live=("order_id", "orders")),
        Kept("orders", live=("id", "orders")),
        Kept("breach"),
        Kept("kill_switch"),
        Kept("report"),
    ),
    "outcomes": (
        *(Kept("outcome"), Kept("model"), Kept("importance"), Kept("behavior")),
        *(Kept("drift_check"), Kept("drift_episode"), Kept("drift_card"), Kept("drift_window")),
    ),
    "equity": (
        Kept("equity"),
        Kept("funding"),
        Kept("position"),
        Kept("mark"),
        Kept("trade"),
        Kept("bar", "time", axis="market"),
    ),
    "rollups": (
        Kept("hourly", "hour", HOUR),
        Kept("stage_hourly", "hour", HOUR),
        Kept("call_hourly", "hour", HOUR),
        Kept("check_hourly", "hour", HOUR),
        Kept("vote_daily", "day", DAY),
        Kept("outcome_daily", "day", DAY),
        Kept("equity_hourly", "hour", HOUR, "market"),
        Kept("regime_hourly", "hour", HOUR, "market"),
        Kept("regime_episode", "started", 1, "market"),
    ),
    "logs": (Kept("log"),),
}
"""In the order in which they are pruned: what refers goes before what is referred to."""


def tables(group: Group) -> tuple[Kept, ...]:
    """Return the tables of a group that this version of the schema has."""
    return tuple(kept for kept in GROUPS[group] if isinstance(METADATA.tables.get(kept.table), Table))
