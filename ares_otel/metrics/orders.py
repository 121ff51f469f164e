"""Orders: what was sent, how the venue answered, how fast."""

from __future__ import annotations

from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import OrderFacts, UpdateFacts
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import OrderStatus, RejectReason

__all__ = ["Orders"]

REFUSED = frozenset({OrderStatus.REJECTED.value, OrderStatus.DENIED.value})
LATENCY = "order_update"


class Orders:
    """Group "orders" of the reference; open and unanswered orders are read from the ledger at the scrape.

    An update that was seen before is counted as a duplicate and nowhere else, so that the counts by status are those
    of the bot's own list. An update that FIX does not allow, or of an order that nobody knows, is counted as such
    and by its status.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._submitted = instruments.counter(m.ORDERS_SUBMITTED)
        self._updates = instruments.counter(m.ORDER_UPDATES)
        self._rejections = instruments.counter(m.ORDER_REJECTIONS)
        self._ack = instruments.histogram(m.ORDER_ACK)
        self._fill = instruments.histogram(m.ORDER_FILL)
        self._tick = instruments.histogram(m.TICK_TO_ORDER)
        self._invalid = instruments.counter(m.INVALID_TRANSITIONS)
        self._duplicate = instruments.counter(m.DUPLICATE_UPDATES)
        self._unknown = instruments.counter(m.UNKNOWN_UPDATES)
        self._negative = instruments.counter(m.NEGATIVE_LATENCY)

    def sent(self, facts: OrderFacts, at: float) -> None:
        """Count an order; its updates and rejections start at zero."""
        order, origin = facts.order, facts.origin
        strategy, symbol = order.strategy or origin.strategy, order.symbol or origin.symbol
        venue = order.venue or origin.venue
        count = self._submitted.cell((strategy, symbol, venue, order.side, order.type))
        if not count.value:
            self._updates.seed((strategy, symbol, venue))
            self._rejections.seed((strategy, venue))
            self._oddities(venue)
        count.value += 1.0
        waited = facts.tick_to_order
        if waited is not None:
            self._tick.cell((strategy,)).observe(waited, origin.exemplar, at)

    def updated(self, facts: UpdateFacts, at: float) -> None:
        """Count an execution report."""
        order, origin = facts.order, facts.origin
        strategy, symbol, venue = origin.strategy, origin.symbol, origin.venue
        if order is not None:
            strategy, symbol, venue = order.strategy or strategy, order.symbol or symbol, order.venue or venue
        if facts.duplicate:
            self._duplicate.cell((venue,)).inc()
            return
        update = facts.update
        self._updates.cell((strategy, symbol, venue, update.status)).inc()
        if update.status in REFUSED:
            self._rejections.cell((strategy, venue, update.reject_reason or RejectReason.OTHER)).inc()
        if not facts.valid:
            self._invalid.cell((venue,)).inc()
        if order is None:
            self._unknown.cell((venue,)).inc()
        self._timed(facts, venue, at)

    def _timed(self, facts: UpdateFacts, venue: str | None, at: float) -> None:
        kind = None if facts.order is None else facts.order.type
        trace = facts.origin.exemplar
        if facts.ack_seconds is not None:
            self._ack.cell((venue, kind)).observe(facts.ack_seconds, trace, at)
        if facts.fill_seconds is not None:
            self._fill.cell((venue, kind)).observe(facts.fill_seconds, trace, at)
        if facts.negative_latency:
            self._negative.cell((LATENCY,)).inc()

    def _oddities(self, venue: str | None) -> None:
        for family in (self._invalid, self._duplicate, self._unknown):
            family.seed((venue,))
        self._negative.seed((LATENCY,))
