"""What several tests of the demo need: real and made-up bars, and members that cost no time."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st
from msgspec import json, structs

from ares_otel.demo.bars import Bar, load_bars
from ares_otel.demo.ensemble import Matured, Verdict
from ares_otel.demo.events import Decision, Event
from ares_otel.demo.market import Market
from ares_otel.demo.members import Member, Rule
from ares_otel.demo.orders import Order
from ares_otel.demo.regime import REGIMES, RegimeReading
from ares_otel.demo.state import DemoState
from ares_otel.demo.strategy import Situation

__all__ = [
    "DAY",
    "START",
    "bars",
    "cheap_members",
    "drawn_bars",
    "make_bar",
    "order",
    "real_market",
    "regime",
    "situation",
    "state_without_keys",
    "verdict",
    "walk",
    "without_keys",
]

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@functools.cache
def real_market(symbol: str) -> Market:
    """Return the whole history of an index, computed once for all tests; nobody may append to it."""
    return Market(load_bars(symbol))


def make_bar(close: float, *, low: float | None = None, high: float | None = None, **details: Any) -> Bar:
    """Return a bar that opens and closes at one price unless told otherwise."""
    opened = details.pop("open", close)
    return Bar(
        symbol=details.pop("symbol", "X"),
        time=details.pop("time", START),
        open=opened,
        high=max(opened, close) if high is None else high,
        low=min(opened, close) if low is None else low,
        close=close,
        volume=details.pop("volume", 1_000.0),
    )


def walk(count: int, seed: int, symbol: str = "X", step: timedelta = DAY, volatility: float = 0.01) -> list[Bar]:
    """Return bars of a random walk, in hundredths, with gaps, ranges and volumes."""
    draw = np.random.default_rng(seed)
    price, result = 100.0, []
    for number in range(count):
        opened = price * float(np.exp(draw.normal(0, volatility / 3)))
        price = opened * float(np.exp(draw.normal(0, volatility)))
        ends = sorted((round(opened, 2), round(price, 2)))
        low = round(ends[0] * (1 - abs(float(draw.normal(0, volatility / 2)))), 2)
        high = round(ends[1] * (1 + abs(float(draw.normal(0, volatility / 2)))), 2)
        volume = float(draw.integers(1, 10_000))
        result.append(Bar(symbol, START + number * step, round(opened, 2), high, low, round(price, 2), volume))
    return result


def bars(prices: Sequence[float]) -> list[Bar]:
    """Return bars without range that close at these prices."""
    return [make_bar(price, time=START + number * DAY) for number, price in enumerate(prices)]


def cheap_members() -> tuple[Member, ...]:
    """Return two members that are fitted in no time."""
    return Rule("momentum", {"return_20": 1.0}), Rule("mean_reversion", {"rsi_14": -1.0, "return_1": -0.5})


def order(**changes: Any) -> Order:
    """Return a market order to buy one unit of X, or what the changes make of it."""
    details: dict[str, Any] = {
        "client_id": "c1",
        "account": "a",
        "symbol": "X",
        "side": "buy",
        "type": "market" if changes.get("price") is None else "limit",
        "quantity": Decimal(1),
        "price": None,
        "time_in_force": "day",
        "time": START,
    }
    return Order(**details | changes)


def verdict(action: Any = "buy", confidence: float = 0.7, tilt: float | None = None) -> Verdict:
    """Return a verdict of one's choice."""
    lean = {"buy": 0.3, "sell": -0.3, "hold": 0.0}[action] if tilt is None else tilt
    return Verdict(action, action, confidence, 0.6, 0.8, lean, {"m": 1.0}, f"weighted vote for {action}")


def regime(name: str = "sideways", confidence: float = 0.9) -> RegimeReading:
    """Return a reading that gives one regime this probability and shares the rest."""
    rest = (1 - confidence) / (len(REGIMES) - 1)
    return RegimeReading(name, confidence, {each: confidence if each == name else rest for each in REGIMES}, {}, 3)


def situation(**changes: Any) -> Situation:
    """Return a situation with nothing held at a price of 100, or what the changes make of it."""
    details: dict[str, Any] = {
        "symbol": "X",
        "price": 100.0,
        "volatility": 0.01,
        "stretch": -2.0,
        "verdict": verdict(),
        "regime": regime(),
        "equity": Decimal(10_000),
        "position": Decimal(0),
        "entry_price": None,
        "held": 0,
        "working": (),
        "free": 1.0,
        "caution": 1.0,
        "flatten": "",
        "tick": Decimal("0.01"),
        "lot": Decimal("0.01"),
    }
    return Situation(**details | changes)


def without_keys(events: Sequence[Event]) -> list[Event]:
    """Return what happened without the keys of decisions: these are new each time, the rest is to be the same."""
    return [structs.replace(e, key="") if isinstance(e, Decision | Matured) else e for e in events]


def state_without_keys(state: DemoState) -> DemoState:
    """Return a copy of a state without the keys of the decisions whose outcome it waits for."""
    copy = json.decode(json.encode(state), type=DemoState)
    for bot in copy.bots.values():
        for ensemble in bot.ensembles.values():
            for awaited in ensemble.awaited:
                awaited.key = ""
    return copy


@st.composite
def drawn_bars(draw: st.DrawFn) -> Bar:
    """Draw a bar with prices in hundredths, often flat or narrow."""
    prices = sorted(draw(st.lists(st.integers(100, 100_000), min_size=4, max_size=4)))
    if draw(st.booleans()):
        prices = [prices[0] + offset for offset in sorted(draw(st.lists(st.integers(0, 5), min_size=4, max_size=4)))]
    low, one, other, high = (price / 100 for price in prices)
    opened, close = draw(st.permutations([one, other]))
    return make_bar(close, open=opened, low=low, high=high, time=START + DAY)
