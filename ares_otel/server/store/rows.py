"""The typed rows that spans become: what lists, filters and sums read without opening a frame."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import LATEST, Entry
from ares_otel.server.otlp.values import flag, number, scaled, text
from ares_otel.server.otlp.views import AttributeMap, EventView, SpanView
from ares_otel.server.store.ids import bounded, decision_id, text_key, time_id

__all__ = [
    "CORRELATION",
    "DECISION",
    "DECISION_ID",
    "OUTCOME",
    "STRATEGY",
    "SYMBOL",
    "VENUE",
    "Desk",
    "Rows",
    "base_id",
    "decision_row",
    "identity",
    "is_decision",
    "outcome_row",
]

DECISION, OUTCOME = s.DECISION.name, s.OUTCOME.name
VOTE, REGIME_EVENT = s.VOTE.name, s.REGIME.name
HOUR = 3_600_000_000_000
MICROSECOND = 1_000

CORRELATION, DECISION_ID = a.CORRELATION_ID.key, a.DECISION_ID.key
STRATEGY, SYMBOL, VENUE = a.STRATEGY.key, a.SYMBOL.key, a.VENUE.key
ACTION, REGIME, CONFIDENCE = a.ACTION.key, a.REGIME.key, a.CONFIDENCE.key
MODEL, WEIGHT, META = a.MODEL_NAME.key, a.WEIGHT.key, a.META_LEARNER.key
MARKS = (CORRELATION, DECISION_ID, STRATEGY, SYMBOL, ACTION)
KEY, RESULT, REALIZED = a.MODEL_KEY.key, a.RESULT.key, a.REALIZED_RETURN.key


class Desk(Protocol):
    """What rows need of the store within a transaction."""

    def name(self, kind: str, value: str | None) -> int | None:
        """Return the number of a text that repeats."""

    def free(self, table: str, base: int) -> int:
        """Return the first free row id from `base` on."""


class Rows:
    """Rows of one transaction by table, in the order of the tables' columns.

    Attributes:
        hours: decisions by hour, strategy, symbol and action.
        keys: under which the trace at hand is found.
        states: new states of orders that are stored, with their row ids.
        singles: spans that came as the only one of their trace, with the keys they are found under, by resource.
    """

    def __init__(self) -> None:
        self.keys: set[int] = set()
        self.states: list[tuple[Any, ...]] = []
        self.singles: dict[bytes, list[tuple[set[int], Entry]]] = {}
        self.by_table: dict[str, list[tuple[Any, ...]]] = {}
        self.hours: Counter[tuple[int, int, int, int]] = Counter()

    def add(self, table: str, *rows: tuple[Any, ...]) -> None:
        """Add rows of a table."""
        self.by_table.setdefault(table, []).extend(rows)


def base_id(span: SpanView) -> int:
    """Return the row id of a span unless that is taken."""
    return time_id(span.start_time_unix_nano, int.from_bytes(span.span_id[-2:], "big"))


def identity(decision: SpanView) -> str:
    """Return the id of a decision."""
    return text(decision.attributes, DECISION_ID) or decision_id(decision.trace_id, decision.span_id)


def is_decision(span: SpanView) -> bool:
    """Tell whether a span named like one is a decision of ours."""
    return any(map(span.attributes.__contains__, MARKS))


def decision_row(rows: Rows, desk: Desk, span: SpanView, resource: int, rejected: int) -> int:
    """Add a decision with its votes and outcomes; return its row id."""
    facts, start, name = span.attributes, span.start_time_unix_nano, desk.name
    row = desk.free("decision", base_id(span))
    seen = _events(rows, desk, span, row)
    regime = text(facts, REGIME) or seen
    strategy, symbol = name("strategy", text(facts, STRATEGY)), name("symbol", text(facts, SYMBOL))
    action = name("action", text(facts, ACTION))
    correlation, own = text(facts, CORRELATION), text(facts, DECISION_ID)
    if own == decision_id(span.trace_id, span.span_id):
        own = None
    if own is not None:
        rows.keys.add(text_key(own))
    rows.add(
        "decision",
        (
            *(row, span.trace_id, span.span_id),
            None if correlation is None else bounded(correlation),
            None if own is None else bounded(own),
            *(resource, strategy, symbol, name("venue", text(facts, VENUE)), action, name("regime", regime)),
            number(facts, CONFIDENCE),
            max(span.end_time_unix_nano - start, 0) // MICROSECOND,
            rejected,
        ),
    )
    rows.hours[start // HOUR, strategy or 0, symbol or 0, action or 0] += 1
    return row


def _events(rows: Rows, desk: Desk, span: SpanView, row: int) -> str | None:
    """Add votes and outcomes of a decision; return the last regime that it saw."""
    regime = None
    votes: list[tuple[Any, ...]] = []
    for position, event in enumerate(span.events):
        name = event.name
        if name == VOTE:
            votes.append((row, position, *_vote(desk, event.attributes)))
        elif name == REGIME_EVENT:
            regime = text(event.attributes, REGIME)
        elif name == OUTCOME:
            moment = event.time_unix_nano
            timely = 0 < moment < LATEST
            outcome_row(rows, desk, time_id(moment if timely else span.start_time_unix_nano, row + position), event)
    rows.add("vote", *votes)
    return regime


def _vote(desk: Desk, facts: AttributeMap) -> tuple[int | None, int | None, int | None, int | None, int]:
    model, action = desk.name("model", text(facts, MODEL)), desk.name("action", text(facts, ACTION))
    meta = int(flag(facts, META, default=False))
    return model, action, scaled(facts, CONFIDENCE), scaled(facts, WEIGHT), meta


def outcome_row(rows: Rows, desk: Desk, base: int, said: EventView | SpanView) -> None:
    """Add an outcome, said by a span of its own or by an event; it is found by its key from then on."""
    facts = said.attributes
    key = text(facts, KEY)
    joined = None if key is None else text_key(key)
    if joined is not None:
        rows.keys.add(joined)
    rows.add(
        "outcome",
        (
            desk.free("outcome", base),
            joined,
            desk.name("model", text(facts, MODEL)),
            desk.name("result", text(facts, RESULT)),
            number(facts, REALIZED),
            desk.name("regime", text(facts, REGIME)),
        ),
    )
