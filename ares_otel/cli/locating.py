"""Which database a command means: the one that is named, else the configured one."""

from __future__ import annotations

import argparse
from pathlib import Path

from ares_otel.config import Loaded
from ares_otel.config.masking import masked

__all__ = ["NoFileError", "add_database", "database_of", "file_of", "shown"]


class NoFileError(Exception):
    """The command is for SQLite files, and another database is meant."""


def add_database(parser: argparse.ArgumentParser) -> None:
    """Add `--database`."""
    parser.add_argument(
        "--database", metavar="FILE|URL", help="SQLite file or postgresql+psycopg:// URL of `ares-otel serve`"
    )


def database_of(args: argparse.Namespace, loaded: Loaded) -> Path | str:
    """Return the database that is meant: a file or a URL."""
    settings = loaded.config.server
    named: str = args.database or settings.database_url or settings.database
    return named if "://" in named else Path(named)


def file_of(args: argparse.Namespace, loaded: Loaded) -> Path:
    """Return the SQLite file that is meant.

    Raises:
        NoFileError: it is a database of PostgreSQL, which has tools of its own for that.
    """
    found = database_of(args, loaded)
    if isinstance(found, str):
        raise NoFileError("this is for SQLite files; of PostgreSQL take pg_dump and pg_restore")
    return found


def shown(database: Path | str) -> str:
    """Return what to call a database in messages."""
    return str(database) if isinstance(database, Path) else str(masked(database, secret=False, url=True))
