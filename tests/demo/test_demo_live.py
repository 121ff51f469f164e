"""A live market, played by a fake exchange: bars as they end, a network that fails, a stop and a start."""

from __future__ import annotations

import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from demo_samples import START, cheap_members, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo import live as module
from ares_otel.demo.events import Decision, Event, Trouble
from ares_otel.demo.live import HISTORY, Live, LiveError, Source, connect, live_strategies, open_live, rules_for
from ares_otel.demo.market import Market
from ares_otel.demo.session import Trading, new_state
from ares_otel.demo.state import StateFile
from ares_otel.demo.walkforward import first_row

MINUTE = timedelta(minutes=1)
NEEDED = first_row(5) + 1
GO = threading.Event()


class DownError(Exception):
    """What the fake exchange raises."""


class FakeExchange:
    """A market of one pair whose clock is moved by hand.

    Args:
        ended: number of candles that have ended; one more has begun.
    """

    def __init__(self, ended: int) -> None:
        self.ended = ended
        self.failures = 0
        self.asked: list[int | None] = []
        self._bars = walk(HISTORY + 4_000, seed=9, symbol="BTC/USDT", step=MINUTE, volatility=0.001)

    def milliseconds(self) -> int:
        """Return a time twenty seconds into the newest candle."""
        return round((START + self.ended * MINUTE + timedelta(seconds=20)).timestamp() * 1_000)

    def parse_timeframe(self, timeframe: str) -> int:
        """Return the length of the one timeframe there is."""
        assert timeframe == "1m"
        return 60

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int | None) -> list[list[float]]:
        """Return candles, the last of them unfinished."""
        assert (symbol, timeframe, limit) == ("BTC/USDT", "1m", HISTORY)
        self.asked.append(since)
        if self.failures:
            self.failures -= 1
            raise DownError("connection refused")
        bars = self._bars[: self.ended + 1]
        rows = [[bar.time.timestamp() * 1_000, bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in bars]
        return [row for row in rows if since is None or row[0] >= since][:HISTORY] if since else rows[-HISTORY:]


class Clock:
    """Stands in for the stop event: to wait makes the market go on, and enough waits are a stop."""

    def __init__(self, exchange: FakeExchange, waits: int, candles: int = 1) -> None:
        self.exchange = exchange
        self.waits = waits
        self.candles = candles
        self.waited: list[float] = []

    def is_set(self) -> bool:
        """Whether to stop."""
        return len(self.waited) >= self.waits

    def wait(self, timeout: float) -> bool:
        """Let the market go on."""
        self.waited.append(timeout)
        self.exchange.ended += self.candles
        return self.is_set()


def source(exchange: FakeExchange) -> Source:
    """Return the source that the fake exchange is."""
    return Source(exchange, "fake", "BTC/USDT", errors=(DownError,))


def session(exchange: FakeExchange, events: list[Event], file: StateFile | None = None) -> Live:
    """Return a live session with members that cost no time."""
    found = source(exchange)
    bars = found.bars()
    rules = rules_for(bars[-1].close, found.length)
    state = None if file is None else file.load()
    state = new_state("r", 1, live_strategies(), [found.pair], rules) if state is None else state
    markets = {found.pair: Market(bars)}
    return Live(Trading(markets, live_strategies(), rules, state, events.append, cheap_members), found, file)


def decided(events: list[Event]) -> list[datetime]:
    """Return the times of the bars that were decided on, each once for both strategies."""
    times = [event.time for event in events if isinstance(event, Decision)]
    assert times[::2] == times[1::2]
    return times[::2]


def ends(first: int, last: int) -> list[datetime]:
    """Return the ends of some candles, counted from 1."""
    return [START + number * MINUTE for number in range(first, last + 1)]


def test_begins_with_the_newest_bar() -> None:
    """The first decision is on the newest bar that has ended; the unfinished one is not looked at."""
    events: list[Event] = []
    exchange = FakeExchange(500)
    assert session(exchange, events).run(GO, limit=2) == 2

    assert decided(events) == ends(500, 500)


def test_follows_the_market() -> None:
    """Each bar is decided on once, when it has ended; several that ended meanwhile one after the other."""
    events: list[Event] = []
    exchange = FakeExchange(500)
    clock = Clock(exchange, waits=4)
    live = session(exchange, events)
    live.run(clock)
    clock.waits, clock.candles = 6, 3
    live.run(clock)

    # At the last wait the stop is seen before the exchange is asked again.
    assert decided(events) == ends(500, 507)
    # Twenty seconds into a minute: forty to its end, and one of grace.
    assert clock.waited[0] == pytest.approx(41)


def test_orders_are_filled_on_paper() -> None:
    """Real bars, paper money: orders are sent and the books agree."""
    events: list[Event] = []
    exchange = FakeExchange(500)
    live = session(exchange, events)
    live.run(Clock(exchange, waits=40))
    venue = live.trading.venue

    assert venue.state.trades > 0
    for name, bot in live.trading.bots.items():
        assert bot.state.book.account == venue.account(name)


def test_network_fails_for_a_while() -> None:
    """Failures are told and waited out, longer each time; no bar is lost."""
    events: list[Event] = []
    exchange = FakeExchange(500)
    live = session(exchange, events)
    exchange.failures = 8
    clock = Clock(exchange, waits=10)
    live.run(clock)
    troubles = [event for event in events if isinstance(event, Trouble)]

    assert len(troubles) == 8
    assert "no bars of BTC/USDT from fake (connection refused)" in troubles[0].message
    assert clock.waited[1:9] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert decided(events) == ends(500, 509)


def test_goes_on_after_a_stop(tmp_path: Path) -> None:
    """What ended while the bot was away is decided on first, with the accounts as they were."""
    file = StateFile(tmp_path / "state.json")
    exchange = FakeExchange(500)
    events: list[Event] = []
    first = session(exchange, events, file)
    first.run(Clock(exchange, waits=20))
    before = first.trading.state.bots
    exchange.ended += 30
    second = session(exchange, events, file)
    assert second.trading.state.bots == before
    second.run(GO, limit=2 * 31)

    assert decided(events) == ends(500, 550)
    saved = file.load()
    assert saved is not None
    assert saved.time == START + 550 * MINUTE


def test_stop() -> None:
    """Told to stop before it begins, it does nothing."""
    stop = threading.Event()
    stop.set()

    assert session(FakeExchange(500), []).run(stop) == 0


def test_long_runs_forget_old_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """The history does not grow without bound; models are fitted anew on what is kept."""
    monkeypatch.setattr(module, "MOST_BARS", 1_005)
    events: list[Event] = []
    exchange = FakeExchange(1_200)
    live = session(exchange, events)
    live.run(Clock(exchange, waits=12))
    (market,) = live.trading.markets.values()

    assert decided(events) == ends(1_200, 1_211)
    assert len(market.bars) <= 1_005
    assert live.trading.bots["swing"].desks["BTC/USDT"].market is market


def test_open_live(tmp_path: Path) -> None:
    """A session with the real members on the fake exchange decides; started again it knows its accounts."""
    events: list[Event] = []
    exchange = FakeExchange(NEEDED)
    path = tmp_path / "state.json"
    open_live(source(exchange), path, "r", 1, events.append).run(GO, limit=2)
    exchange.ended += 1
    again = open_live(source(exchange), path, "r", 1, events.append)
    again.run(GO, limit=2)

    assert decided(events) == ends(NEEDED, NEEDED + 1)
    assert [bot.state.decisions for bot in again.trading.bots.values()] == [2, 2]
    assert again.trading.venue.rules.session == MINUTE
    assert open_live(source(exchange), None, "r", 1).trading.state.time is None


def test_too_short_a_history() -> None:
    """A market that is too young says how much is needed."""
    with pytest.raises(LiveError, match=f"fake gave {NEEDED - 1} bars of BTC/USDT, {NEEDED} are needed"):
        open_live(source(FakeExchange(NEEDED - 1)), None, "r", 1)


def test_no_network_at_the_start() -> None:
    """Without a network the start fails at once, with a question that helps."""
    exchange = FakeExchange(500)
    exchange.failures = 1

    with pytest.raises(LiveError, match=r"connection refused.*is there a network\?"):
        open_live(source(exchange), None, "r", 1)


@settings(deadline=None)
@given(st.floats(1e-6, 1e6))
def test_rules_fit_any_price(price: float) -> None:
    """A tick is a millionth of the price or less, a lot is worth between a cent and one unit of money."""
    rules = rules_for(price, MINUTE)

    assert float(rules.tick) / price <= 1.01e-6
    assert 0.01 <= float(rules.lot) * price <= 1.01
    assert rules.session == MINUTE


def test_live_strategies() -> None:
    """They are the demo's, but take any expected move."""
    assert [strategy.name for strategy in live_strategies()] == ["swing", "reversion"]
    assert {strategy.least_edge_bp for strategy in live_strategies()} == {0.0}


def test_ccxt_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ccxt the message says how to get it."""
    monkeypatch.setitem(sys.modules, "ccxt", None)

    with pytest.raises(LiveError, match=r"pip install 'ares-otel\[live\]'"):
        connect("binance", "BTC/USDT")


def test_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange is found by its name in ccxt, and its errors are known; one that ccxt does not know is refused."""
    ccxt = ModuleType("ccxt")
    vars(ccxt).update(exchanges=["fake"], fake=lambda: FakeExchange(500), BaseError=DownError)
    monkeypatch.setitem(sys.modules, "ccxt", ccxt)
    found = connect("fake", "BTC/USDT")

    assert found.errors == (DownError, OSError)
    assert found.length == MINUTE
    assert found.now() == START + 500 * MINUTE + timedelta(seconds=20)
    assert len(found.bars()) == 500
    with pytest.raises(LiveError, match="does not know the exchange 'nasdaq'; it knows fake"):
        connect("nasdaq", "BTC/USDT")
