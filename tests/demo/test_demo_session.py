"""A session: stopped anywhere it goes on as if nothing had been, and history can be replayed for ever."""

from __future__ import annotations

import bisect
import functools
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from demo_samples import cheap_members, real_market, state_without_keys, walk, without_keys
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.bars import SYMBOLS
from ares_otel.demo.ensemble import Matured
from ares_otel.demo.events import Decision, Event, Progress, Tripped, View, ignore
from ares_otel.demo.market import Market
from ares_otel.demo.orders import FINAL, ExecutionReport
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import STRATEGIES, Replay, Trading, new_state, open_replay
from ares_otel.demo.signals import stop_signals
from ares_otel.demo.state import DemoState, StateError, StateFile
from ares_otel.demo.walkforward import Training, first_row

T = TypeVar("T")

GO = threading.Event()
BARS = 300
DECISIONS = BARS * len(STRATEGIES)
FIRST = first_row(5)


def of_kind(kind: type[T], events: Sequence[Event]) -> list[T]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


@functools.cache
def small_market(symbol: str, seed: int) -> Market:
    """Return a made-up market of which 20 days can be decided on."""
    return Market(walk(FIRST + 21, seed, symbol))


def small(state: DemoState, view: View = ignore, file: StateFile | None = None) -> Replay:
    """Return a replay of two made-up markets with members that cost no time."""
    markets = {"X": small_market("X", 1), "Y": small_market("Y", 2)}
    return Replay(Trading(markets, STRATEGIES, VenueRules(), state, view, cheap_members), file)


def small_state() -> DemoState:
    """Return the state of such a replay before its beginning."""
    return new_state("r", 3, STRATEGIES, ["X", "Y"], VenueRules())


@pytest.fixture(scope="module")
def straight() -> tuple[list[Event], DemoState]:
    """Return what happened in 300 bars with the real members, without a stop."""
    events: list[Event] = []
    replay = open_replay(None, "t", 7, events.append)
    assert replay.run(GO, limit=DECISIONS) == DECISIONS
    return events, replay.state


def test_restart_changes_nothing(straight: tuple[list[Event], DemoState], tmp_path: Path) -> None:
    """150 bars, a restart and 150 bars are the same decisions, reports and accounts as 300 bars, to the last bit."""
    events: list[Event] = []
    for _ in range(2):
        replay = open_replay(tmp_path / "state.json", "t", 7, events.append)
        replay.run(GO, limit=DECISIONS // 2)

    told, expected = without_keys(events), without_keys(straight[0])
    for kind in (Decision, ExecutionReport, Matured, Tripped, Progress):
        assert of_kind(kind, told) == of_kind(kind, expected)
    assert StateFile(tmp_path / "state.json").load() == replay.state
    assert state_without_keys(replay.state) == state_without_keys(straight[1])


def test_300_bars(straight: tuple[list[Event], DemoState]) -> None:
    """Both strategies trade both symbols, with fills whole and partial, cancels and orders that expire."""
    events, state = straight
    decisions = of_kind(Decision, events)
    updates = Counter(report.status for report in of_kind(ExecutionReport, events))

    assert len(decisions) == DECISIONS
    assert {(d.strategy, d.symbol) for d in decisions if d.orders} == {
        (strategy.name, symbol) for strategy in STRATEGIES for symbol in SYMBOLS
    }
    assert min(updates[status] for status in ("new", "partially_filled", "filled", "expired", "canceled")) >= 3
    assert all(len(decision.predictions) == 5 for decision in decisions)
    assert of_kind(Progress, events)[-1] == Progress(DECISIONS, 4_715 * len(SYMBOLS) * len(STRATEGIES))
    assert state.step == DECISIONS


def test_the_bots_own_counts(straight: tuple[list[Event], DemoState]) -> None:
    """What each bot counted is what was told to its view."""
    events, state = straight
    for strategy in STRATEGIES:
        tally = state.bots[strategy.name].book.tally
        reports = [report for report in of_kind(ExecutionReport, events) if report.account == strategy.name]
        decisions = [decision for decision in of_kind(Decision, events) if decision.strategy == strategy.name]
        fills = [report for report in reports if report.last_quantity is not None]

        assert tally.decisions == Counter(decision.action for decision in decisions)
        assert tally.votes == 5 * len(decisions)
        assert tally.orders == sum(len(decision.orders) for decision in decisions)
        assert tally.denied == sum(len(decision.denied) for decision in decisions)
        assert tally.updates == Counter(report.status for report in reports)
        assert tally.rejections == Counter(report.reason for report in reports if report.reason is not None)
        assert tally.fills == len(fills)
        assert tally.fees - tally.rebates == sum((report.fee for report in fills), Decimal(0))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 79), max_size=4, unique=True))
def test_stopped_anywhere(stops: list[int]) -> None:
    """Wherever a session is stopped and started again, it does what one without stops does."""
    expected: list[Event] = []
    whole = small(small_state(), expected.append)
    whole.run(GO, limit=80)
    events: list[Event] = []
    state = small_state()
    for stop in sorted([*stops, 80]):
        small(state, events.append).run(GO, limit=stop - state.step)
        state = msgspec.json.decode(msgspec.json.encode(state), type=DemoState)

    assert without_keys([event for event in events if not isinstance(event, Training)]) == without_keys(
        [event for event in expected if not isinstance(event, Training)]
    )
    assert state_without_keys(state) == state_without_keys(whole.state)


def test_laps() -> None:
    """At the end of the data everything is closed, and another lap begins with the same money and new ids."""
    events: list[Event] = []
    replay = small(small_state(), events.append)
    assert replay.total == 20 * 2 * 2
    replay.run(GO, limit=replay.total)

    assert (replay.state.lap, replay.state.step) == (2, 0)
    assert replay.trading.venue.state.resting == {}
    for bot in replay.trading.bots.values():
        assert [bot.state.book.account.quantity(symbol) for symbol in "XY"] == [0, 0]
        assert all(ensemble.awaited == [] for ensemble in bot.state.ensembles.values())
    before = {name: bot.state.book.equity for name, bot in replay.trading.bots.items()}
    assert len(set(before.values())) == 2
    first = replay.step()
    assert first.equity == before[first.strategy]
    replay.run(GO, limit=replay.total - 1)
    assert replay.state.lap == 3
    keys = [decision.key for decision in of_kind(Decision, events)]
    orders = [order.client_id for decision in of_kind(Decision, events) for order in decision.orders]
    assert len(set(keys)) == len(keys) == 2 * replay.total
    assert len(set(orders)) == len(orders) > 0


def test_stop_ends_a_wait(tmp_path: Path) -> None:
    """A session that waits for its next decision ends at once when it is told to, and has saved."""
    stop = threading.Event()
    file = StateFile(tmp_path / "state.json")

    def view(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 2:
            stop.set()

    replay = small(small_state(), view, file)
    replay.run(GO, limit=1)
    assert replay.run(stop, pace=3_600) == 1
    saved = file.load()
    assert saved is not None
    assert saved.step == 2
    assert small(saved).run(stop) == 0


def test_pace(tmp_path: Path) -> None:
    """At a pace every decision is saved at once, so that even a killed process loses none of what was seen."""
    file = StateFile(tmp_path / "state.json")
    steps = []

    def view(event: Event) -> None:
        if isinstance(event, Progress):
            saved = file.load()
            steps.append(0 if saved is None else saved.step)

    small(small_state(), view, file).run(GO, limit=4, pace=0.001)

    assert steps == [0, 1, 2, 3]


def test_full_speed_saves_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At full speed the state is saved when enough time has passed, and at the end."""
    monkeypatch.setattr("ares_otel.demo.session.SAVE_INTERVAL", -1.0)
    saves = []
    monkeypatch.setattr(StateFile, "save", lambda _file, state: saves.append(state.step))
    small(small_state(), file=StateFile(tmp_path / "s")).run(GO, limit=3)

    assert saves == [1, 2, 3, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM during a decision: it is finished and saved; afterwards signals mean what they meant."""
    file = StateFile(tmp_path / "state.json")
    before = signal.getsignal(number)

    def view(event: Event) -> None:
        if event == Progress(9, 80):  # the ninth decision is taken, but not yet saved
            os.kill(os.getpid(), number)

    with stop_signals() as stop:
        replay = small(small_state(), view, file)
        done = replay.run(stop)

    assert signal.getsignal(number) is before
    assert stop.is_set()
    assert 9 <= done < replay.total
    saved = file.load()
    assert saved == replay.state
    assert saved is not None
    assert saved.step == done


def test_error_saves_nothing_half(tmp_path: Path) -> None:
    """An error inside a decision passes on, and the saved state is the one before."""
    file = StateFile(tmp_path / "state.json")
    small(small_state(), file=file).run(GO, limit=6)

    def broken(event: Event) -> None:
        raise RuntimeError(f"the view broke at {event}")

    saved = file.load()
    assert saved is not None
    with pytest.raises(RuntimeError, match="the view broke"):
        small(saved, broken, file).run(GO)
    again = file.load()
    assert again is not None
    assert again.step == 6


def test_another_seed(tmp_path: Path) -> None:
    """A state that was made with another seed is refused: it would go on as neither."""
    path = tmp_path / "state.json"
    StateFile(path).save(new_state("t", 7, STRATEGIES, SYMBOLS, VenueRules()))

    with pytest.raises(StateError, match="made with seed 7, not 8"):
        open_replay(path, "t", 8)


def bar_of(times: Sequence[datetime], report: ExecutionReport) -> int:
    """Return the row of the bar that a fill happened in."""
    return bisect.bisect_left(times, report.time)


def test_a_crisis() -> None:
    """2006 to 2011: books and venue agree at all times, fills lie inside their bars, every order comes to an end."""
    events: list[Event] = []
    markets = {symbol: Market(real_market(symbol).bars[1_500:3_000]) for symbol in SYMBOLS}
    state = new_state("t", 7, STRATEGIES, SYMBOLS, VenueRules())
    replay = Replay(Trading(markets, STRATEGIES, VenueRules(), state, events.append, cheap_members))
    while state.lap == 1:
        replay.run(GO, limit=replay.total // 20)
        for name, bot in replay.trading.bots.items():
            assert bot.state.book.account == replay.trading.venue.account(name)
    reports = of_kind(ExecutionReport, events)
    orders = [order for decision in of_kind(Decision, events) for order in decision.orders]

    assert len(orders) >= 300
    assert Counter(report.client_id for report in reports if report.status in FINAL) == {
        order.client_id: 1 for order in orders
    }
    assert {"price_band", "insufficient_funds"} <= {report.reason for report in reports}
    for symbol, market in markets.items():
        times = [bar.time for bar in market.bars]
        for report in reports:
            if report.symbol == symbol and report.last_price is not None:
                bar = market.bars[bar_of(times, report)]
                assert bar.low <= float(report.last_price) <= bar.high
                assert (bar.time - report.time) <= VenueRules().session
