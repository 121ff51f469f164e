"""`ares-otel backup`: copy the server's database while it is written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.locating import add_database, database_of
from ares_otel.config import Loaded
from ares_otel.server.keep.copying import back_up
from ares_otel.server.keep.files import FileError
from ares_otel.server.store.version import DatabaseError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "backup",
        help="copy the server's database while it is written",
        description="Write a complete, checked copy of the database as of one moment; a server may go on writing it. "
        "SQLite becomes an SQLite file, PostgreSQL an archive of pg_dump, which has to be installed.",
        epilog="Exit codes: 0 done, 1 nothing was written (no database, the file exists, no space, …), 2 wrong usage.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="new file; one that exists is never replaced")
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Copy, check, tell; return the exit code."""
    database = database_of(args, loaded)
    try:
        size = back_up(database, args.file)
    except (DatabaseError, FileError) as error:
        sys.stderr.write(f"ares-otel backup: {error}\n")
        return 1
    sys.stdout.write(f"{args.file}: {size:,} bytes, checked\n")
    return 0
