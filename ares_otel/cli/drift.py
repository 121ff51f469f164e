"""`ares-otel drift`: what a reference can detect at all, and what monitors say of a recorded history."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ares_otel.config import Loaded
from ares_otel.semconv.enums import DriftKind

__all__ = ["add_parser", "run"]

USAGE: Final = 2
WIDTHS: Final = (30, 10, 8, 8, 9, 9, 8)
SECOND: Final = 1_000_000_000
ABSENT: Final = "\u2013"
LEAST: Final = 0.001
"""Number below which another one fills a column."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("drift", help="say what can be detected in a model, or replay a recorded history")
    kinds = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    card = kinds.add_parser(
        "card",
        help="effective samples, detectable effects, and what cannot be tested",
        description="Say for each quantity how many independent values its reference is worth, the least effect that "
        "is found nine times in ten, how long that takes, or why nothing can be tested.",
        epilog="Exit codes: 0 said, 2 a file that cannot be used.",
    )
    card.add_argument("file", type=Path, metavar="REFERENCE|STATE", help="table of training rows, or a bot's .state")
    replay = kinds.add_parser(
        "replay",
        help="look at a recorded history again: the same verdicts as live",
        description="Let the monitors of `ares.model()` look at a recorded history, bar by bar, and print each event. "
        "What `drift.record` keeps says itself how the model was watched: give FILE alone. Any other table, and one "
        "that is to be looked at in another way, needs what the bot says of its model.",
        epilog="A table is CSV, JSON lines, npz or Parquet; columns `time`, `prediction`, `key`, `actual`, `pnl` are "
        "no features. Without `time` a column `timestamp`, `datetime` or `date` is it, unless it is a feature of the "
        "reference; without any, bars are looked at in their order. Exit codes: 0 replayed, 1 with drift at the end, "
        "2 a file that cannot be used.",
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="the history, such as `drift.record` keeps it")
    replay.add_argument("--reference", type=Path, metavar="FILE", help="table of training rows")
    replay.add_argument("--rows", type=int, metavar="N", help="without --reference: the first N bars of FILE are it")
    _add_model(replay)
    for each in (card, replay):
        each.add_argument("--false-alarms", type=float, metavar="N", help="a month; default as configured")
        each.add_argument("--json", action="store_true", help="for programs")


def _add_model(replay: argparse.ArgumentParser) -> None:
    replay.add_argument("--regimes", metavar="COLUMN", help="of both tables, the regime of each bar")
    replay.add_argument("--horizon", type=float, metavar="S", help="seconds from a prediction to its outcome")
    replay.add_argument("--no-outcomes", action="store_true", help="it was said that none will be told")
    replay.add_argument(
        "--loss", choices=("error", "absolute", "squared", "log"), help="as its values are, if not said"
    )
    replay.add_argument(
        "--sharpe", type=float, metavar="X", help="yearly Sharpe ratio promised: column `pnl` is watched"
    )
    replay.add_argument("--volatility", type=float, metavar="X", help="standard deviation of the profit of a period")
    replay.add_argument("--periods", type=int, metavar="N", default=252, help="periods a year; default 252")
    replay.add_argument("--pnl-alarms", type=float, metavar="N", default=0.2, help="false ones a year; default 0.2")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print what was asked for and return the exit code."""
    try:
        from ares_otel.ml.profits import Edge  # noqa: PLC0415  imports numpy
        from ares_otel.ml.replaying import Asked, card_of_file, replay, replay_kept  # noqa: PLC0415  imports numpy
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        sys.stderr.write("ares-otel drift: numpy is not installed; it comes with: pip install 'ares-otel[ml]'\n")
        return USAGE
    settings = loaded.config.drift
    if args.false_alarms is not None:
        settings = msgspec.structs.replace(settings, false_alarms=args.false_alarms)
    try:
        if args.what == "card":
            _print(args, [msgspec.to_builtins(each) for each in card_of_file(args.file, settings)], _card)
            return 0
        found = replay_kept(args.file) if _is_bare(args) else None
        if found is None:
            edge = None
            if args.sharpe is not None or args.volatility is not None:
                more = {"periods": args.periods, "false_alarms": args.pnl_alarms}
                edge = Edge(args.sharpe or 0.0, args.volatility or 0.0, **more)
            asked = Asked(args.horizon, args.loss, edge, outcomes=not args.no_outcomes, regimes=args.regimes)
            found = replay(args.file, args.reference, args.rows, settings, asked)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"ares-otel drift {args.what}: {error}\n")
        return USAGE
    _print(args, found, _events)
    return int(found.is_open)


def _is_bare(args: argparse.Namespace) -> bool:
    """Tell whether nothing was said of the model, so that the history is to say it."""
    said = ("reference", "rows", "regimes", "false_alarms", "horizon", "loss", "sharpe", "volatility")
    return not args.no_outcomes and all(getattr(args, name) is None for name in said)


def _print(args: argparse.Namespace, found: Any, lines: Any) -> None:
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))


def _card(card: list[dict[str, Any]]) -> Iterator[str]:
    titles = ("quantity", "moment", "n_eff", "tau", "mde (sd)", "delay", "budget")
    yield _row(titles)
    for line in card:
        name = line["feature"] if isinstance(line["feature"], str) else " & ".join(line["feature"])
        figures = [_figure(line[key]) for key in ("n_eff", "tau", "mde", "delay")]
        budget = f"{line['budget']:.1%}" if line["testable"] else ABSENT
        said = "; ".join(filter(None, (line["reason"], line["note"])))
        yield f"{_row((name, line['moment'], *figures, budget))}  {said}".rstrip()


def _row(cells: tuple[str, ...]) -> str:
    first, *rest = (
        cell.ljust(width) if place < 2 else cell.rjust(width)  # noqa: PLR2004  names, then numbers
        for place, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    return "".join([first, *rest])


def _figure(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= LEAST else f"< {LEAST}"  # noqa: PLR2004  three digits


def _events(found: Any) -> Iterator[str]:
    for event in found.events:
        yield f"{_when(event.kind.unit, event.bar, event.at):20} {found.says(event)}"
    for name, dates in found.changes.items():
        if dates:
            yield f"{name} changed, as seen afterwards: {', '.join(_when('bar', each.bar, each.at) for each in dates)}"
    for kind, issues in found.issues.items():
        for issue in issues:
            yield f"values of {kind}: {issue.feature or _units(kind)} {issue.problem}, {issue.count:,} {_units(kind)}"
    if found.skipped:
        yield f"{found.skipped:,} lines of before it was kept how the model was watched; they were not looked at"
    checked = ", ".join(f"{bars:,} {_units(kind)} of {kind}" for kind, bars in found.bars.items())
    yield f"{checked}; {found.invalid:,} could not be looked at; {len(found.events):,} events"


def _units(part: str) -> str:
    """Return what a part of a watch looks at; of profits and all that is no kind of its own, outcomes."""
    return f"{(DriftKind(part) if part in set(DriftKind) else DriftKind.CONCEPT).unit}s"


def _when(unit: str, bar: int, at: int | None) -> str:
    return f"{unit} {bar:,}" if at is None else f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%d %H:%M:%S}"
