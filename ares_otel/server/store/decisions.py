"""The rows of one decision: itself, its votes, and what its events report."""

from __future__ import annotations

from typing import NamedTuple

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import LATEST, Entry
from ares_otel.server.otlp.values import flag, number, scaled, text, whole
from ares_otel.server.otlp.views import AttributeMap, RawEvents, SpanView
from ares_otel.server.store.ids import bounded, correlation_told, decision_id, span_told, text_key, time_id
from ares_otel.server.store.packed import pack
from ares_otel.server.store.recording import DAY, HOUR, Place, Said, observe
from ares_otel.server.store.records import RECORDS
from ares_otel.server.store.rows import (
    CORRELATION,
    DECISION_ID,
    MICROSECOND,
    STRATEGY,
    SYMBOL,
    VENUE,
    Desk,
    Rows,
    base_id,
)
from ares_otel.server.store.voting import Vote
from ares_otel.server.store.working import ERROR, WHOLE, duration_row

__all__ = ["decision_row", "place_of"]

VOTE, REGIME_EVENT = s.VOTE.name, s.REGIME.name
ACTION, REGIME, CONFIDENCE = a.ACTION.key, a.REGIME.key, a.CONFIDENCE.key
MODEL, WEIGHT, META = a.MODEL_NAME.key, a.WEIGHT.key, a.META_LEARNER.key
PRICE, EVENT_TIME = a.MARKET_PRICE.key, a.EVENT_TIME.key
LARGEST = 10**10
AGREEMENT, REGIME_CONFIDENCE = a.AGREEMENT.key, a.REGIME_CONFIDENCE.key


class _Heard(NamedTuple):
    """What the events of a decision say: its votes, the same packed, the last regime that it saw."""

    votes: list[Vote]
    packed: str
    regime: str | None


def place_of(span: SpanView) -> Place:
    """Return what a decision is about."""
    facts = span.attributes
    return Place(text(facts, STRATEGY), text(facts, SYMBOL), text(facts, VENUE), whole(facts, EVENT_TIME))


def decision_row(rows: Rows, desk: Desk, entry: Entry, place: Place, resource: int, rejected: int) -> int:
    """Add a decision with its votes and what its events report; return its row id."""
    span = entry[0]
    facts, start, name = span.attributes, span.start_time_unix_nano, desk.name
    row = desk.free("decision", base_id(span))
    heard = _events(rows, desk, entry, row, place)
    regime = text(facts, REGIME) or heard.regime
    strategy, symbol = name("strategy", place.strategy), name("symbol", place.symbol)
    action, regime_number = name("action", text(facts, ACTION)), name("regime", regime)
    rows.add(
        "decision",
        (
            *(row, span.trace_id, span_told(span.trace_id, span.span_id)),
            *_ids(rows, span),
            *(resource, strategy, symbol, name("venue", place.venue), action, regime_number),
            number(facts, CONFIDENCE),
            max(span.end_time_unix_nano - start, 0) // MICROSECOND,
            rejected,
            *(number(facts, PRICE), place.event_time),
            *(number(facts, AGREEMENT), number(facts, REGIME_CONFIDENCE)),
            int(span.status.code == ERROR),
            heard.packed or None,
        ),
    )
    rows.tally.count("hourly", (start // HOUR, strategy or 0, symbol or 0, action or 0))
    duration_row(rows, "stage_hourly", span, facts, (strategy or 0, name("component", WHOLE) or 0))
    observe(rows, desk, Said(facts, row, start, place), regime, row)
    _count_votes(rows, heard.votes, start // DAY, action, regime_number or 0)
    return row


def _ids(rows: Rows, span: SpanView) -> tuple[str | None, str | None]:
    """Return correlation id and decision id as they are kept; a foreign one is a key, too."""
    facts = span.attributes
    correlation, own = text(facts, CORRELATION), text(facts, DECISION_ID)
    if own == decision_id(span.trace_id, span.span_id):
        own = None
    if own is not None:
        rows.keys.add(text_key(own))
    told = correlation_told(span.trace_id, correlation) if correlation else None
    return told, None if own is None else bounded(own)


def _events(rows: Rows, desk: Desk, entry: Entry, row: int, place: Place) -> _Heard:
    """Add what the events of a decision report."""
    span, raw, _ = entry
    regime = None
    votes: list[Vote] = []
    said: list[str] = []
    for position, data in enumerate(RawEvents.FromString(raw).events):
        known = desk.votes.read(data)
        if known is not None:
            votes.append(known[0])
            said.append(known[1])
            continue
        event = span.events[position]
        name = event.name
        if name == VOTE:
            vote = _vote(desk, event.attributes)
            votes.append(vote)
            said.append(pack([vote]))
        elif name == REGIME_EVENT:
            regime = text(event.attributes, REGIME)
        else:
            record = RECORDS.get(name)
            if record is not None:
                moment = event.time_unix_nano
                time = moment if 0 < moment < LATEST else span.start_time_unix_nano
                record(rows, desk, Said(event.attributes, time_id(time, row + position), time, place))
    return _Heard(votes, "".join(said), regime)


def _vote(desk: Desk, facts: AttributeMap) -> Vote:
    member, choice = text(facts, MODEL), text(facts, ACTION)
    model, action = desk.name("model", member), desk.name("action", choice)
    desk.votes.learn(member, choice, (model, action))
    said = (model, action, scaled(facts, CONFIDENCE), scaled(facts, WEIGHT))
    return (*said, 1) if flag(facts, META, default=False) else said


def _count_votes(rows: Rows, votes: list[Vote], day: int, decided: int | None, regime: int) -> None:
    sums = rows.tally.by_table["vote_daily"]
    for model, action, confidence, weight, *_ in votes:
        key = (day, model or 0, action or 0, regime)
        known = sums.get(key)
        if known is None:
            known = sums[key] = [0, 0, 0, 0, 0, 0]
        known[0] += 1
        # what is absurd is not summed, so that sums stay within 64 bits
        if confidence is not None and -LARGEST < confidence < LARGEST:
            known[1] += 1
            known[2] += confidence
        if weight is not None and -LARGEST < weight < LARGEST:
            known[3] += 1
            known[4] += weight
        if action is not None and action == decided:
            known[5] += 1
