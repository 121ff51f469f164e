"""`ares-otel serve`: take OTLP over HTTP and keep what happened by correlation id."""

from __future__ import annotations

import argparse
import sys

import msgspec

from ares_otel.cli.locating import add_database, database_of
from ares_otel.cli.ports import port
from ares_otel.config import Loaded
from ares_otel.server.http.journal import written
from ares_otel.server.http.serve import serve

__all__ = ["add_parser", "run"]

USAGE = 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "serve",
        help="take OTLP, keep decisions by correlation id",
        description="Take OTLP traces over HTTP (protobuf and JSON) and keep them until stopped by Ctrl-C.",
        epilog="Exit codes: 0 ended cleanly, 1 could not start or end, 2 wrong usage or configuration.",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, help="port to listen on, 0 for any free one (default: 4318)")
    add_database(parser)
    parser.add_argument("--token-file", metavar="FILE", help="access: one `token [read|write|all]` a line")
    parser.add_argument("--log-format", choices=("text", "json"), help="how to write the log (default: text)")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code."""
    for problem in loaded.problems:
        sys.stderr.write(f"{problem}\n")
    settings = loaded.config.server
    if any(problem.severity == "error" for problem in loaded.problems):
        return USAGE
    if args.token_file is not None:
        settings = msgspec.structs.replace(settings, token_file=args.token_file)
    with written(args.log_format or settings.log_format):
        return serve(
            database_of(args, loaded),
            args.host or settings.host,
            settings.port if args.port is None else args.port,
            settings=settings,
            portfolio=loaded.config.portfolio,
            bots=loaded.config,
        )
