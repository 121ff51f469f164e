"""Where the fills of a closed trade were made, and the regime that it began in; unknown for those that are stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns."""
    for name in ("venue", "regime"):
        op.add_column("trade", sa.Column(name, sa.Integer))


def downgrade() -> None:
    """Refuse: what the columns hold would be lost."""
    raise NotImplementedError("there is no way back to 0009; restore a back-up")
