"""`ares-otel restore`: put a back-up in the place of the database."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.locating import NoFileError, add_database, file_of
from ares_otel.config import Loaded
from ares_otel.server.keep.backup import restore
from ares_otel.server.keep.files import FileError
from ares_otel.server.store.migrate import DatabaseError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "restore",
        help="put a back-up in the place of the database",
        description="Check a back-up and put it in the place of the database. The old one is kept beside it, under "
        "a name that ends with `.before-` and the time. Refused while a server has the database.",
        epilog="Exit codes: 0 done, 1 nothing was changed (a server runs, the back-up is damaged, …), 2 wrong usage.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `ares-otel backup` wrote")
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Check, replace, tell; return the exit code."""
    try:
        database = file_of(args, loaded)
        kept = restore(args.file, database)
    except (DatabaseError, FileError, NoFileError) as error:
        sys.stderr.write(f"ares-otel restore: {error}\n")
        return 1
    sys.stdout.write(f"{database} is restored from {args.file}" + (f"; the old one is {kept}\n" if kept else "\n"))
    return 0
