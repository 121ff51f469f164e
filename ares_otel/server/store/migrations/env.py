"""Alembic's environment: migrates the connection that it is given, all revisions in one transaction."""

from __future__ import annotations

from alembic import context

from ares_otel.server.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
