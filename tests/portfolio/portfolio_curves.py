"""Curves that performance is tested on: 200 generated ones, two indices, the equity of two strategies of the demo."""

from __future__ import annotations

import functools
import random

from ares_otel.demo.bars import SYMBOLS, load_bars
from ares_otel.demo.market import Market
from ares_otel.demo.members import Member, Rule
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import STRATEGIES, Replay, Trading, new_state
from ares_otel.portfolio.returns import Curve, daily_curve

__all__ = ["autoregressive", "curve_of", "generated", "real_curves"]

GENERATED = 200
DEMO_DAYS = 700


def autoregressive(n: int, rho: float, seed: int, mean: float = 0.0005, spread: float = 0.01) -> list[float]:
    """Return AR(1) returns of a stationary mean and deviation."""
    draw = random.Random(seed)  # noqa: S311  a simulation
    shock = spread * (1.0 - rho * rho) ** 0.5
    state, found = draw.gauss(0.0, spread), []
    for _ in range(n):
        found.append(mean + state)
        state = rho * state + draw.gauss(0.0, shock)
    return found


def curve_of(returns: list[float], start: float = 10_000.0) -> Curve:
    """Return the curve of some returns, a day apart."""
    values = [start]
    for value in returns:
        values.append(values[-1] * (1.0 + value))
    return Curve(tuple(range(len(values))), tuple(values))


def generated(number: int) -> Curve:
    """Return one of the generated curves: lengths of 30 to 1,500 days, calm and wild, rising and falling."""
    draw = random.Random(number)  # noqa: S311  a simulation
    n, spread = draw.randrange(30, 1_500), draw.choice((0.002, 0.01, 0.03))
    returns = autoregressive(n, draw.uniform(-0.4, 0.4), number, draw.gauss(0.0, 0.002), spread)
    idle = draw.random() * 0.5
    return curve_of([max(value, -0.5) if draw.random() > idle else 0.0 for value in returns], draw.uniform(1.5, 1e6))


@functools.cache
def real_curves() -> dict[str, Curve]:
    """Return the closes of two indices and the equity of two strategies that trade them in the demo."""
    indices = {
        symbol: daily_curve((round(bar.time.timestamp()) * 1_000_000_000, bar.close) for bar in load_bars(symbol))
        for symbol in SYMBOLS
    }
    return indices | _demo()


def _demo() -> dict[str, Curve]:
    markets = {symbol: Market(load_bars(symbol)) for symbol in SYMBOLS}
    state = new_state("curves", 1, STRATEGIES, SYMBOLS, VenueRules())
    replay = Replay(Trading(markets, STRATEGIES, VenueRules(), state, members=_members))
    points: dict[str, list[tuple[int, float]]] = {strategy.name: [] for strategy in STRATEGIES}
    for _ in range(DEMO_DAYS * len(STRATEGIES) * len(SYMBOLS)):
        replay.step()
        assert state.time is not None
        for name, bot in state.bots.items():
            points[name].append((round(state.time.timestamp()) * 1_000_000_000, float(bot.book.equity)))
    return {name: daily_curve(each) for name, each in points.items()}


def _members() -> tuple[Member, ...]:
    """Two members that are fitted in no time; the accounts they lead to are as real as any."""
    return Rule("momentum", {"return_20": 1.0}), Rule("mean_reversion", {"rsi_14": -1.0, "return_1": -0.5})
