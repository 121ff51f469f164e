"""`ares-otel import`: store what was exported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.locating import add_database, database_of, shown
from ares_otel.config import Loaded
from ares_otel.server.keep.exporting import SPANS, table_names
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.importing import PartlyImportedError, import_files
from ares_otel.server.keep.sinks import FORMATS
from ares_otel.server.keep.sources import ImportFileError
from ares_otel.server.store.migrate import DatabaseError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "import",
        help="store what was exported",
        description="Store spans from files through the ingestion that takes them from bots; a span that is there "
        "is not stored again. All files are checked before anything is stored. Refused while a server runs.",
        epilog="Exit codes: 0 done, 1 nothing was stored, or the database could not take all (it says what it took), "
        "2 wrong usage.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what `ares-otel export` wrote")
    parser.add_argument("--format", choices=FORMATS, help="default: as the files' names end")
    parser.add_argument(
        "--table", choices=table_names(), default=SPANS, help="what rows of CSV and Parquet are (default: spans)"
    )
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Check, store, tell; return the exit code."""
    database = database_of(args, loaded)
    try:
        found = import_files(database, args.files, args.table, args.format)
    except (DatabaseError, FileError, ImportFileError, PartlyImportedError) as error:
        sys.stderr.write(f"ares-otel import: {error}\n")
        return 1
    sys.stdout.write(f"{shown(database)}: {found.spans:,} spans, {found.new:,} of them new\n")
    return 0
