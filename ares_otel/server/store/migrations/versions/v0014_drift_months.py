"""What was checked before a month is found by the time of the bars."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the index."""
    op.create_index("drift_check_time_newest", "drift_check", ["model", "kind", "event_time"])


def downgrade() -> None:
    """Refuse, as all do."""
    raise NotImplementedError("there is no way back to 0013; restore a back-up")
