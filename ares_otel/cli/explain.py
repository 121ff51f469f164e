"""`ares-otel explain`: why was this order sent, and what came of it?"""

from __future__ import annotations

import argparse
import sys

from ares_otel.cli.locating import add_database, database_of
from ares_otel.config import Loaded
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.story.explain import explain

__all__ = ["add_parser", "run"]

USAGE = 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "explain",
        help="tell why an order was sent",
        description="Tell a decision from what it saw to what it cost.",
        epilog="Exit codes: 0 found, 1 not found, 2 wrong usage or no database that can be read.",
    )
    parser.add_argument("id", help="correlation id, client order id, trace id or decision id")
    add_database(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print what the id means and return the exit code."""
    try:
        return explain(database_of(args, loaded), args.id, sys.stdout, json=args.json)
    except DatabaseError as error:
        sys.stderr.write(f"ares-otel explain: {error}\n")
        return USAGE
