"""The same bots on a real market: public bars from an exchange by `ccxt`, orders on paper.

No account and no key is needed, and no order leaves this machine: the paper venue fills them inside the next bar.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ares_otel.demo.bars import Bar
from ares_otel.demo.events import Trouble, View, ignore
from ares_otel.demo.market import Market
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import STRATEGIES, Trading, new_state
from ares_otel.demo.state import StateFile
from ares_otel.demo.strategy import Strategy
from ares_otel.demo.walkforward import first_row

__all__ = ["Exchange", "Live", "LiveError", "Source", "Stop", "connect", "live_strategies", "open_live", "rules_for"]

LOG = logging.getLogger("ares_demo.live")

TIMEFRAME = "1m"
HISTORY = 1_000
MOST_BARS = 3_000
LONGEST_WAIT = 60.0
# An exchange needs a moment after the end of a candle until it shows it as ended.
GRACE = 1.0


class LiveError(RuntimeError):
    """The live market cannot be followed; the message says what to do."""


class Exchange(Protocol):
    """The part of a ccxt exchange that is used."""

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int | None) -> list[list[float]]:
        """Return candles, oldest first: begin in Unix ms, open, high, low, close, volume. The last may go on."""

    def parse_timeframe(self, timeframe: str) -> int:
        """Return the seconds of "1m", "1h", …."""

    def milliseconds(self) -> int:
        """Return the time in Unix ms."""


class Stop(Protocol):
    """What ends a run: a `threading.Event`, or what a test puts in its place."""

    def is_set(self) -> bool:
        """Return whether to stop."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds, or until it is time to stop; return whether it is."""


class Source(NamedTuple):
    """One pair on one exchange.

    Attributes:
        exchange: where the candles come from.
        name: of the exchange.
        pair: for example `BTC/USDT`.
        timeframe: length of a candle, for example `1m`.
        errors: what the exchange raises when it cannot be reached or refuses.
    """

    exchange: Exchange
    name: str
    pair: str
    timeframe: str = TIMEFRAME
    errors: tuple[type[Exception], ...] = (OSError,)

    @property
    def length(self) -> timedelta:
        """Length of a candle."""
        return timedelta(seconds=self.exchange.parse_timeframe(self.timeframe))

    def now(self) -> datetime:
        """Return the exchange's time."""
        return datetime.fromtimestamp(self.exchange.milliseconds() / 1_000, UTC)

    def bars(self, after: datetime | None = None) -> list[Bar]:
        """Return the bars that have ended, those after a time or else the newest thousand.

        Raises:
            LiveError: the exchange cannot be reached, or does not know the pair.
        """
        since = None if after is None else round(after.timestamp() * 1_000)
        try:
            candles = self.exchange.fetch_ohlcv(self.pair, self.timeframe, since, HISTORY)
        except self.errors as error:
            raise LiveError(f"no bars of {self.pair} from {self.name} ({error}); is there a network?") from error
        bars = [self._bar(candle) for candle in candles]
        return [bar for bar in bars if bar.time <= self.now() and (after is None or bar.time > after)]

    def _bar(self, candle: Sequence[float]) -> Bar:
        begin, *numbers = candle
        return Bar(self.pair, datetime.fromtimestamp(begin / 1_000, UTC) + self.length, *numbers)


def connect(name: str, pair: str, timeframe: str = TIMEFRAME) -> Source:
    """Return a source of bars from an exchange that ccxt knows. Nothing is fetched yet.

    Raises:
        LiveError: ccxt is not installed, or does not know the exchange.
    """
    try:
        ccxt: Any = importlib.import_module("ccxt")
    except ModuleNotFoundError as error:
        raise LiveError("ccxt is not installed; install it with: pip install 'ares-otel[live]'") from error
    if name not in ccxt.exchanges:
        raise LiveError(f"ccxt does not know the exchange {name!r}; it knows {', '.join(ccxt.exchanges)}")
    return Source(getattr(ccxt, name)(), name, pair, timeframe, (ccxt.BaseError, OSError))


def rules_for(price: float, length: timedelta) -> VenueRules:
    """Return the venue's rules for a market around this price that trades without pause, in bars of this length."""
    digits = math.floor(math.log10(price))
    return VenueRules(tick=Decimal(1).scaleb(digits - 6), lot=Decimal(1).scaleb(-digits - 1), session=length)


def live_strategies() -> tuple[Strategy, ...]:
    """Return the demo's strategies, content with any expected move.

    In a minute hardly a move pays its costs, and a sound bot would only hold. But these orders are made of paper, and
    are what one wants to see.
    """
    return tuple(replace(strategy, least_edge_bp=0.0) for strategy in STRATEGIES)


class Live:
    """Decides on every bar of a live market as it ends.

    Args:
        trading: the bots; they trade one symbol.
        source: of the bars.
        file: where the state is saved, if anywhere.
    """

    def __init__(self, trading: Trading, source: Source, file: StateFile | None = None) -> None:
        self.trading = trading
        self._source = source
        self._file = file
        self._failures = 0
        market = trading.markets[source.pair]
        self._first = max(first_row(bot.strategy.horizon) for bot in trading.bots.values())
        known = trading.state.time
        missed = [bar for bar in market.bars[self._first :] if known is not None and bar.time > known]
        # After a stop all bars since then; at the first start the newest, so that there is something to see.
        self._waiting = missed if known is not None else market.bars[-1:]

    def run(self, stop: Stop, limit: int | None = None) -> int:
        """Decide until `stop` is set or at least `limit` decisions were taken; return how many were.

        The bots decide on a bar together, so it ends between two bars. Without a network it keeps trying.
        """
        done = 0
        while not stop.is_set() and (limit is None or done < limit):
            if self._waiting:
                done += self._decide(self._waiting.pop(0))
            elif not stop.wait(self._pause()):
                self._look()
        return done

    def _decide(self, bar: Bar) -> int:
        self.trading.settle(bar)
        for bot in self.trading.bots.values():
            bot.decide(bar)
        if self._file is not None:
            self._file.save(self.trading.state)
        return len(self.trading.bots)

    def _look(self) -> None:
        market = self.trading.markets[self._source.pair]
        try:
            self._waiting = self._source.bars(after=market.bars[-1].time)
        except LiveError as error:
            self._failures += 1
            self.trading.view(Trouble(str(error)))
            LOG.warning("no bars: %s", error)
            return
        self._failures = 0
        for bar in self._waiting:
            market.append(bar)
        if len(market.bars) > MOST_BARS:
            self.trading.replace(Market(market.bars[-HISTORY:], market.timeframe, market.bar_seconds))

    def _pause(self) -> float:
        """Seconds until it is worth looking: the end of the next bar, or twice as long after each failure."""
        if self._failures:
            return float(min(LONGEST_WAIT, 2.0 ** (self._failures - 1)))
        last = self.trading.markets[self._source.pair].bars[-1].time
        return max(GRACE, (last + self._source.length - self._source.now()).total_seconds() + GRACE)


def open_live(source: Source, path: Path | None, run: str, seed: int, view: View = ignore) -> Live:
    """Return a live session that goes on where the state in `path` ended.

    Raises:
        LiveError: the market cannot be read, or has too short a history to train on.
        StateError: the saved state is damaged.
    """
    strategies = live_strategies()
    bars = source.bars()
    needed = max(first_row(strategy.horizon) for strategy in strategies) + 1
    if len(bars) < needed:
        raise LiveError(f"{source.name} gave {len(bars)} bars of {source.pair}, {needed} are needed to train on")
    rules = rules_for(bars[-1].close, source.length)
    market = Market(bars, source.timeframe, source.length.total_seconds())
    file = StateFile(path) if path is not None else None
    state = file.load() if file is not None else None
    if state is None:
        state = new_state(run, seed, strategies, [source.pair], rules)
    return Live(Trading({source.pair: market}, strategies, rules, state, view), source, file)
