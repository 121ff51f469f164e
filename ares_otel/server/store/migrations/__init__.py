"""Alembic's migrations, run by `ares_otel.server.store.migrate` when a server starts."""
