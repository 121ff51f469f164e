"""`ares-otel restore`: put a back-up in the place of the database."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.locating import add_database, database_of, shown
from ares_otel.config import Loaded
from ares_otel.server.keep.backup import restore
from ares_otel.server.keep.dump import undump
from ares_otel.server.keep.files import FileError
from ares_otel.server.store.databases import file_of
from ares_otel.server.store.version import DatabaseError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "restore",
        help="put a back-up in the place of the database",
        description="Check a back-up and put it in the place of the database. The old one is kept beside it, under "
        "a name that has `.before-` and the time in it; what was in PostgreSQL, as an archive beside the back-up. "
        "Refused while a server has the database.",
        epilog="Exit codes: 0 done, 1 nothing was changed (a server runs, the back-up is damaged, …), 2 wrong usage.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `ares-otel backup` wrote")
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Check, replace, tell; return the exit code."""
    database = database_of(args, loaded)
    try:
        file = file_of(database)
        kept = restore(args.file, file) if file is not None else undump(args.file, str(database))
    except (DatabaseError, FileError) as error:
        sys.stderr.write(f"ares-otel restore: {error}\n")
        return 1
    sys.stdout.write(
        f"{shown(database)} is restored from {args.file}" + (f"; the old one is {kept}\n" if kept else "\n")
    )
    return 0
