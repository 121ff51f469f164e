"""A session of the demo: history bar by bar, all bots, one venue; it can be stopped and goes on where it was."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ares_otel.demo.account import Account
from ares_otel.demo.bars import SYMBOLS, Bar, load_bars
from ares_otel.demo.book import Book
from ares_otel.demo.bot import Bot, BotState, Desk
from ares_otel.demo.ensemble import Ensemble
from ares_otel.demo.events import Decision, Progress, View, ignore
from ares_otel.demo.market import Market
from ares_otel.demo.members import Member, five_members
from ares_otel.demo.risk import KillSwitch
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.state import DemoState, StateError, StateFile
from ares_otel.demo.strategy import Reversion, Strategy, Swing
from ares_otel.demo.venue import PaperVenue, VenueState
from ares_otel.demo.walkforward import WalkForward, first_row
from ares_otel.demo.watching import ModelWatch

__all__ = ["STRATEGIES", "Replay", "Trading", "new_state", "open_replay"]

LOG = logging.getLogger("ares_demo.session")

STRATEGIES: tuple[Strategy, ...] = (
    Swing(name="swing", horizon=5, threshold=0.60, max_weight=0.75),
    Reversion(name="reversion", horizon=2, threshold=0.55, max_weight=0.50),
)

# Seconds between two saves while history is replayed at full speed.
SAVE_INTERVAL = 1.0


def new_state(
    run: str, seed: int, strategies: Sequence[Strategy], symbols: Sequence[str], rules: VenueRules
) -> DemoState:
    """Return the state of a demo that has not begun."""
    bots = {
        strategy.name: BotState(
            book=Book(Account.open(rules.initial_cash)),
            switch=KillSwitch(),
            ensembles={symbol: Ensemble(strategy.horizon) for symbol in symbols},
        )
        for strategy in strategies
    }
    return DemoState(run=run, seed=seed, bots=bots, venue=VenueState())


class Trading:
    """The bots on their venue: what history and a live market have in common.

    Args:
        markets: by symbol.
        strategies: one bot for each.
        rules: of the venue.
        state: what was remembered; it is changed in place.
        view: is told what happens.
        members: makes the unfitted members of an ensemble.
        watched: the models are watched for drift.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        strategies: Sequence[Strategy],
        rules: VenueRules,
        state: DemoState,
        view: View = ignore,
        members: Callable[[], Sequence[Member]] = five_members,
        *,
        watched: bool = False,
    ) -> None:
        self._members = members
        self.markets = dict(markets)
        self.state = state
        self.view = view
        self.venue = PaperVenue(rules, state.seed, state.venue)
        # the markets are the same for all strategies, so the first one has them watched
        names = [strategy.name for strategy in strategies] if watched else []
        self._watches = {name: ModelWatch(name, market=name == names[0], lap=lambda: self.state.lap) for name in names}
        self.bots = {strategy.name: self._bot(strategy) for strategy in strategies}

    def _bot(self, strategy: Strategy) -> Bot:
        desks = {symbol: self._desk(strategy, market) for symbol, market in self.markets.items()}
        state = self.state.bots[strategy.name]
        return Bot(self.state.run, strategy, desks, self.venue, state, self.view)

    def _desk(self, strategy: Strategy, market: Market) -> Desk:
        name = f"{strategy.name}/{market.symbol}"
        models = WalkForward(name, market, self._members(), strategy.horizon, self.state.seed)
        return Desk(market, models, self._watches.get(strategy.name))

    def replace(self, market: Market) -> None:
        """Go on with another history of the same symbol; its models are fitted anew."""
        self.markets[market.symbol] = market
        for bot in self.bots.values():
            bot.desks[market.symbol] = self._desk(bot.strategy, market)

    def settle(self, bar: Bar) -> None:
        """Let the venue trade the bar, tell the bots what it did, and close the bar in their books."""
        for report in self.venue.trade(bar):
            self.bots[report.account].hear(report)
        for bot in self.bots.values():
            bot.settle(bar)
        self.state.time = bar.time


class Replay:
    """Decides through history, one bar after the other; at its end it closes all positions and begins another lap.

    Args:
        trading: the bots; their markets have bars at the same times.
        file: where the state is saved, if anywhere.
    """

    def __init__(self, trading: Trading, file: StateFile | None = None) -> None:
        self.trading = trading
        self.state = trading.state
        self._bots = list(trading.bots.values())
        self._file = file
        bars = _in_order(trading.markets, max(first_row(bot.strategy.horizon) for bot in self._bots))
        # The orders of the last bar that is decided on are filled in the bar after it.
        self._bars, self._last = bars[: -len(trading.markets)], bars[-len(trading.markets) :]
        self._saved = time.monotonic()

    @property
    def total(self) -> int:
        """Decisions in one lap."""
        return len(self._bars) * len(self._bots)

    def run(self, stop: threading.Event, limit: int | None = None, pace: float = 0.0) -> int:
        """Decide until `stop` is set or `limit` decisions were taken; return how many were. The state is saved.

        Args:
            stop: ends the run before the next decision, also while it waits.
            limit: number of decisions; without one it goes on for ever.
            pace: seconds from one decision to the next; 0 for full speed.
        """
        done = 0
        due = time.monotonic()
        while done != limit and not stop.wait(max(0.0, due - time.monotonic())):
            self.step()
            done += 1
            due += pace
            if pace or time.monotonic() - self._saved > SAVE_INTERVAL:
                self.save()
        self.save()
        return done

    def step(self) -> Decision:
        """Take the next decision; before the first one on a bar, settle the bar."""
        place, turn = divmod(self.state.step, len(self._bots))
        bar = self._bars[place]
        if turn == 0:
            self.trading.settle(bar)
        is_end = place >= len(self._bars) - len(self._last)
        decision = self._bots[turn].decide(bar, flatten="end of the data" if is_end else "")
        self.state.step += 1
        self.trading.view(Progress(self.state.step, self.total))
        if self.state.step == self.total:
            self._next_lap()
        return decision

    def save(self) -> None:
        """Save the state, if there is a file for it."""
        if self._file is not None:
            self._file.save(self.state)
        self._saved = time.monotonic()

    def _next_lap(self) -> None:
        for bar in self._last:
            self.trading.settle(bar)
        for bot in self._bots:
            for ensemble in bot.state.ensembles.values():
                ensemble.awaited.clear()
        self.state.lap += 1
        self.state.step = 0
        LOG.info("history is over; lap %d begins", self.state.lap)


def _in_order(markets: Mapping[str, Market], first: int) -> list[Bar]:
    """The bars of all markets from row `first` on, by time, symbols in their order within a time."""
    return [bar for bars in zip(*(market.bars[first:] for market in markets.values()), strict=True) for bar in bars]


def open_replay(path: Path | None, run: str, seed: int, view: View = ignore, *, watched: bool = False) -> Replay:
    """Return a replay of both indices by both strategies that goes on where the state in `path` ended.

    Raises:
        StateError: the saved state is damaged, or was made with another seed.
    """
    file = StateFile(path) if path is not None else None
    rules = VenueRules()
    state = file.load() if file is not None else None
    if state is None:
        state = new_state(run, seed, STRATEGIES, SYMBOLS, rules)
    elif state.seed != seed:
        raise StateError(f"{path} was made with seed {state.seed}, not {seed}; remove it to begin anew")
    markets = {symbol: Market(load_bars(symbol)) for symbol in SYMBOLS}
    return Replay(Trading(markets, STRATEGIES, rules, state, view, watched=watched), file)
