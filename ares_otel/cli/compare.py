"""`ares-otel compare`: what other libraries would call the same equity curve, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ares_otel.cli.curves import CurveError, read_curve, read_trades
from ares_otel.cli.locating import add_database, database_of
from ares_otel.config import Loaded
from ares_otel.portfolio.compare import Comparison, compare
from ares_otel.portfolio.conventions import DAY, PERIODS, Convention
from ares_otel.portfolio.libraries import FIGURES, Case

__all__ = ["add_parser", "lines", "run"]

USAGE: Final = 2
TITLES: Final = ("Sharpe", "Sortino", "Calmar", "max DD", "PF", "VaR 95 %", "CAGR", "vol.")
PERCENT: Final = frozenset({"max_drawdown", "value_at_risk_95", "cagr", "volatility"})
FITS: Final = 0.1
NAME: Final = 26
CELL: Final = 13
ABSENT: Final = "\u2013"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "compare",
        help="say what other libraries would call an equity curve",
        description="Compute Sharpe, Sortino, Calmar, drawdown, … of one equity curve as quantstats, empyrical, "
        "backtesting.py and freqtrade do, and say why each differs.",
        epilog="Exit codes: 0 compared, 2 wrong usage or a curve that cannot be read.",
    )
    parser.add_argument("curve", nargs="?", type=Path, metavar="CURVE", help="CSV or .jsonl: time,equity")
    parser.add_argument("--trades", type=Path, metavar="FILE", help="CSV or .jsonl: closed,pnl and return, if known")
    parser.add_argument("--periods", type=int, choices=PERIODS, help="periods a year of our own row")
    add_database(parser)
    parser.add_argument("--strategy", metavar="NAME", help="whose curve, with --database")
    parser.add_argument("--currency", metavar="CODE", help="in which currency, where a strategy has several")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print the comparison and return the exit code."""
    try:
        case = _case(args, loaded)
        ratios = loaded.config.performance
        found = compare(case, Convention(periods=args.periods or int(ratios.periods), minimum=ratios.minimum))
    except ValueError as error:
        sys.stderr.write(f"ares-otel compare: {error}\n")
        return USAGE
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
    return 0


def _case(args: argparse.Namespace, loaded: Loaded) -> Case:
    if (args.curve is None) == (args.strategy is None):
        raise CurveError("give a file with a curve, or --strategy NAME (with --database FILE)")
    trades = read_trades(args.trades) if args.trades is not None else None
    if args.curve is not None:
        return Case(read_curve(args.curve), trades or ())
    stored = _stored(database_of(args, loaded), args.strategy, args.currency)
    return stored if trades is None else Case(stored.points, trades)


def _stored(database: Path | str, strategy: str, currency: str | None) -> Case:
    """Return the last equity of each day of a strategy from a store, and its closed trades."""
    try:
        from ares_otel.server.query.closed import closed_trades  # noqa: PLC0415  needs the extra "server"
        from ares_otel.server.query.performance import equity_curves  # noqa: PLC0415
        from ares_otel.server.store.migrate import DatabaseError  # noqa: PLC0415
        from ares_otel.server.story.reader import Reader  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; --strategy needs: pip install 'ares-otel[server]'"
        raise CurveError(message) from error
    try:
        with Reader(database) as reader:
            curves = equity_curves(reader)
            found = [
                (account, curve)
                for account, curve in curves.items()
                if account.strategy == strategy and currency in {None, account.currency}
            ]
            if len(found) != 1:
                known = ", ".join(map(str, curves)) or "none"
                raise CurveError(f"{len(found)} curves of {strategy!r}, expected one; there are: {known}")
            ((account, curve),) = found
            points = tuple((day * DAY, value) for day, value in zip(curve.days, curve.values, strict=True))
            return Case(points, closed_trades(reader, strategy, account.currency))
    except DatabaseError as error:
        raise CurveError(str(error)) from error


def lines(found: Comparison) -> Iterator[str]:
    """Yield what is printed: the convention, a row for each library, and why figures differ."""
    trades = f", {found.trades:,} closed trades" if found.trades else ""
    yield f"{found.n:,} daily returns{trades}. Losses are positive here, whatever sign a library prints."
    yield f"ours: {found.convention}"
    own = found.rows[0]
    periods = next((each for each in PERIODS if f"periods={each}" in own.library), PERIODS[0])
    if found.days_a_year is not None and abs(found.days_a_year / periods - 1.0) > FITS:
        yield f"note: {found.days_a_year:.0f} days a year have a value; {periods} periods a year do not fit this curve"
    yield ""
    yield "".join([" " * NAME, *(title.rjust(CELL) for title in TITLES)])
    notes: dict[str, int] = {}
    for row in found.rows:
        cells = [_cell(name, row.values.get(name), row.why.get(name), notes) for name in FIGURES]
        yield "".join([row.library.ljust(NAME), *(cell.rjust(CELL) for cell in cells)])
        if row is own:
            for end in ("low", "high"):
                ends = [getattr(found.own[name], end) for name in FIGURES]
                cells = [_cell(name, value, None, notes) for name, value in zip(FIGURES, ends, strict=True)]
                yield "".join([f"  95 % {end}".ljust(NAME), *(cell.rjust(CELL) for cell in cells)])
    yield ""
    for text, number in notes.items():
        yield f"[{number}] {text}"


def _cell(name: str, value: float | None, why: str | None, notes: dict[str, int]) -> str:
    shown = ABSENT if value is None else _number(name, value)
    return f"{shown} [{notes.setdefault(why, len(notes) + 1)}]" if why else shown


def _number(name: str, value: float) -> str:
    return f"{value * 100.0:.2f} %" if name in PERCENT else f"{value:.3f}"
