"""Windows of drift say what they are held against."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add what windows say from now on; those that are stored do not know it."""
    op.add_column("drift_window", sa.Column("against", sa.Integer))


def downgrade() -> None:
    """Refuse: what the column holds would be lost."""
    raise NotImplementedError("there is no way back to 0012; restore a back-up")
