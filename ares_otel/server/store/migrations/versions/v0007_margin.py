"""How much of the margin that an account may use it does use."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns."""
    for name in ("margin", "margin_limit"):
        op.add_column("equity", sa.Column(name, sa.Double))


def downgrade() -> None:
    """Refuse: what the columns hold would be lost."""
    raise NotImplementedError("there is no way back to 0006; restore a back-up")
