"""`ares-otel demo`: watch models decide on real market data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ares_otel.cli.ports import port
from ares_otel.config import Loaded
from ares_otel.demo.signals import stop_signals

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("demo", help="watch models decide on real market data")
    parser.add_argument("--decisions", type=_count, metavar="N", help="end after N decisions, with a summary")
    parser.add_argument("--seed", type=int, default=7, help="of the models and the paper venue (default 7)")
    parser.add_argument("--otlp", metavar="URL", help="send elsewhere; without it an ares server runs beside the bot")
    parser.add_argument(
        "--port",
        type=port,
        metavar="PORT",
        help="of the ares server, 0 for a free one (default: 4318, and a free one where that is taken)",
    )
    parser.add_argument("--directory", type=Path, default=Path("demo-data"), help="state and store (default demo-data)")
    parser.add_argument("--rate", type=_rate, default=4.0, help="decisions a second once history is replayed")
    parser.add_argument(
        "--live", nargs=2, metavar=("EXCHANGE", "PAIR"), help="public data by ccxt (binance BTC/USDT), paper orders"
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Run the demo until Ctrl-C, SIGTERM or enough decisions."""
    with stop_signals() as stop:
        # imported below the handlers: the models' libraries take seconds, in which Ctrl-C must work, too
        from ares_otel.demo.live import LiveError  # noqa: PLC0415
        from ares_otel.demo.run import Options  # noqa: PLC0415
        from ares_otel.demo.run import run as run_demo  # noqa: PLC0415
        from ares_otel.demo.state import StateError  # noqa: PLC0415
        from ares_otel.server.http.serve import StartError  # noqa: PLC0415

        options = Options(
            decisions=args.decisions,
            seed=args.seed,
            otlp=args.otlp,
            port=args.port,
            directory=args.directory,
            rate=args.rate,
            live=(args.live[0], args.live[1]) if args.live else None,
            as_json=args.json,
            browse=args.open,
        )
        try:
            return run_demo(options, loaded, stop)
        except (LiveError, StateError, StartError) as error:
            sys.stderr.write(f"ares-otel demo: {error}\n")
            return 1


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1")
    return number


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 1_000:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("expected decisions per second, above 0 and at most 1000")
    return rate
