"""How the paper venue fills an order inside one bar: when, at what prices, in how many pieces.

All draws come from a generator made of the venue's seed, the order's number and its age, so that nothing has to be
remembered between two bars and a restarted venue fills exactly as one that never stopped.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import NamedTuple

from ares_otel.demo.bars import Bar
from ares_otel.demo.orders import Liquidity, Side, whole_lots
from ares_otel.demo.rules import VenueRules

__all__ = ["Fill", "PriceGrid", "delay", "limit_fills", "market_fills"]


class Fill(NamedTuple):
    """One piece of an order, filled."""

    time: datetime
    quantity: Decimal
    price: Decimal
    liquidity: Liquidity


class PriceGrid:
    """The prices that trade inside a bar: the multiples of a tick from its low to its high, if there are any."""

    def __init__(self, bar: Bar, tick: Decimal) -> None:
        self._tick = tick
        self._low = math.ceil(Decimal(repr(bar.low)) / tick)
        self._high = math.floor(Decimal(repr(bar.high)) / tick)

    def __bool__(self) -> bool:
        return self._low <= self._high

    def price(self, value: float | Decimal) -> Decimal:
        """Return the price on the grid that is nearest to a value."""
        ticks = round(Decimal(repr(value) if isinstance(value, float) else value) / self._tick)
        return min(max(ticks, self._low), self._high) * self._tick


def delay(random: Random, median_ms: float, sigma: float) -> timedelta:
    """Draw a log-normal time, at least one microsecond."""
    return timedelta(microseconds=max(1, round(1_000 * median_ms * math.exp(random.gauss(0, sigma)))))


def market_fills(
    random: Random, rules: VenueRules, bar: Bar, side: Side, quantity: Decimal, earliest: datetime
) -> list[Fill]:
    """Fill a market order whole: near the open, a little worse or better, never outside the bar.

    Args:
        random: source of all draws.
        rules: the venue's declared behaviour.
        bar: the bar to fill in.
        side: side of the order.
        quantity: what is left of it, above zero.
        earliest: no fill is earlier; the acknowledgement of the order.

    Returns:
        One to `rules.slices` fills in order of time; none if no price on the grid lies inside the bar.
    """
    grid = PriceGrid(bar, rules.tick)
    if not grid:
        return []
    worst, best = (bar.high, bar.low) if side == "buy" else (bar.low, bar.high)
    time, end = max(bar.time - rules.session, earliest), max(bar.time, earliest)
    fills = []
    for piece in _pieces(random, rules, quantity):
        time = min(time + delay(random, rules.fill_median_ms, rules.fill_sigma), end)
        towards = best if random.random() < rules.improvement_share else worst
        way = min(1.0, random.expovariate(1 / rules.slippage_share))
        fills.append(Fill(time, piece, grid.price(bar.open + way * (towards - bar.open)), "taker"))
    return fills


def limit_fills(
    random: Random, rules: VenueRules, bar: Bar, side: Side, quantity: Decimal, limit: Decimal, earliest: datetime
) -> list[Fill]:
    """Fill a limit order as far as the bar reaches it, at its limit or, if the bar opens beyond it, at the open.

    Takes and returns what `market_fills` does, and the limit price. A bar that only just touches the limit fills a
    part of the order; one that does not reach it fills nothing.
    """
    grid = PriceGrid(bar, rules.tick)
    price = float(limit)
    beyond = price - bar.low if side == "buy" else bar.high - price
    if not grid or beyond < 0:
        return []
    at_open = bar.open <= price if side == "buy" else bar.open >= price
    if at_open:
        time = max(bar.time - rules.session, earliest) + delay(random, rules.fill_median_ms, rules.fill_sigma)
        return [Fill(min(time, max(bar.time, earliest)), quantity, grid.price(bar.open), "taker")]
    pieces = _pieces(random, rules, _reached(rules, quantity, beyond, bar.high - bar.low))
    times = _times(random, max(bar.time - rules.session, earliest), bar.time, len(pieces))
    return [Fill(time, piece, limit, "maker") for time, piece in zip(times, pieces, strict=True)]


def _reached(rules: VenueRules, quantity: Decimal, beyond: float, height: float) -> Decimal:
    """How much of a resting order is filled when the bar goes this far beyond its limit: at least one lot."""
    enough = rules.touch_share * height
    share = 1.0 if beyond >= enough else beyond / enough
    return max(rules.lot, min(quantity, whole_lots(float(quantity) * share, rules.lot)))


def _pieces(random: Random, rules: VenueRules, quantity: Decimal) -> list[Decimal]:
    """Cut a quantity into whole lots: one piece, or two to `rules.slices` of them."""
    lots = int(quantity / rules.lot)
    pieces = random.randint(2, rules.slices) if random.random() < rules.partial_share else 1
    cuts = sorted(random.sample(range(1, lots), min(pieces, lots) - 1))
    return [(end - begin) * rules.lot for begin, end in pairwise([0, *cuts, lots])]


def _times(random: Random, begin: datetime, end: datetime, count: int) -> list[datetime]:
    """Draw moments between two others, in order."""
    span = max(end - begin, timedelta())
    return sorted(begin + span * random.random() for _ in range(count))
