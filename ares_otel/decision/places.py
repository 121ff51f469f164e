"""Where what is said belongs: what every span of a decision carries, and what metrics and orders know of it."""

from __future__ import annotations

from typing import Any

import msgspec

from ares_otel.correlation.ids import ids_of
from ares_otel.decision.deciding import OpenDecision
from ares_otel.records.facts import Origin
from ares_otel.semconv import attributes as a

__all__ = ["NOWHERE", "Place", "place_of"]

NOWHERE = Origin()


class Place(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A decision's ids, made once for all that is told of it.

    `raw` are trace and span id as bytes, `trace` is the trace id in hexadecimal.
    """

    live: OpenDecision
    trace_id: int
    span_id: int
    raw: bytes
    trace: str
    correlation_id: str
    decision_id: str

    @property
    def common(self) -> dict[str, Any]:
        """What every span of the decision carries."""
        said = {a.CORRELATION_ID.key: self.correlation_id, a.DECISION_ID.key: self.decision_id}
        if self.live.causation_id:
            said[a.CAUSATION_ID.key] = self.live.causation_id
        return said

    def origin(self, inside: int = 0, *, exemplar: bool = True) -> Origin:
        """Return where a record belongs.

        Args:
            inside: id of the span that was current, the decision's if 0.
            exemplar: an exemplar may name the trace.
        """
        live, span_id = self.live, self.span_id
        facts = live.facts
        # fmt: off
        return Origin(
            self.trace_id, inside or span_id, span_id, self.correlation_id, self.decision_id, live.causation_id,
            facts.strategy, facts.symbol, facts.venue, live.start, self.trace if exemplar else None,
        )
        # fmt: on


def place_of(live: OpenDecision) -> Place:
    """Return the ids of a decision; draws those that nobody has asked for so far."""
    trace, span = live.drawn_trace, live.drawn_span
    if not (trace and span):
        drawn_trace, drawn_span = ids_of(live.drawn or live.key)
        trace = live.drawn_trace = trace or drawn_trace
        span = live.drawn_span = span or drawn_span
    raw = (trace << 64 | span).to_bytes(24)
    digits = raw.hex()
    correlation = live.given_correlation or live.correlation_id
    # the last is what `decision_id` makes of the two
    return Place(live, trace, span, raw, digits[:32], correlation, digits[:12] + digits[32:])
