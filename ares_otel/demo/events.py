"""What happens in a bot, as values. The bot hands each to its view and never prints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import msgspec

from ares_otel.demo.ensemble import Matured, Verdict
from ares_otel.demo.members import Action, Prediction
from ares_otel.demo.orders import ExecutionReport, Order
from ares_otel.demo.regime import RegimeReading
from ares_otel.demo.risk import Check
from ares_otel.demo.strategy import PathStep
from ares_otel.demo.walkforward import Training

__all__ = ["Decision", "Event", "Progress", "Tripped", "Trouble", "View", "ignore"]


class Decision(msgspec.Struct, frozen=True):
    """One decision as it was taken. The reports on its orders that came at once were told just before it.

    Attributes:
        key: unique name of the decision.
        time: end of the bar that was decided on.
        symbol: what was decided about.
        strategy: who decided.
        price: last price.
        action: what is done: `buy`, `sell`, or `hold` if no order was sent.
        reason: why, in words.
        predictions: what each member said.
        verdict: what the vote came to.
        regime: of the market.
        path: the comparisons on the way.
        checks: pre-trade checks of each order, by client id, sent or not.
        orders: that were sent.
        denied: orders that a check stopped.
        position: units held before the orders, negative when short.
        equity: of the strategy.
    """

    key: str
    time: datetime
    symbol: str
    strategy: str
    price: float
    action: Action
    reason: str
    predictions: tuple[Prediction, ...]
    verdict: Verdict
    regime: RegimeReading
    path: tuple[PathStep, ...]
    checks: dict[str, tuple[Check, ...]]
    orders: tuple[Order, ...]
    denied: tuple[Order, ...]
    position: Decimal
    equity: Decimal


class Tripped(msgspec.Struct, frozen=True):
    """The kill switch of a strategy tripped at this drawdown (0..1)."""

    strategy: str
    time: datetime
    drawdown: float


class Progress(msgspec.Struct, frozen=True):
    """So many decisions of this pass through history are done."""

    done: int
    total: int


class Trouble(msgspec.Struct, frozen=True):
    """Something outside does not work for the moment; the bot goes on trying."""

    message: str


Event: TypeAlias = Training | Matured | ExecutionReport | Decision | Tripped | Progress | Trouble
"""Told in the order in which it happens."""

View: TypeAlias = Callable[[Event], None]
"""Whoever watches a bot; `list.append` is a view, too."""


def ignore(event: Event) -> None:
    """Watch nothing."""
