"""`ares-otel doctor`: is everything in order, with the bot and with the stack? Each failure says cause and remedy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from ares_otel.cli.checks.bot import bot_checks
from ares_otel.cli.checks.finding import Check, Finding, absent, settled
from ares_otel.cli.checks.stack import asked_for, stack_checks
from ares_otel.config import Loaded

__all__ = ["add_parser", "run"]

MARKS: Final = {"ok": "ok  ", "note": "note", "failed": "FAIL", "not configured": "-   "}
LONGEST: Final = 3_600.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "doctor",
        help="check bot and stack",
        epilog="Exit codes: 0 in order, 1 something is not, 2 the configuration has errors.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--stack",
        action="store_true",
        help="check the servers around the bot, too; where they are is said by `stack.*`, by default on this host. "
        "Without this they are checked if any key of `stack` is set",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long what fails is tried again (0); a span has a minute to arrive in any case",
    )


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print the findings; exit code 1 when something is not in order, 2 for a configuration with errors."""
    wanted = args.stack or asked_for(loaded)
    around = stack_checks(loaded.config) if wanted else [Check(_no_stack)]
    findings = settled([*bot_checks(loaded), *around], args.wait, _waiting)
    sys.stdout.write(_as_json(findings) if args.json else _as_text(findings))
    if any(problem.severity == "error" for problem in loaded.problems):
        return 2
    return 1 if any(each.state == "failed" for each in findings) else 0


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= LONGEST:
        raise argparse.ArgumentTypeError(f"0 to {LONGEST:g} seconds")
    return number


def _no_stack() -> list[Finding]:
    return [absent("stack", "no key of `stack` is set; `ares-otel doctor --stack` looks for it on this host")]


def _waiting(failures: list[Finding]) -> None:
    sys.stderr.write(f"waiting for: {', '.join(dict.fromkeys(each.check for each in failures))}\n")


def _as_json(findings: Sequence[Finding]) -> str:
    return json.dumps([msgspec.to_builtins(each) for each in findings], indent=1) + "\n"


def _as_text(findings: Sequence[Finding]) -> str:
    lines = []
    for each in findings:
        lines.append(f"{MARKS[each.state]}  {each.check}: {each.detail}\n")
        if each.state == "failed":
            lines.append(f"      → {each.remedy}\n")
    return "".join(lines)
