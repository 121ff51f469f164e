"""Where what is said belongs: what every span of a decision carries, and what metrics and orders know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ares_otel.decision.deciding import OpenDecision
from ares_otel.decision.live import LiveSpan
from ares_otel.records.facts import Origin
from ares_otel.semconv import attributes as a

__all__ = ["common_attributes", "origin_of"]


def common_attributes(live: OpenDecision) -> dict[str, Any]:
    """Return what every span of a decision carries."""
    said: dict[str, Any] = {a.CORRELATION_ID.key: live.correlation_id, a.DECISION_ID.key: live.decision_id}
    if live.causation_id:
        said[a.CAUSATION_ID.key] = live.causation_id
    return said


def origin_of(
    live: OpenDecision | None,
    inside: LiveSpan | None,
    *,
    exemplar: bool,
    common: Mapping[str, Any] | None = None,
) -> Origin:
    """Return where a record belongs: the decision, and the span that was current.

    Args:
        live: the decision.
        inside: the span.
        exemplar: an exemplar may name the trace.
        common: what every span of the decision carries, if it is known already.
    """
    if live is None:
        return Origin()
    facts, common, trace = live.facts, common or common_attributes(live), live.trace_id
    return Origin(
        trace,
        (inside or live).span_id,
        live.span_id,
        common[a.CORRELATION_ID.key],
        common[a.DECISION_ID.key],
        live.causation_id,
        facts.strategy,
        facts.symbol,
        facts.venue,
        live.start,
        f"{trace:032x}" if exemplar else None,
    )
