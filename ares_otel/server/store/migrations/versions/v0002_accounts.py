"""Accounts, prices, models, checks, calls, regimes, logs; roll-ups and newest states; more of decisions and orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Column: TypeAlias = sa.Column[Any]

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns and tables; rows of before keep NULL where nothing is known."""
    _columns()
    _series()
    _models()
    _sums()
    _states()
    _notes()
    if op.get_bind().dialect.name == "postgresql":
        # frames are packed already
        op.execute("ALTER TABLE segment ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Refuse: what the new tables hold would be lost."""
    raise NotImplementedError("there is no way back to 0001; restore a back-up")


def _of(kind: sa.types.TypeEngine[Any], *names: str) -> Iterator[Column]:
    return (sa.Column(name, kind) for name in names)


def _words(*names: str) -> Iterator[Column]:
    return _of(sa.Integer(), *names)


def _reals(*names: str) -> Iterator[Column]:
    return _of(sa.Double(), *names)


def _texts(*names: str) -> Iterator[Column]:
    return _of(sa.Text(), *names)


def _keys(*names: str) -> Iterator[Column]:
    return (sa.Column(name, sa.Integer, nullable=False, autoincrement=False) for name in names)


def _sums_of(kind: sa.types.TypeEngine[Any], *names: str) -> Iterator[Column]:
    return (sa.Column(name, kind, nullable=False) for name in names)


def _time(name: str = "event_time") -> Column:
    return sa.Column(name, BIG)


def _timed(name: str, *columns: Column) -> None:
    op.create_table(name, sa.Column("id", BIG, primary_key=True, autoincrement=False), *columns)


def _clustered(name: str, key: tuple[str, ...], *columns: sa.schema.SchemaItem) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)


def _columns() -> None:
    added: dict[str, tuple[Column, ...]] = {
        "decision": (
            *_reals("price"),
            *_of(BIG, "event_time"),
            *_reals("agreement", "regime_confidence"),
            sa.Column("error", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        ),
        "orders": (*_reals("arrival_mid"), *_words("currency"), *_reals("multiplier"), *_of(BIG, "event_time")),
        "order_update": (*_reals("slippage", "shortfall"), *_of(BIG, "ack_us", "event_time")),
        "outcome": (*_words("prediction", "actual", "strategy", "symbol"),),
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)


def _series() -> None:
    _timed("equity", *_words("strategy", "currency"), *_reals("value", "cash", "realized"), _time())
    _timed(
        "position",
        *_words("strategy", "symbol", "currency"),
        *_texts("position_id"),
        *_reals("quantity", "notional", "avg_price", "mark", "realized", "unrealized"),
        _time(),
    )
    _clustered(
        "bar",
        ("symbol", "venue", "channel", "time"),
        *_keys("symbol", "venue", "channel"),
        sa.Column("time", BIG, nullable=False, autoincrement=False),
        *_reals("open", "high", "low", "close", "volume"),
    )
    _timed("mark", *_words("symbol", "currency"), *_reals("price"), _time())
    _timed(
        "breach",
        *_words("strategy", "symbol", "check", "limit_name"),
        *_reals("value", "limit_value"),
        *_words("outcome"),
        sa.Column("trace", sa.LargeBinary, nullable=False),
    )
    _timed(
        "trade",
        *_words("strategy", "symbol", "currency"),
        sa.Column("direction", sa.SmallInteger, nullable=False),
        *_reals("quantity"),
        *_sums_of(BIG, "entry_time", "exit_time"),
        *_reals("entry_price", "exit_price"),
        *_texts("pnl", "fees"),
        *_reals("mae", "mfe"),
    )


def _models() -> None:
    _timed("model", *_words("model"), *_texts("version", "type"), *_of(BIG, "trained_at", "rows"), *_words("features"))
    _timed("importance", *_words("model"), *_texts("method", "data"))
    _timed("behavior", *_words("model"), *_reals("consistency", "stability", "drift"), *_texts("trend"))


def _sums() -> None:
    sums: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "stage_hourly": (("hour", "strategy", "component", "bucket"), ("n", "errors", "total_us")),
        "call_hourly": (("hour", "venue", "operation", "bucket"), ("n", "errors", "total_us")),
        "vote_daily": (
            ("day", "model", "action", "regime"),
            ("n", "confidence_n", "confidence_sum", "weight_n", "weight_sum", "agreed"),
        ),
        "regime_hourly": (("hour", "strategy", "symbol", "regime"), ("n",)),
        "check_hourly": (("hour", "strategy", "check", "outcome"), ("n",)),
    }
    for table, (keys, counts) in sums.items():
        _clustered(table, keys, *_keys(*keys), *_sums_of(BIG, *counts))
    keys = ("day", "model", "result", "regime")
    returns = _sums_of(sa.Double(), "return_sum", "return_squares")
    _clustered("outcome_daily", keys, *_keys(*keys), *_sums_of(BIG, "n", "return_n"), *returns)
    keys = ("strategy", "currency", "hour")
    values = _sums_of(sa.Double(), "first", "last", "low", "high")
    _clustered("equity_hourly", keys, *_keys(*keys), *values, *_sums_of(BIG, "first_id", "last_id", "n"))


def _states() -> None:
    _clustered(
        "regime_episode",
        ("strategy", "symbol", "started"),
        *_keys("strategy", "symbol"),
        sa.Column("started", BIG, nullable=False, autoincrement=False),
        *_keys("regime"),
        *_sums_of(BIG, "ended", "n"),
        *_of(BIG, "first_decision", "last_decision"),
    )
    _clustered(
        "limit_now",
        ("strategy", "check"),
        *_keys("strategy", "check"),
        *_words("limit_name"),
        *_sums_of(BIG, "id"),
        *_words("symbol"),
        *_reals("value", "limit_value"),
        *_words("outcome"),
    )
    _clustered(
        "position_now",
        ("strategy", "symbol", "position_id"),
        *_keys("strategy", "symbol"),
        sa.Column("position_id", sa.Text, nullable=False),
        *_words("currency"),
        *_sums_of(BIG, "id"),
        *_reals("quantity", "notional", "avg_price", "mark", "realized", "unrealized"),
        _time(),
    )
    keys = ("venue", "symbol", "channel")
    _clustered("feed_now", keys, *_keys(*keys), *_sums_of(BIG, "id"), *_reals("age"), *_of(BIG, "gaps", "messages"))


def _notes() -> None:
    _timed(
        "log",
        sa.Column("severity", sa.SmallInteger),
        *_texts("logger", "body"),
        *_of(sa.LargeBinary(), "trace", "span"),
        *_texts("correlation"),
        *_words("resource"),
        *_texts("attributes"),
    )
    op.create_index("ix_log_correlation", "log", ["correlation"])
    _timed("report", *_texts("report", "schedule", "recipients", "path", "status"), *_reals("seconds"))
    op.create_table("checkpoint", sa.Column("kind", sa.Text, primary_key=True), _blob())
    op.create_table("meta", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))


def _blob() -> Column:
    return sa.Column("data", sa.LargeBinary, nullable=False)
