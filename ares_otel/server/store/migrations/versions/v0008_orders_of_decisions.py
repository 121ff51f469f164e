"""Orders are found by their decision, however many others were sent in the same minute."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the index."""
    op.create_index("orders_decision", "orders", ["decision"])


def downgrade() -> None:
    """Refuse: a server of before would not know what it opens."""
    raise NotImplementedError("there is no way back to 0007; restore a back-up")
