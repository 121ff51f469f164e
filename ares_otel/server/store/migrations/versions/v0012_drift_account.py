"""Cards of drift say how many bars a month has, and the evidence below which an episode is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add what cards say from now on; those that are stored do not know it."""
    for name in ("month", "ends"):
        op.add_column("drift_card", sa.Column(name, sa.Double))


def downgrade() -> None:
    """Refuse: what the columns hold would be lost."""
    raise NotImplementedError("there is no way back to 0011; restore a back-up")
