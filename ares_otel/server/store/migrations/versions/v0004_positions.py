"""Which position an order opens or closes, where a strategy holds several in a symbol."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("orders", sa.Column("position_id", sa.Text))


def downgrade() -> None:
    """Refuse: what the column holds would be lost."""
    raise NotImplementedError("there is no way back to 0003; restore a back-up")
