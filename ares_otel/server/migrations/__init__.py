"""Alembic's migrations, run by `ares_otel.server.migrate` when a server starts."""
