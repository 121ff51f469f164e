"""From a verdict to orders: two strategies with the same members and different manners.

- `Swing` rides a move for a week: market orders, out when the vote turns or the week is over.
- `Reversion` lies in wait below or above the market: limit orders for a day, a resting order that takes the profit,
  and out after two days.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from ares_otel.demo.ensemble import Verdict
from ares_otel.demo.members import Action
from ares_otel.demo.orders import Order, OrderType, Side, TimeInForce, rounded, whole_lots
from ares_otel.demo.regime import RegimeReading
from ares_otel.demo.risk import RiskLimits

__all__ = ["Draft", "PathStep", "Plan", "Purpose", "Reversion", "Situation", "Strategy", "Swing", "Working"]

Purpose = Literal["open", "close", "take_profit"]

BASIS_POINTS = 10_000


class Working(msgspec.Struct):
    """An order of the bot that is not done.

    Attributes:
        order: what was sent.
        purpose: what it is for.
        filled: quantity filled so far.
    """

    order: Order
    purpose: Purpose
    filled: Decimal = Decimal(0)


class Situation(msgspec.Struct, frozen=True):
    """Everything that a strategy looks at.

    Attributes:
        symbol: what is traded.
        price: last price.
        volatility: standard deviation of the last month's returns per bar.
        stretch: distance of the price from its mean of ten bars, in volatilities of one bar.
        verdict: of the ensemble.
        regime: of the market.
        equity: of the strategy.
        position: units held, negative when short.
        entry_price: mean price of what is held; None when flat.
        held: bars since the position was opened.
        working: the strategy's orders in this symbol that are not done.
        free: share of the equity that is not in positions, 0..1.
        caution: 0..1, what the usual size is multiplied by.
        flatten: why everything has to be closed; empty if it has not.
        tick: multiples of which prices are.
        lot: multiples of which quantities are.
    """

    symbol: str
    price: float
    volatility: float
    stretch: float
    verdict: Verdict
    regime: RegimeReading
    equity: Decimal
    position: Decimal
    entry_price: Decimal | None
    held: int
    working: tuple[Working, ...]
    free: float
    caution: float
    flatten: str
    tick: Decimal
    lot: Decimal


class PathStep(msgspec.Struct, frozen=True):
    """One comparison on the way to a decision.

    Attributes:
        step: what was compared.
        value: what was found.
        threshold: what it was compared with.
        passed: whether it went on.
    """

    step: str
    value: float
    threshold: float
    passed: bool


class Draft(msgspec.Struct, frozen=True):
    """An order before it has an id and was checked."""

    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    purpose: Purpose


class Plan(msgspec.Struct, frozen=True):
    """What the strategy wants to do.

    Attributes:
        action: its direction; `hold` if no order is wanted.
        reason: why, in words.
        path: the comparisons that were made.
        cancels: client ids of orders to take back.
        drafts: orders to send.
    """

    action: Action
    reason: str
    path: tuple[PathStep, ...] = ()
    cancels: tuple[str, ...] = ()
    drafts: tuple[Draft, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Strategy(ABC):
    """What both strategies have in common.

    Attributes:
        name: of the strategy; also of its account.
        horizon: bars that a position is meant to last, and that its models look ahead.
        threshold: share of the weighted vote that has to be exceeded, 0..1.
        max_weight: largest value of a new position as a share of equity.
        risk_per_bar: wanted standard deviation of a position's value per bar, as a share of equity.
        least_edge_bp: smallest expected move worth its costs, in basis points.
        short_share: size of a short position as a share of a long one: indices drift upwards.
        limits: for the checks before each order, and the kill switch.
    """

    name: str
    horizon: int
    threshold: float
    max_weight: float
    risk_per_bar: float = 0.006
    least_edge_bp: float = 8.0
    short_share: float = 0.5
    limits: RiskLimits = field(default_factory=RiskLimits)

    def plan(self, now: Situation) -> Plan:
        """Decide what to do: close everything, care for what is held, or open something."""
        if now.flatten:
            return self._leave(now, now.flatten, PathStep("everything_closed", 1.0, 0.0, passed=False))
        if now.position:
            return self._manage(now)
        return self._enter(now)

    @abstractmethod
    def _manage(self, now: Situation) -> Plan:
        """Care for an open position."""

    @abstractmethod
    def _opening(self, now: Situation, side: Side, quantity: Decimal) -> Draft:
        """Return the order that opens a position."""

    def _enter(self, now: Situation) -> Plan:
        quantity = self._size(now)
        path = (*self._gates(now), PathStep("size", float(quantity), 0.0, quantity > 0))
        failed = next((step for step in path if not step.passed), None)
        if failed is not None:
            return Plan("hold", f"{now.verdict.reason}; stopped by {failed.step}", path)
        side: Side = "buy" if now.verdict.action == "buy" else "sell_short"
        return Plan(_action(side), now.verdict.reason, path, (), (self._opening(now, side, quantity),))

    def _gates(self, now: Situation) -> tuple[PathStep, ...]:
        verdict = now.verdict
        direction = _direction(verdict.action)
        edge = direction * verdict.tilt * now.volatility * math.sqrt(self.horizon) * BASIS_POINTS
        return (
            PathStep("vote", verdict.confidence, verdict.threshold, direction != 0),
            PathStep("edge_bp", edge, self.least_edge_bp, edge >= self.least_edge_bp),
        )

    def _size(self, now: Situation) -> Decimal:
        """Return a quantity that moves by `risk_per_bar` of the equity in a usual bar, as far as equity is free."""
        share = self.short_share if now.verdict.action == "sell" else 1.0
        weight = min(self.max_weight, self.risk_per_bar / now.volatility, now.free) * share * now.caution
        return whole_lots(float(now.equity) * weight / now.price, now.lot)

    def _leave(self, now: Situation, why: str, *path: PathStep) -> Plan:
        """Take all orders back and close what is held."""
        cancels = tuple(each.order.client_id for each in now.working)
        if not now.position:
            return Plan("hold", why, path, cancels)
        side: Side = "sell" if now.position > 0 else "buy"
        drafts = tuple(Draft(side, "market", quantity, None, "day", "close") for quantity in _pieces(now))
        return Plan(_action(side), f"close: {why}", path, cancels, drafts)

    def _support(self, now: Situation) -> PathStep:
        """Compare the vote with what is held: 1 for it, 0 undecided, -1 against it."""
        vote = _direction(now.verdict.action) * (1 if now.position > 0 else -1)
        return PathStep("vote_for_position", vote, 0.0, vote >= 0)


@dataclass(frozen=True, kw_only=True)
class Swing(Strategy):
    """Rides a move: in and out at the market.

    Attributes:
        most_against: probability of a trend the other way above which nothing is opened.
    """

    most_against: float = 0.8

    def _manage(self, now: Situation) -> Plan:
        age = PathStep("bars_held", now.held, self.horizon, now.held < self.horizon)
        support = self._support(now)
        if not support.passed:
            return self._leave(now, f"{now.verdict.reason}, against the position", support)
        if age.passed or _direction(now.verdict.action) * now.position > 0:
            return Plan("hold", f"{now.verdict.reason}; position kept", (support, age))
        return self._leave(now, f"held for {now.held} bars, no new vote for it", support, age)

    def _opening(self, now: Situation, side: Side, quantity: Decimal) -> Draft:  # noqa: ARG002 - the market has no price
        return Draft(side, "market", quantity, None, "day", "open")

    def _gates(self, now: Situation) -> tuple[PathStep, ...]:
        against = now.regime.probabilities["bear_trend" if now.verdict.action == "buy" else "bull_trend"]
        return (
            *super()._gates(now),
            PathStep("trend_against", against, self.most_against, against <= self.most_against),
        )


@dataclass(frozen=True, kw_only=True)
class Reversion(Strategy):
    """Lies in wait: opens at a limit away from the market, takes its profit at a limit, gives up after its horizon.

    Attributes:
        offset: distance of the opening limit from the last price, in volatilities of one bar.
        patience: bars after which a position that did not reach its profit is closed.
        profit: distance of the profit limit from the entry price, in volatilities of one bar.
        least_stretch: how far the price has to be on the other side of its mean, in volatilities of one bar.
        most_breakout: probability of a breakout above which nothing is opened: it would be run over.
    """

    offset: float = 0.5
    patience: int = 3
    profit: float = 1.5
    least_stretch: float = 1.0
    most_breakout: float = 0.3

    def _manage(self, now: Situation) -> Plan:
        age = PathStep("bars_held", now.held, self.patience, now.held < self.patience)
        support = self._support(now)
        if not support.passed:
            return self._leave(now, f"{now.verdict.reason}, against the position", support)
        if not age.passed:
            return self._leave(now, f"held for {now.held} bars without reaching the profit", support, age)
        if now.working:
            return Plan("hold", f"{now.verdict.reason}; waiting for the profit", (support, age))
        side: Side = "sell" if now.position > 0 else "buy"
        price = self._profit_price(now)
        drafts = tuple(Draft(side, "limit", quantity, price, "gtc", "take_profit") for quantity in _pieces(now))
        return Plan(_action(side), f"take the profit at {price}", (support, age), (), drafts)

    def _profit_price(self, now: Situation) -> Decimal:
        """Return a price that is a profit, and no worse than the last price if that has gone further already."""
        entry, away = float(now.entry_price or now.price), self.profit * now.volatility
        best = max(now.price, entry * (1 + away)) if now.position > 0 else min(now.price, entry * (1 - away))
        return rounded(best, now.tick)

    def _opening(self, now: Situation, side: Side, quantity: Decimal) -> Draft:
        away = self.offset * now.volatility
        price = now.price * (1 - away if side == "buy" else 1 + away)
        return Draft(side, "limit", quantity, rounded(price, now.tick), "day", "open")

    def _gates(self, now: Situation) -> tuple[PathStep, ...]:
        against = -_direction(now.verdict.action) * now.stretch
        breakout = now.regime.probabilities["breakout"]
        return (
            *super()._gates(now),
            PathStep("stretch", against, self.least_stretch, against >= self.least_stretch),
            PathStep("breakout", breakout, self.most_breakout, breakout <= self.most_breakout),
        )


def _direction(action: Action) -> int:
    return {"buy": 1, "hold": 0, "sell": -1}[action]


def _action(side: Side) -> Action:
    return "buy" if side == "buy" else "sell"


def _pieces(now: Situation) -> list[Decimal]:
    """Cut what is held into orders: one, or more while the venue's last refusal of a large one is fresh."""
    held = abs(now.position)
    piece = max(now.lot, whole_lots(float(held) * now.caution, now.lot))
    whole, rest = divmod(held, piece)
    return [piece] * int(whole) + [rest] * (rest > 0)
