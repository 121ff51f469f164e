"""What holding positions has earned or cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "funding",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Integer) for name in ("strategy", "symbol", "currency")),
        sa.Column("position_id", sa.Text),
        sa.Column("amount", sa.Double),
        sa.Column("kind", sa.Integer),
        sa.Column("event_time", BIG),
    )


def downgrade() -> None:
    """Refuse: what the table holds would be lost."""
    raise NotImplementedError("there is no way back to 0002; restore a back-up")
