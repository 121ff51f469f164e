"""Votes are a text of their decision, outcomes of one key and moment one row, implied ids go; segments share frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
FIRST, LAST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "abcdefghijklmnopqrstuvwxyz6789+/"
SLICE = 2_000
MILLISECOND = 1_000_000
VOTES = "SELECT * FROM vote WHERE decision > :last ORDER BY decision, position LIMIT :most"
OUTCOMES = "SELECT * FROM apart WHERE id > :last ORDER BY id LIMIT :most"
SHARED = ("key", "realized_return", "regime", "actual", "strategy", "symbol")


def upgrade() -> None:
    """Put rows together; a reader of one of them sees the same votes and outcomes as before."""
    _decisions()
    _outcomes()
    _packs()


def downgrade() -> None:
    """Refuse: the time of an outcome within its millisecond is not kept."""
    raise NotImplementedError("there is no way back to 0008; restore a back-up")


def _decisions() -> None:
    op.add_column("decision", sa.Column("votes", sa.Text))
    change = sa.text("UPDATE decision SET votes = :votes WHERE id = :id")
    for rows in _slices(VOTES, "decision"):
        voted = [
            {"id": decision, "votes": _packed(votes, ("model", "action", "confidence", "weight"), ("meta",))}
            for decision, votes in groupby(rows, lambda row: row["decision"])
        ]
        op.get_bind().execute(change, voted)
    op.drop_table("vote")
    op.execute("UPDATE decision SET correlation = NULL WHERE correlation = ''")
    empty = "'\\x'::bytea" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.execute(f"UPDATE decision SET span = {empty} WHERE span = substr(trace, 9)")  # noqa: S608  own words


def _outcomes() -> None:
    op.rename_table("outcome", "apart")
    op.create_table(
        "outcome",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("key", BIG),
        sa.Column("realized_return", sa.Double),
        *(sa.Column(name, sa.Integer) for name in ("regime", "actual", "strategy", "symbol")),
        sa.Column("judgments", sa.Text, nullable=False),
    )
    places = ", ".join(f":{name}" for name in ("id", *SHARED, "judgments"))
    insert = sa.text(f"INSERT INTO outcome VALUES ({places})")  # noqa: S608  own words
    for rows in _slices(OUTCOMES, "id"):
        op.get_bind().execute(insert, list(_judged(rows)))
    op.drop_table("apart")


def _packs() -> None:
    op.create_table(
        "pack",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    for column in (sa.Column("pack", BIG), sa.Column("start", sa.Integer), sa.Column("size", sa.Integer)):
        op.add_column("segment", column)
    apart = sa.text("pack IS NULL")
    op.create_index("segment_apart", "segment", ["id"], sqlite_where=apart, postgresql_where=apart)


def _judged(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    by_place: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_place.setdefault((*(row[name] for name in SHARED), row["id"] // MILLISECOND), []).append(row)
    for together in by_place.values():
        shared = {name: together[0][name] for name in ("id", *SHARED)}
        yield shared | {"judgments": _packed(together, ("model", "result", "prediction"))}


def _slices(query: str, key: str) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the rows of a table some at a time, those of one key together."""
    last, most = -(1 << 62), SLICE
    while rows := [*op.get_bind().execute(sa.text(query), {"last": last, "most": most}).mappings()]:
        whole: list[Mapping[str, Any]] = [row for row in rows if len(rows) < most or row[key] != rows[-1][key]]
        if not whole:
            most *= 2
            continue
        yield whole
        last, most = whole[-1][key], SLICE


def _packed(rows: Iterable[Mapping[str, Any]], names: Sequence[str], flags: Sequence[str] = ()) -> str:
    return "".join(
        " " + "".join(_digits(row[name]) for name in names) + "".join(_digits(1) for name in flags if row[name])
        for row in rows
    )


def _digits(number: int | None) -> str:
    if number is None:
        return "-"
    digits, left = LAST[abs(number) % 32], abs(number) >> 5
    while left:
        digits, left = FIRST[left % 32] + digits, left >> 5
    return "!" * (number < 0) + digits
