"""The first tables: spans, decisions, votes, orders, updates, outcomes, the hourly roll-up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _names()
    _spans()
    _decisions()
    _orders()
    _roll_ups()


def downgrade() -> None:
    """Refuse: there is no version before this one."""
    raise NotImplementedError("0001 is the first version")


def _id(kind: sa.types.TypeEngine[int] = BIG) -> sa.Column[int]:
    return sa.Column("id", kind, primary_key=True, autoincrement=False)


def _names() -> None:
    op.create_table(
        "name",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "value", name="name_value"),
    )
    op.create_table(
        "resource",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _spans() -> None:
    op.create_table("dictionary", _id(sa.Integer()), sa.Column("data", sa.LargeBinary, nullable=False))
    op.create_table(
        "segment",
        _id(),
        sa.Column("resource", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "lookup",
        sa.Column("key", BIG, nullable=False, autoincrement=False),
        sa.Column("segment", BIG, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("key", "segment"),
        sqlite_with_rowid=False,
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        _id(),
        sa.Column("trace", sa.LargeBinary, nullable=False),
        sa.Column("span", sa.LargeBinary, nullable=False),
        sa.Column("correlation", sa.Text),
        sa.Column("decision_id", sa.Text),
        sa.Column("resource", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Integer) for name in ("strategy", "symbol", "venue", "action", "regime")),
        sa.Column("confidence", sa.Double),
        sa.Column("duration_us", BIG, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    columns = ["symbol", "id", "strategy", "venue", "action", "regime", "rejected"]
    op.create_index("decision_filter", "decision", columns)
    some = sa.text("rejected > 0")
    op.create_index("decision_rejected", "decision", ["id"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "vote",
        sa.Column("decision", BIG, nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("model", sa.Integer),
        sa.Column("action", sa.Integer),
        sa.Column("confidence", BIG),
        sa.Column("weight", BIG),
        sa.Column("meta", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("decision", "position"),
        sqlite_with_rowid=False,
    )


def _orders() -> None:
    op.create_table(
        "orders",
        _id(),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("trace", sa.LargeBinary, nullable=False),
        sa.Column("decision", BIG),
        sa.Column("submitted", sa.SmallInteger, nullable=False),
        *(sa.Column(name, sa.Integer) for name in ("strategy", "symbol", "venue", "side", "type")),
        *(sa.Column(name, sa.Double) for name in ("quantity", "price")),
        sa.Column("status", sa.Integer),
        *(sa.Column(name, sa.Double) for name in ("cum_quantity", "avg_price")),
        sa.Column("updated", BIG),
    )
    op.create_index("orders_client", "orders", ["client_id"])
    op.create_table(
        "order_update",
        _id(),
        sa.Column("order_id", BIG, nullable=False),
        sa.Column("status", sa.Integer),
        *(sa.Column(name, sa.Double) for name in ("cum_quantity", "avg_price", "fill_quantity", "fill_price", "fee")),
        *(sa.Column(name, sa.Integer) for name in ("fee_currency", "liquidity")),
        sa.Column("fill_id", sa.Text),
        sa.Column("reject_reason", sa.Integer),
        sa.Column("duplicate", sa.SmallInteger, nullable=False),
        sa.Column("valid", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "outcome",
        _id(),
        sa.Column("key", BIG),
        *(sa.Column(name, sa.Integer) for name in ("model", "result")),
        sa.Column("realized_return", sa.Double),
        sa.Column("regime", sa.Integer),
    )


def _roll_ups() -> None:
    keys = ("hour", "strategy", "symbol", "action")
    op.create_table(
        "hourly",
        *(sa.Column(name, sa.Integer, nullable=False, autoincrement=False) for name in keys),
        sa.Column("n", BIG, nullable=False),
        sa.PrimaryKeyConstraint(*keys),
        sqlite_with_rowid=False,
    )
