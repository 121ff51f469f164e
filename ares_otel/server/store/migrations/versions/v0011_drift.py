"""Drift as rows: checks, episodes, cards, and last bars beside their reference; spans that are stored make none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _make(
        "drift_check",
        *_columns(sa.Integer, "model", "kind", "detector", "result", "severity", "reference"),
        *_columns(sa.Double, "evidence", "effect", "statistic", "p_value", "threshold", "spent"),
        *_columns(BIG, "episode", "bar", "event_time"),
        *_columns(sa.Integer, "tested", "untestable"),
        *_columns(sa.Text, "version", "quantities", "decision_id", "p_values"),
    )
    _make(
        "drift_episode",
        *_columns(sa.Integer, "model", "kind", "state", "severity", "detector", "reference"),
        *_columns(BIG, "episode", "since", "since_bar", "bar", "event_time"),
        *_columns(sa.Double, "effect", "evidence"),
        *_columns(sa.Text, "version", "features", "summary", "decisions"),
        *_columns(sa.LargeBinary, "trace", "span"),
    )
    _make(
        "drift_card",
        *_columns(sa.Integer, "model", "kind", "reference"),
        *_columns(BIG, "rows", "horizon"),
        *_columns(sa.Double, "false_alarms"),
        *_columns(sa.Text, "version", "data"),
    )
    _make(
        "drift_window",
        *_columns(sa.Integer, "model", "kind", "reference", "feature"),
        *_columns(BIG, "bar", "episode", "event_time"),
        *_columns(sa.Integer, "n", "bars"),
        *_columns(sa.Text, "version", "data"),
    )


def downgrade() -> None:
    """Refuse: what the tables hold would be lost."""
    raise NotImplementedError("there is no way back to 0010; restore a back-up")


def _make(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(name, sa.Column("id", BIG, primary_key=True, autoincrement=False), *columns)
    op.create_index(f"{name}_newest", name, ["model", "kind", "id"])


def _columns(kind: Any, *names: str) -> Iterable[sa.Column[Any]]:
    return (sa.Column(name, kind) for name in names)
