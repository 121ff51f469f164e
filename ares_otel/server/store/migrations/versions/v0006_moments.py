"""Segments are found by 48 bits of an id instead of 64: ids of one millisecond share a row."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Shorten the keys."""
    op.execute("CREATE TEMPORARY TABLE shortened AS SELECT DISTINCT key >> 16 AS key, segment FROM lookup")
    op.execute("DELETE FROM lookup")
    op.execute("INSERT INTO lookup(key, segment) SELECT key, segment FROM shortened ORDER BY key, segment")
    op.execute("DROP TABLE shortened")


def downgrade() -> None:
    """Refuse: the other bits are not kept."""
    raise NotImplementedError("there is no way back to 0005; restore a back-up")
