"""What a trade earned or cost by being held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NOTHING = """
UPDATE trade SET funding = '0'
WHERE NOT EXISTS (SELECT 1 FROM funding f WHERE coalesce(f.strategy, 0) = coalesce(trade.strategy, 0))
"""


def upgrade() -> None:
    """Add the column: zero where a strategy has no funding, unknown where it has, for then it was not kept."""
    op.add_column("trade", sa.Column("funding", sa.Text))
    op.execute(NOTHING)


def downgrade() -> None:
    """Refuse: what the column holds would be lost."""
    raise NotImplementedError("there is no way back to 0004; restore a back-up")
