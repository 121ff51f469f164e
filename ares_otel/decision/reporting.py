"""What the worker makes of an execution report: a span below its order's submission."""

from __future__ import annotations

from typing import Any

from ares_otel.correlation.ids import span_of, trace_of
from ares_otel.pipeline.model import LinkData, SpanData
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Attributes
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import OrderStatus

__all__ = ["update_span"]

ERROR = 2
INTERNAL = 1
SAMPLED = 0x101
REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.DENIED})


def update_span(facts: UpdateFacts, attributes: Attributes, wall: int, drawn: str | None = None) -> SpanData:
    """Return the span of an execution report: a child of its order's submission, linked to the decision.

    It is no consumer: that would be the other end of what its parent, a client, calls, and make the bot the venue.
    Its ids are made of what was `drawn` for it, if that is known.
    """
    origin, order = facts.origin, facts.order
    said: dict[str, Any] = {**_ids(origin), **attributes}
    derived = {
        a.SIDE: order.side if order else None,
        a.ORDER_TYPE: order.type if order else None,
        a.PRIOR_STATUS: facts.prior,
        a.TRANSITION_VALID: facts.valid,
        a.DUPLICATE: facts.duplicate or None,
        a.FILL_QUANTITY: facts.fill_quantity or None,
        a.FILL_PRICE: facts.update.price,
        a.CUM_QUANTITY: facts.cum_quantity,
        a.AVG_PRICE: facts.avg_price,
        a.LEAVES_QUANTITY: facts.leaves_quantity,
        a.ACK_DURATION: facts.ack_seconds,
        a.SLIPPAGE: facts.slippage_bps,
        a.SHORTFALL: facts.shortfall_bps,
        a.CURRENCY: order.currency if order else None,
        a.MULTIPLIER: order.multiplier if order else None,
    }
    said |= {attribute.key: value for attribute, value in derived.items() if value is not None}
    if facts.update.fee is None:
        said.pop(a.FEE.key, None)  # counted before: a new state that repeats its fill
    refused = facts.update.status in REFUSED
    links = (LinkData(origin.trace_id, origin.decision_span_id, {}),) if origin.decision_span_id else ()
    trace = origin.trace_id or trace_of(drawn or RECORDER.ids.draw(wall))
    return SpanData(
        *(trace, span_of(drawn) if drawn else RECORDER.ids.span(), origin.span_id, s.ORDER_UPDATE.name, INTERNAL),
        *(wall, wall, said),
        links=links,
        status=ERROR if refused else 0,
        message=str(facts.update.text or facts.update.reject_reason or "") if refused else "",
        flags=SAMPLED,
    )


def _ids(origin: Origin) -> dict[str, Any]:
    said = {
        a.CORRELATION_ID: origin.correlation_id,
        a.DECISION_ID: origin.decision_id,
        a.CAUSATION_ID: origin.causation_id,
        a.STRATEGY: origin.strategy,
        a.SYMBOL: origin.symbol,
        a.VENUE: origin.venue,
    }
    return {attribute.key: value for attribute, value in said.items() if value is not None}
