"""The workload of docs/performance.md, "one decision", and what each way to make it observable has to do.

One decision: a root span with 8 attributes, three stages with 4 each, five votes with 4 each, an order with 6
attributes, the correlation id in baggage, 12 metric updates, one exemplar.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["BUCKETS", "MODELS", "Input", "Nothing", "Settings", "Variant", "inputs", "order_facts", "stages"]

MODELS = ("xgb", "lgbm", "lstm", "tcn", "transformer")
BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
QUEUE = 1 << 17
IDLE = 60.0


@dataclass(frozen=True, slots=True)
class Input:
    """What one decision is made from.

    No named tuple: reading its fields would be a twentieth of what we cost, and is the bot's business.
    """

    symbol: str
    strategy: str
    side: str
    regime: str
    price: float
    quantity: float
    confidence: float
    signal: float
    score: float
    features: int
    votes: tuple[tuple[str, str, float, float], ...]
    order_id: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How a variant is set up.

    Attributes:
        endpoint: where it sends to; the path tells the sink who it is.
        idle: nothing works in the background, so that the hot path is measured alone; else all is as its users have
            it, but for a queue that is long enough not to lose anything.
        queue: spans that may wait.
        delay: seconds between two exports when `idle`.
    """

    endpoint: str
    idle: bool
    queue: int = QUEUE
    delay: float = IDLE


class Variant(Protocol):
    """One way to make a decision observable."""

    def decide(self, given: Input) -> int:
        """Make one decision; return how many members agreed."""

    def flush(self) -> None:
        """Deliver what was recorded, outside the timed part."""

    def seen(self) -> Mapping[str, float] | None:
        """Return what its metrics say, None if they are sent to the sink."""

    def close(self) -> None:
        """End."""


def inputs(count: int = 1_024, seed: int = 1) -> list[Input]:
    """Return the same inputs in every run."""
    draw = random.Random(seed)  # noqa: S311  the same inputs in every run
    return [
        Input(
            symbol=draw.choice(["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"]),
            strategy=draw.choice(["trend", "reversion", "breakout"]),
            side=draw.choice(["buy", "sell"]),
            regime=draw.choice(["bull_trend", "bear_trend", "sideways", "high_volatility"]),
            price=draw.uniform(10, 60_000),
            quantity=draw.uniform(0.01, 5),
            confidence=draw.random(),
            signal=draw.uniform(-1, 1),
            score=draw.random(),
            features=draw.randrange(20, 200),
            votes=tuple((name, draw.choice(["buy", "sell", "hold"]), draw.random(), draw.random()) for name in MODELS),
            order_id=f"ord-{draw.getrandbits(64):016x}",
        )
        for _ in range(count)
    ]


def stages(given: Input) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the stages of a decision with what they say."""
    return (
        (
            "analyst",
            {"signal": given.signal, "score": given.score, "features": given.features, "regime": given.regime},
        ),
        ("strategist", {"bias": given.signal, "risk": given.score, "horizon": 15, "name": "x"}),
        ("tactician", {"entry": given.price, "stop": 0.98, "take": 1.05, "leverage": 2.0}),
    )


def order_facts(given: Input) -> dict[str, str | float]:
    """Return what is said of an order."""
    return {
        "order.id": given.order_id,
        "order.symbol": given.symbol,
        "order.side": given.side,
        "order.type": "limit",
        "order.quantity": given.quantity,
        "order.price": given.price,
    }


class Nothing:
    """The uninstrumented floor."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def decide(self, given: Input) -> int:
        """Count who agrees."""
        agree = 0
        for _, action, _, _ in given.votes:
            if action == given.side:
                agree += 1
        return agree

    def flush(self) -> None:
        """Nothing to deliver."""

    def seen(self) -> Mapping[str, float] | None:
        """Nothing to see."""
        return {}

    def close(self) -> None:
        """Nothing to end."""
