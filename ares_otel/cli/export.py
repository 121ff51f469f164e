"""`ares-otel export`: write spans or a table of a time range to a file."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ares_otel.cli.locating import add_database, database_of
from ares_otel.config import Loaded
from ares_otel.server.keep.exporting import ALWAYS, SPANS, Order, export, table_names
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.sinks import FORMATS, Format
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.story.reader import Reader

__all__ = ["add_parser", "run"]

SECOND: Final = 1_000_000_000
MICROSECOND: Final = 1_000
PIPE: Final = "-"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "export",
        help="write spans or a table of a time range to a file",
        description="Write what is stored of a time range, beside a running server. JSON lines of spans hold all there "
        "is: OTLP/JSON, a `resourceSpans` object a line, which `ares-otel import`, an OpenTelemetry Collector and "
        "others read. Tables come with names instead of numbers, times as RFC 3339 and as Unix ns.",
        epilog="Exit codes: 0 done, 1 nothing was written (no database, the file exists, …), 2 wrong usage.",
    )
    parser.add_argument("file", metavar="OUT", help="new file; one that exists is never replaced; - for a pipe")
    parser.add_argument("--from", dest="since", type=_moment, metavar="TIME", help="first moment (default: all)")
    parser.add_argument("--to", dest="until", type=_moment, metavar="TIME", help="first moment that is not part of it")
    parser.add_argument("--format", choices=FORMATS, help="default: as the file's name ends, else jsonl")
    parser.add_argument("--table", choices=table_names(), default=SPANS, help="default: spans")
    add_database(parser)


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Export and return the exit code."""
    named: Format = next((name for name in FORMATS if args.file.endswith(f".{name}")), "jsonl")
    order = Order(
        table=args.table,
        format=args.format or named,
        since=ALWAYS[0] if args.since is None else args.since,
        until=ALWAYS[1] if args.until is None else args.until,
    )
    try:
        with Reader(database_of(args, loaded)) as reader:
            number = export(reader, order, None if args.file == PIPE else Path(args.file))
    except (DatabaseError, FileError) as error:
        sys.stderr.write(f"ares-otel export: {error}\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    sys.stderr.write(f"{args.file}: {number:,} {'spans' if order.table == SPANS else 'rows'}\n")
    return 0


def _moment(text: str) -> int:
    """Return a time as Unix ns: RFC 3339 or a date (UTC unless it says otherwise), or Unix ns."""
    if text.isdigit():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 2026-11-01, 2026-11-01T12:30:00Z or Unix ns, got {text!r}"
        ) from None
    whole = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(whole.replace(microsecond=0).timestamp()) * SECOND + whole.microsecond * MICROSECOND
