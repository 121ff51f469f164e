"""`ares-otel demo`: the bot, the ares server beside it, and the telemetry between them."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import webbrowser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

import ares_otel as ares
from ares_otel.config import Loaded
from ares_otel.correlation.ids import IdSource
from ares_otel.demo.events import Event, View
from ares_otel.demo.live import Live, connect, open_live
from ares_otel.demo.session import Replay, Trading, open_replay
from ares_otel.demo.watch import Journal, Lines, Screen
from ares_otel.server.http.serve import EmbeddedServer, StartError

__all__ = ["Ending", "Options", "run", "summary"]

PORT: Final = 4_318
LONGEST_END: Final = 1.9
DRAIN: Final = 0.1  # history is replayed far faster than a bot decides
SHORTEST_END: Final = 0.4
UNHURRIED_END: Final = 60.0
SERVER_SHARE: Final = 0.2


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        decisions: end after so many; None: go on until Ctrl-C.
        seed: of the models and the venue.
        otlp: base URL of a receiver; None: an ares server in this process.
        port: of that server, 0 for a free one; None: the usual one, and a free one where that is taken.
        directory: where state, store and the bot's own list lie.
        rate: decisions per second once history has been replayed; with `decisions`, history runs at full speed.
        live: exchange and pair of a real market.
        as_json: print the summary as JSON.
        browse: open the page in the user's browser.
    """

    decisions: int | None = None
    seed: int = 7
    otlp: str | None = None
    port: int | None = None
    directory: Path = Path("demo-data")
    rate: float = 4.0
    live: tuple[str, str] | None = None
    as_json: bool = False
    browse: bool = False


class Ending:
    """When the user asked for the end, and how long that may take."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.asked: float | None = None
        threading.Thread(target=self._wait, name="ares-demo-end", daemon=True).start()

    def _wait(self) -> None:
        self.stop.wait()
        self.asked = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that are left for the end; nobody waits for a demo that ends by itself."""
        if self.asked is None:
            return UNHURRIED_END
        return max(LONGEST_END - (time.monotonic() - self.asked), SHORTEST_END)


def run(options: Options, loaded: Loaded, stop: threading.Event) -> int:
    """Run until `stop` is set or enough decisions are taken; return the exit code."""
    options.directory.mkdir(parents=True, exist_ok=True)
    ending = Ending(stop)
    console = Console(stderr=options.as_json)
    with ExitStack() as stack:
        url = options.otlp or stack.enter_context(_server(options, ending)).url
        _log()
        handle = ares.setup(loaded.path, overrides=_overrides(options, url))
        stack.callback(lambda: ares.shutdown(ending.left * (1 - SERVER_SHARE)))
        journal = Journal(options.directory / "orders.jsonl")
        stack.callback(journal.close)
        watch = stack.enter_context(_watch(console, options, url, handle.metrics_url))
        if options.browse and not options.otlp:
            # some browsers keep who opens them waiting until they are closed
            threading.Thread(target=webbrowser.open, args=(url,), name="ares-browse", daemon=True).start()
        trading = _trade(options, stop, _both(journal, watch))
    if trading is not None:
        _tell(console, options, trading)
    return 0


@contextmanager
def _server(options: Options, ending: Ending) -> Iterator[EmbeddedServer]:
    database = options.directory / "ares.db"
    try:
        server = EmbeddedServer(database, port=PORT if options.port is None else options.port).start()
    except StartError:
        if options.port is not None:
            raise
        # most likely the port is taken, by a collector or another demo
        server = EmbeddedServer(database).start()
    try:
        yield server
    finally:
        server.stop(ending.left)


def _log() -> None:
    """Let the demo's log records be sent and not printed: the screen shows the same."""
    logger = logging.getLogger("ares_demo")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _overrides(options: Options, url: str) -> dict[str, object]:
    return {
        "mode": "paper",
        "service.name": "ares-demo",
        "service.version": "1",
        "exporter.endpoint": url,
        "state_directory": str(options.directory / "state"),
        "recorder.drain_interval": DRAIN,
        "performance.periods": "252",
        "logs.export": True,
        "drift.bars_per_month": 21,
        # two years of days show few regimes; who wants to be told of those all the same has to say so (docs/drift.md)
        "drift.hazard": 1 / 300_000,
    }


@contextmanager
def _watch(console: Console, options: Options, url: str, metrics: str | None) -> Iterator[View]:
    footer = _footer(options, url, metrics)
    if console.is_terminal:
        with Screen(console, footer) as screen:
            yield screen
    else:
        console.print(footer, highlight=False, soft_wrap=True)
        with Lines(console) as lines:
            yield lines


def _footer(options: Options, url: str, metrics: str | None) -> Text:
    """Say where to look: the page first."""
    database = options.directory / "ares.db"
    end = f" · numbers at {metrics} · Ctrl-C ends"
    if options.otlp:
        return Text(f"spans to {url}{end}", "bright_black")
    page = (("the page: ", "bold"), (url, f"bold underline link {url}"))
    rest = f"\nstored in {database}{end}\nwhy was an order sent? ares-otel explain ORDER --database {database}"
    return Text.assemble(*page, (rest, "bright_black"))


def _both(*views: View) -> View:
    def view(event: Event) -> None:
        for each in views:
            each(event)

    return view


def _trade(options: Options, stop: threading.Event, view: View) -> Trading | None:
    if stop.is_set():
        return None
    state = options.directory / ("live.json" if options.live else "replay.json")
    if options.live is not None:
        live: Live = open_live(connect(*options.live), state, _run_id(), options.seed, view)
        live.run(stop, options.decisions)
        return live.trading
    replay: Replay = open_replay(state, _run_id(), options.seed, view, watched=True)
    history = replay.total - replay.state.step if replay.state.lap == 1 else 0
    done = replay.run(stop, options.decisions if options.decisions is not None else history)
    if options.decisions is None or done < options.decisions:
        replay.run(stop, None, pace=1 / options.rate)
    return replay.trading


def _run_id() -> str:
    """Return a short name that no other run has, and that sorts by time."""
    return IdSource().take(time.time_ns())[2].replace("-", "")[:11]


def summary(trading: Trading) -> dict[str, Any]:
    """Return what the bots counted themselves, over all runs of this state."""
    tallies = [bot.state.book.tally for bot in trading.bots.values()]
    return {
        "decisions": _sum(tally.decisions for tally in tallies),
        "votes": sum(tally.votes for tally in tallies),
        "orders": sum(tally.orders for tally in tallies),
        "denied": sum(tally.denied for tally in tallies),
        "updates": _sum(tally.updates for tally in tallies),
        "fills": sum(tally.fills for tally in tallies),
        "fees": str(sum((tally.fees for tally in tallies), Decimal(0))),
        "rebates": str(sum((tally.rebates for tally in tallies), Decimal(0))),
        "equity": {name: str(bot.state.book.equity) for name, bot in trading.bots.items()},
    }


def _sum(counts: Iterator[dict[str, int]] | Sequence[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def _tell(console: Console, options: Options, trading: Trading) -> None:
    found = summary(trading)
    if options.as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for name, value in found.items():
        shown = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else value
        console.print(f"{name:10} {shown}", highlight=False, soft_wrap=True)
