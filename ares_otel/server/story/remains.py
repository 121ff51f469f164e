"""What is left of decisions whose spans have been pruned: their rows, found by the same ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, or_, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import bounded, decision_id, moment_keys, uuid_digits

__all__ = ["KEPT_SINCE", "Remains", "remains", "spans_kept_since"]

KEPT_SINCE: Final = "retention.spans_kept_since"
"""Note in `meta`: Unix ns; spans that arrived before may be gone, although rows made of them are there."""

MILLISECOND: Final = 1_000_000
BEFORE, AFTER = 60_000, 86_400_000
"""Milliseconds around the time in an id within which its decision began."""

MOST: Final = 50


class Remains(msgspec.Struct, frozen=True):
    """The row of a decision without its spans.

    Attributes:
        votes: how many votes there were.
        orders: client order ids with their last state, None where nothing was heard.
    """

    decision_id: str
    trace_id: str
    correlation_id: str | None
    start: datetime
    strategy: str | None
    symbol: str | None
    venue: str | None
    action: str | None
    regime: str | None
    confidence: float | None
    votes: int
    orders: dict[str, str | None]


def spans_kept_since(db: Connection) -> datetime | None:
    """Return from when on spans are kept, None as long as none were pruned."""
    found = db.execute(select(t.meta.c.value).where(t.meta.c.key == KEPT_SINCE)).scalar()
    return None if found is None else _moment(int(found))


def remains(db: Connection, text: str) -> list[Remains]:
    """Return the rows that an id means, newest first: a client order id, or an id that begins with its time."""
    text = text.strip()
    decision = t.decision.c
    owned = select(t.orders.c.decision).where(t.orders.c.client_id == bounded(text), t.orders.c.decision.is_not(None))
    found: dict[int, Any] = {}
    for condition in (decision.id.in_(owned), _by_time(text)):
        if condition is not None:
            query = select(t.decision).where(condition).order_by(decision.id.desc()).limit(MOST)
            found |= {int(row["id"]): row for row in db.execute(query).mappings()}
    return [_told(db, found[row]) for row in sorted(found, reverse=True)[:MOST]]


def _by_time(text: str) -> ColumnElement[bool] | None:
    """Return what finds the decisions of an id whose first 48 bits are milliseconds."""
    decision, digits = t.decision.c, uuid_digits(text)
    if digits is not None:
        dashed = "-".join(digits[at:to] for at, to in itertools.pairwise((0, 8, 12, 16, 20, 32)))
        same = or_(decision.trace == bytes.fromhex(digits), decision.correlation.in_([text, digits, dashed]))
        millis = int(digits[:12], 16)
    elif moment_keys(text) is not None:
        same = decision.span == bytes.fromhex(text[-16:])
        millis = int(text[:12], 16)
    else:
        return None
    low, high = (millis - BEFORE) * MILLISECOND, (millis + AFTER) * MILLISECOND
    return decision.id.between(low, high) & same if low >= 0 and high < 1 << 63 else None


def _told(db: Connection, row: Any) -> Remains:
    names = dict(_names(db, [row[key] for key in ("strategy", "symbol", "venue", "action", "regime")]))
    orders = select(t.orders.c.client_id, t.name.c.value).join_from(
        t.orders, t.name, t.name.c.id == t.orders.c.status, isouter=True
    )
    # an order comes after its decision: the primary key bounds the search
    within = t.orders.c.id.between(row["id"] - BEFORE * MILLISECOND, row["id"] + AFTER * MILLISECOND)
    found = db.execute(orders.where(within, t.orders.c.decision == row["id"])).all()
    votes = db.execute(select(t.vote.c.position).where(t.vote.c.decision == row["id"])).all()
    return Remains(
        decision_id=row["decision_id"] or decision_id(bytes(row["trace"]), bytes(row["span"])),
        trace_id=bytes(row["trace"]).hex(),
        correlation_id=row["correlation"],
        start=_moment(int(row["id"])),
        confidence=row["confidence"],
        votes=len(votes),
        orders={str(client): status for client, status in found},
        **{key: names.get(row[key]) for key in ("strategy", "symbol", "venue", "action", "regime")},
    )


def _names(db: Connection, numbers: list[int | None]) -> Iterator[tuple[int, str]]:
    wanted = [number for number in numbers if number is not None]
    for number, value in db.execute(select(t.name.c.id, t.name.c.value).where(t.name.c.id.in_(wanted))):
        yield int(number), str(value)


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
