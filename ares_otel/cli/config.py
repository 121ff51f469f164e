"""`ares-otel config`: the effective values and where each came from, secrets masked."""

from __future__ import annotations

import argparse
import sys

from ares_otel.config import Loaded, render

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("config", help="show the effective configuration and where it came from")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print the configuration; exit code 2 when it has errors."""
    sys.stdout.write(render(loaded, format="json" if args.json else "yaml").rstrip() + "\n")
    for problem in loaded.problems:
        sys.stderr.write(f"{problem}\n")
    return 2 if any(problem.severity == "error" for problem in loaded.problems) else 0
