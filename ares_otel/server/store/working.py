"""Rows of what a bot did for a decision: stages, pre-trade checks, calls of venues.

A stage and a check take strategy and symbol of their decision. Those that come before it wait, as spans, until it
comes, so that sums do not depend on the order of arrival.
"""

from __future__ import annotations

import math

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import CheckOutcome
from ares_otel.server.otlp.values import flag, number, text
from ares_otel.server.otlp.views import AttributeMap, SpanView
from ares_otel.server.store.recording import HOUR, Place
from ares_otel.server.store.rows import MICROSECOND, Desk, Rows, base_id

__all__ = ["CALL", "WHOLE", "call_row", "duration_row", "waits_for", "work_row"]

CALL = s.EXCHANGE.name.partition("{")[0]
CHECK = s.RISK_CHECK.name
WHOLE = s.DECISION.name
BUCKETS = 8
ERROR = 2
LONGEST = 1 << 40
"""Longest duration in µs that is summed, twelve days, so that sums stay within 64 bits."""
COMPONENT, DECISION_ID, STRATEGY, SYMBOL = a.COMPONENT.key, a.DECISION_ID.key, a.STRATEGY.key, a.SYMBOL.key
ERROR_TYPE, SWALLOWED = a.ERROR_TYPE.key, a.ERROR_SWALLOWED.key
CODE_TAG = 0x18
"""Byte before the code in a span's status."""

UNSEEN = bytes((CODE_TAG,))
"""Stands for bytes that are not at hand: they could say that there was an error."""


def waits_for(span: SpanView) -> str | None:
    """Return the id of the decision that a stage or a check belongs to."""
    return text(span.attributes, DECISION_ID)


def work_row(rows: Rows, desk: Desk, span: SpanView, raw: bytes, place: Place) -> None:
    """Add a stage or a check of a decision, or outside of any; other spans have no row."""
    if span.name == CHECK:
        _check(rows, desk, span, place)
    else:
        facts = span.attributes
        component = text(facts, COMPONENT)
        if component is not None:
            strategy = desk.name("strategy", text(facts, STRATEGY) or place.strategy)
            names = (strategy or 0, desk.name("component", component) or 0)
            duration_row(rows, "stage_hourly", span, facts, names, raw)


def duration_row(
    rows: Rows, table: str, span: SpanView, facts: AttributeMap, names: tuple[int, int], raw: bytes = UNSEEN
) -> None:
    """Count how long a span took, under two names; `facts` are its attributes, `raw` saves looking at its status."""
    start = span.start_time_unix_nano
    micros = min(max(span.end_time_unix_nano - start, 0) // MICROSECOND, LONGEST)
    bucket = round(BUCKETS * math.log2(micros)) if micros > 1 else 0
    failed = (
        (CODE_TAG in raw and span.status.code == ERROR) or ERROR_TYPE in facts or flag(facts, SWALLOWED, default=False)
    )
    rows.tally.spend(table, (start // HOUR, *names, bucket), int(failed), micros)


def call_row(rows: Rows, desk: Desk, span: SpanView, raw: bytes) -> None:
    """Add a call of a venue."""
    facts = span.attributes
    venue = text(facts, a.VENUE.key) or text(facts, a.PEER_SERVICE.key)
    operation = text(facts, a.OPERATION.key) or span.name.removeprefix(CALL)
    names = desk.name("venue", venue) or 0, desk.name("operation", operation or None) or 0
    duration_row(rows, "call_hourly", span, facts, names, raw)


def _check(rows: Rows, desk: Desk, span: SpanView, place: Place) -> None:
    facts, name = span.attributes, desk.name
    word, said = text(facts, a.CHECK.key), text(facts, a.CHECK_OUTCOME.key)
    strategy = name("strategy", text(facts, STRATEGY) or place.strategy)
    symbol = name("symbol", text(facts, SYMBOL) or place.symbol)
    check, limit, outcome = name("check", word), name("limit", text(facts, a.LIMIT.key) or word), name("outcome", said)
    value, bound = number(facts, a.CHECK_VALUE.key), number(facts, a.LIMIT_VALUE.key)
    base, start = base_id(span), span.start_time_unix_nano
    rows.tally.count("check_hourly", (start // HOUR, strategy or 0, check or 0, outcome or 0))
    rows.tally.add("limit_now", (strategy or 0, check or 0), limit, base, symbol, value, bound, outcome)
    if said != CheckOutcome.PASSED:
        row = desk.free("breach", base)
        rows.add("breach", (row, strategy, symbol, check, limit, value, bound, outcome, span.trace_id))
