"""What the ledger made of an execution report, kept in the ring: what is told twice is told in the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from ares_otel.decision.deciding import Note
from ares_otel.decision.ringed import Kind, write
from ares_otel.pipeline.ring import Ring
from ares_otel.records import Order, OrderUpdate
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.semconv.enums import OrderStatus

__all__ = ["Reported", "keep_report"]

DERIVED: Final = (
    "valid",
    "duplicate",
    "fill_quantity",
    "cum_quantity",
    "avg_price",
    "leaves_quantity",
    "ack_seconds",
    "slippage_bps",
    "shortfall_bps",
)
PLACE: Final = tuple(name for name in Origin.__struct_fields__ if name not in {"trace_id", "started", "exemplar"})


def keep_report(ring: Ring | None, note: Note, facts: UpdateFacts) -> None:
    """Write what a report means, if there is a ring that has the report."""
    drawn: str | None = getattr(note, "drawn", None)
    if ring is None or drawn is None:
        return
    order, origin, prior = facts.order, facts.origin, facts.prior
    write(
        ring,
        (
            int(Kind.REPORT),
            drawn,
            facts.update.price,
            facts.update.fee,
            None if prior is None else str(prior),
            [getattr(facts, name) for name in DERIVED],
            origin.trace_id.to_bytes(16, "big"),
            [getattr(origin, name) for name in PLACE],
            None if order is None else msgspec.structs.astuple(msgspec.structs.replace(order, account=None)),
        ),
    )


class Reported:
    """A report as it was told before.

    Args:
        said: as it was written, without kind and ids.
        order_of: makes an order of its values.
    """

    def __init__(self, said: Sequence[Any], order_of: Callable[[Sequence[Any]], Order]) -> None:
        self._price, self._fee, prior, self._derived, trace, place, order = said[:7]
        self._prior = None if prior is None else OrderStatus(prior)
        self._origin = Origin(trace_id=int.from_bytes(trace, "big"), **dict(zip(PLACE, place, strict=True)))
        self._order = None if order is None else order_of(order)

    def facts(self, update: OrderUpdate) -> UpdateFacts:
        """Return what the report means."""
        told = msgspec.structs.replace(update, price=self._price, fee=self._fee)
        known = dict(zip(DERIVED, self._derived, strict=True))
        return UpdateFacts(told, self._origin, self._order, self._prior, **known)
