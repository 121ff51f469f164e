"""Runs Alembic on a SQLite database; apart, because it takes 0.4 s to import and is needed once in its life."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

__all__ = ["upgrade"]


def upgrade(database: Path, scripts: Path) -> None:
    """Migrate to the newest revision among the scripts, in one transaction."""
    engine = create_engine("sqlite://", creator=lambda: _connect(database), poolclass=NullPool)
    # the driver's own transactions begin too late to hold changes of the schema
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, isolation_level=None)
