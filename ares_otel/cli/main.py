"""The command `ares-otel`.

Exit codes: 0 done, 1 not found or not in order, 2 wrong usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from types import ModuleType
from typing import Final

from ares_otel.config import Loaded, load

__all__ = ["main"]

COMMANDS: Final = {
    "demo": "watch models decide on real market data",
    "serve": "take OTLP, keep decisions by correlation id",
    "backup": "copy the server's database while it is written",
    "restore": "put a back-up in the place of the database",
    "export": "write spans or a table of a time range to a file",
    "import": "store what was exported",
    "explain": "tell why an order was sent",
    "drift": "say what can be detected in a model, or replay a recorded history",
    "compare": "say what other libraries would call an equity curve",
    "config": "show the effective configuration and where it came from",
    "doctor": "check the bot's side and the stack: each failure says its cause and remedy",
    "spool": "show or deliver what a bot has left on disk",
    "generate": "write generated files, or check them",
}
EXTRAS: Final = {"demo": "demo"} | dict.fromkeys(
    ("serve", "backup", "restore", "export", "import", "explain"), "server"
)
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = _parser()
    name = next((word for word in arguments if word in COMMANDS), None)
    if name is None:
        parser.parse_args(arguments or ["--help"])
        parser.error("a command is missing")
    module = _module(name)
    if module is None:
        return 2
    args = _complete(parser, module).parse_args(arguments)
    run: Callable[[argparse.Namespace, Loaded], int] = module.run
    try:
        code = run(args, load(args.config))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # who read the output has seen enough; what is left of it must not fail a second time at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:10} {brief}" for name, brief in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="ares-otel",
        description="Observability for trading bots.",
        epilog=f"commands:\n{listing}\n\n`ares-otel COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="ares-otel [--config FILE] COMMAND [options]",
    )
    parser.add_argument("--version", action="version", version=metadata.version("ares-otel"))
    parser.add_argument("--config", metavar="FILE", help="YAML file; default: $ARES_OTEL_CONFIG")
    return parser


def _complete(parser: argparse.ArgumentParser, module: ModuleType) -> argparse.ArgumentParser:
    parser.usage = None
    parser.epilog = None
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    module.add_parser(commands)
    return parser


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"ares_otel.cli.{name}_" if keyword.iskeyword(name) else f"ares_otel.cli.{name}")
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(name)
        if extra is None or (error.name or "").startswith("ares_otel"):
            raise
        message = f"ares-otel {name}: {error.name} is not installed; it comes with: pip install 'ares-otel[{extra}]'\n"
        sys.stderr.write(message)
        return None


if __name__ == "__main__":
    sys.exit(main())
