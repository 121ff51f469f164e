"""Which database a command means: the one that is named, else the configured one."""

from __future__ import annotations

import argparse
from pathlib import Path

from ares_otel.config import Loaded
from ares_otel.config.masking import masked

__all__ = ["add_database", "database_of", "shown"]


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


def shown(database: Path | str) -> str:
    """Return what to call a database in messages."""
    return str(database) if isinstance(database, Path) else str(masked(database, secret=False, url=True))
