"""Stories of decisions whose spans have been pruned, from the rows that are left, found by the same ids.

Everything that tells stories tells these, too; their first sentence says what they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, or_, select

from ares_otel.correlation.ids import trace_of
from ares_otel.records import Regime, Vote
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import bounded, correlation_meant, decision_id, moment_key, span_meant, uuid_digits
from ares_otel.server.store.packed import Ballot, ballots
from ares_otel.server.story.stories import DecisionStory, OrderStory, SpanStory, Story

__all__ = ["KEPT_SINCE", "remains", "spans_kept_since"]

KEPT_SINCE: Final = "retention.spans_kept_since"
"""Note in `meta`: Unix ns; spans that arrived before may be gone, although rows made of them are there."""

MILLISECOND: Final = 1_000_000
MICROSECONDS: Final = 1e6
SECOND: Final = 1e9
FRACTION: Final = 10_000
BEFORE, AFTER = 60_000, 86_400_000
"""Milliseconds around the time in an id within which its decision began, and its orders after it."""

MOST: Final = 50
UNKNOWN: Final = "unknown"

Names = Mapping[int, str]


def spans_kept_since(db: Connection) -> datetime | None:
    """Return from when on spans are kept, None as long as none were pruned."""
    found = db.execute(select(t.meta.c.value).where(t.meta.c.key == KEPT_SINCE)).scalar()
    return None if found is None else _moment(int(found))


def remains(db: Connection, text: str) -> list[Story]:
    """Return what is left of the decisions that an id means, newest first; nothing unless spans were pruned.

    Args:
        db: connection to read from.
        text: a client order id, or an id of the library's, which begins with its time.
    """
    since = spans_kept_since(db)
    if since is None:
        return []
    decision = t.decision.c
    owned = select(t.orders.c.decision).where(t.orders.c.client_id == bounded(text), t.orders.c.decision.is_not(None))
    found: dict[int, Mapping[str, Any]] = {}
    for condition in (decision.id.in_(owned), _by_time(text)):
        if condition is not None:
            query = select(t.decision).where(condition).order_by(decision.id.desc()).limit(MOST)
            found |= {int(row["id"]): dict(row) for row in db.execute(query).mappings()}
    return [_story(db, found[row], since) for row in sorted(found, reverse=True)[:MOST]]


def _by_time(text: str) -> ColumnElement[bool] | None:
    """Return what finds the decisions of an id whose first 48 bits are milliseconds."""
    decision, digits = t.decision.c, uuid_digits(text)
    if digits is not None:
        dashed = "-".join(digits[at:to] for at, to in itertools.pairwise((0, 8, 12, 16, 20, 32)))
        traces = [bytes.fromhex(digits), trace_of(dashed).to_bytes(16, "big")]
        same = or_(decision.trace.in_(traces), decision.correlation.in_([text, digits, dashed]))
        millis = int(digits[:12], 16)
    elif moment_key(text) is not None:
        own = bytes.fromhex(text[-16:])
        implied = (decision.span == b"") & (func.substr(decision.trace, 9) == own)
        same = or_(decision.span == own, implied)
        millis = int(text[:12], 16)
    else:
        return None
    low, high = (millis - BEFORE) * MILLISECOND, (millis + AFTER) * MILLISECOND
    return decision.id.between(low, high) & same if low >= 0 and high < 1 << 63 else None


def _story(db: Connection, row: Mapping[str, Any], since: datetime) -> Story:
    orders = db.execute(select(t.orders).where(t.orders.c.decision == row["id"]).order_by(t.orders.c.id))
    votes, sent = ballots(row["votes"]), [dict(each) for each in orders.mappings()]
    names = _names(db, [row, *(vote._asdict() for vote in votes), *sent])
    decided = _decision(row, votes, names)
    what = f"{decided.strategy or 'a strategy'} decided {decided.action or 'nothing'} on {decided.symbol or 'a symbol'}"
    return Story(
        sentence=f"{what}; its spans are pruned (as are those from before {since:%Y-%m-%d %H:%M} UTC), "
        "this is what its rows say.",
        correlation_id=correlation_meant(bytes(row["trace"]), row["correlation"]),
        decision_id=row["decision_id"] or decision_id(bytes(row["trace"]), bytes(row["span"])),
        causation_id=None,
        trace_id=bytes(row["trace"]).hex(),
        span_id=span_meant(bytes(row["trace"]), bytes(row["span"])).hex(),
        service=None,
        mode=None,
        start=_moment(int(row["id"])),
        duration_seconds=row["duration_us"] / MICROSECONDS,
        decision=decided,
        orders=tuple(_order(each, names) for each in sent),
        outcomes=(),
        calls=(),
        exceptions=(),
        spans=(_root(row, decided, [(int(each["id"]), _order(each, names)) for each in sent]),),
    )


def _root(row: Mapping[str, Any], decided: DecisionStory, sent: list[tuple[int, OrderStory]]) -> SpanStory:
    """Return the decision as the span that it was, with its orders below."""
    keys = {a.STRATEGY: decided.strategy, a.SYMBOL: decided.symbol, a.VENUE: decided.venue}
    root = _span(s.DECISION.name, span_meant(bytes(row["trace"]), bytes(row["span"])).hex(), int(row["id"]), 0.0, keys)
    below = (_submission(order, began, (began - int(row["id"])) / SECOND) for began, order in sent)
    return msgspec.structs.replace(
        root, duration_seconds=row["duration_us"] / MICROSECONDS, failed=bool(row["error"]), children=tuple(below)
    )


def _submission(order: OrderStory, began: int, offset: float) -> SpanStory:
    said = {
        a.CLIENT_ID: order.client_id,
        a.SIDE: str(order.side),
        a.ORDER_TYPE: str(order.type),
        a.QUANTITY: order.quantity,
        a.PRICE: order.price,
        a.SYMBOL: order.symbol,
        a.ARRIVAL_MID: order.arrival_mid,
        a.CURRENCY: order.currency,
    }
    return _span(s.ORDER_SUBMIT.name, "", began, offset, said)


def _span(name: str, own: str, began: int, offset: float, said: Mapping[Attribute, Any]) -> SpanStory:
    return SpanStory(
        name=name,
        span_id=own,
        scope="",
        start=_moment(began),
        offset_seconds=offset,
        duration_seconds=0.0,
        failed=False,
        message="",
        attributes={key.key: value for key, value in said.items() if value is not None},
        events=(),
        children=(),
    )


def _decision(row: Mapping[str, Any], votes: Iterable[Ballot], names: Names) -> DecisionStory:
    word = names.get
    regime = word(row["regime"] or 0)
    return DecisionStory(
        strategy=word(row["strategy"] or 0),
        symbol=word(row["symbol"] or 0),
        venue=word(row["venue"] or 0),
        action=word(row["action"] or 0),
        confidence=row["confidence"],
        price=row["price"],
        event_time=None if row["event_time"] is None else _moment(int(row["event_time"])),
        agreement=row["agreement"],
        regime=None if regime is None else Regime(regime, confidence=row["regime_confidence"]),
        votes=tuple(_vote(each, names) for each in votes),
    )


def _vote(vote: Ballot, names: Names) -> Vote:
    return Vote(
        model=names.get(vote.model or 0, UNKNOWN),
        action=names.get(vote.action or 0, UNKNOWN),
        confidence=None if vote.confidence is None else vote.confidence / FRACTION,
        weight=None if vote.weight is None else vote.weight / FRACTION,
        meta_learner=True if vote.meta else None,
    )


def _order(row: Mapping[str, Any], names: Names) -> OrderStory:
    word = names.get
    return OrderStory(
        client_id=row["client_id"],
        side=word(row["side"] or 0, UNKNOWN),
        type=word(row["type"] or 0, UNKNOWN),
        quantity=row["quantity"],
        price=row["price"],
        symbol=word(row["symbol"] or 0),
        strategy=word(row["strategy"] or 0),
        venue=word(row["venue"] or 0),
        currency=word(row["currency"] or 0),
        arrival_mid=row["arrival_mid"],
        submitted=_moment(int(row["id"])) if row["submitted"] else None,
        status=word(row["status"] or 0),
        cum_quantity=row["cum_quantity"],
        avg_price=row["avg_price"],
    )


WORDS: Final = ("strategy", "symbol", "venue", "action", "regime", "model", "side", "type", "currency", "status")


def _names(db: Connection, rows: list[Mapping[str, Any]]) -> Names:
    wanted = sorted({row[word] for row in rows for word in WORDS if row.get(word)})
    found = db.execute(select(t.name.c.id, t.name.c.value).where(t.name.c.id.in_(wanted)))
    return {int(number): str(value) for number, value in found}


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000 / MICROSECONDS, UTC)
