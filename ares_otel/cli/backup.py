"""`ares-otel backup`: copy the server's database while it is written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.locating import NoFileError, add_database, file_of
from ares_otel.config import Loaded
from ares_otel.server.keep.backup import backup
from ares_otel.server.keep.files import FileError
from ares_otel.server.store.migrate import DatabaseError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "backup",
        help="copy the server's database while it is written",
        description="Write a complete, checked copy of the database as of one moment; a server may go on writing it.",
        epilog="Exit codes: 0 done, 1 nothing was written (no database, the file exists, no space, …), 2 wrong usage.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="new file; one that exists is never replaced")
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Copy, check, tell; return the exit code."""
    try:
        size = backup(file_of(args, loaded), args.file)
    except (DatabaseError, FileError, NoFileError) as error:
        sys.stderr.write(f"ares-otel backup: {error}\n")
        return 1
    sys.stdout.write(f"{args.file}: {size:,} bytes, checked\n")
    return 0
