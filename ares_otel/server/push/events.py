"""What the live stream says; every message is one JSON object, and what is unknown is left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

__all__ = ["TOPICS", "Decision", "Equity", "Event", "Fact", "Health", "Message", "Order", "Update", "moment"]


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all telemetry has; times are ISO 8601 in UTC, durations seconds."""

    time: str
    correlation_id: str | None = None
    trace_id: str | None = None
    strategy: str | None = None
    symbol: str | None = None
    venue: str | None = None
    market_time: str | None = None


class Decision(Fact, frozen=True, kw_only=True):
    """A decision that ended."""

    decision_id: str | None = None
    action: str | None = None
    confidence: float | None = None
    regime: str | None = None
    price: float | None = None
    duration_seconds: float | None = None
    error: bool = False


class Order(Fact, frozen=True, kw_only=True):
    """An order that was sent."""

    client_order_id: str | None = None
    side: str | None = None
    type: str | None = None
    quantity: float | None = None
    price: float | None = None


class Update(Fact, frozen=True, kw_only=True):
    """An execution report."""

    client_order_id: str | None = None
    status: str | None = None
    cum_quantity: float | None = None
    avg_price: float | None = None
    fill_quantity: float | None = None
    fill_price: float | None = None
    fee: float | None = None
    fee_currency: str | None = None
    slippage_bps: float | None = None
    reject_reason: str | None = None


class Equity(Fact, frozen=True, kw_only=True):
    """Equity as the bot keeps it."""

    currency: str | None = None
    equity: float | None = None
    cash: float | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the server does; sums are since its start."""

    time: str
    status: str
    problem: str | None = None
    spans_stored: int
    spans_per_second: float | None = None
    queue_length: int
    clients: int


Event: TypeAlias = Decision | Order | Update | Equity | Health

TOPICS: Final = ("decision", "order", "update", "equity", "health")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way.

    Attributes:
        topic: one of `TOPICS`.
        key: what it is the state of, within its topic: a newer message with the same key replaces it.
        number: of the message; later ones have greater ones.
        event: what it says.
        text: the message as a JSON object `{"topic", "id", "data"}`.
    """

    topic: str
    key: str
    number: int
    event: Event
    text: bytes

    @property
    def sse(self) -> bytes:
        """The message as a server-sent event."""
        return b"event: %b\nid: %b\ndata: %b\n\n" % (self.topic.encode(), self.id, self.text)

    @property
    def id(self) -> bytes:
        """Where a client goes on after this message."""
        # JSON of ours begins {"topic":"…","id":"…"
        return self.text.split(b'"', 8)[7]


def moment(nanoseconds: int) -> str | None:
    """Return a Unix time in ns as ISO 8601, to the µs; None for one that is out of range."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"
    except (OverflowError, OSError, ValueError):
        return None
