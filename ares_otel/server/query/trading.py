"""Orders: lists and the life of one."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, Select, func, select

from ares_otel.orders.states import DONE
from ares_otel.server.query.asking import Moment, Name, NotFoundError, Page, Paged, clock, row_time
from ares_otel.server.query.naming import NOBODY, Words, number, words
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT, decision_id
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import OrderStory

__all__ = [
    "OrderAsked",
    "OrderLife",
    "OrderRow",
    "OrdersAsked",
    "done_numbers",
    "order_lives",
    "orders",
]

SCANNED: Final = 100_000
NAMED: Final = ("strategy", "symbol", "venue", "side", "type", "status", "currency")


class OrdersAsked(Paged, frozen=True, kw_only=True):
    """Which orders."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None
    side: Name | None = None
    status: Annotated[Name | None, Meta(description="state of the order, FIX 39 in words")] = None
    open: Annotated[bool | None, Meta(description="still open, or done")] = None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list. `time` is that of the submission, or of its first update where that is not known."""

    client_id: str
    decision_id: str | None
    correlation_id: str | None
    trace_id: str
    time: Moment
    submitted: bool
    market_time: Moment | None
    updated: Moment | None
    strategy: str | None
    symbol: str | None
    venue: str | None
    side: str | None
    type: str | None
    status: str | None
    open: bool
    currency: str | None
    quantity: float | None
    price: float | None
    cum_quantity: float | None
    avg_price: float | None
    arrival_mid: float | None


class OrderAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which order."""

    client_id: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT, description="client order id")]


class OrderLife(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its updates, and the decision that sent it."""

    correlation_id: str | None
    decision_id: str | None
    trace_id: str
    sentence: str
    decided: Moment
    order: OrderStory


def orders(reader: Reader, asked: OrdersAsked) -> Page[OrderRow]:
    """List orders by any filter, newest first."""
    conditions = _conditions(reader, asked)
    if conditions is None:
        return Page(items=(), next=None)
    row = t.orders.c
    span = (row.id >= asked.low, row.id < asked.before)
    floor = None
    if conditions:
        deep = select(row.id).where(*span).order_by(row.id.desc()).offset(SCANNED - 1).limit(1)
        floor = reader.db.execute(deep).scalar()
        span = (row.id >= max(asked.low, floor or 0), row.id < asked.before)
    found = reader.db.execute(_joined().where(*span, *conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    last = found[-1].id if len(found) == asked.limit else floor
    known = words(reader, *([getattr(each, name) for each in found] for name in NAMED))
    return Page(items=tuple(_row(each, known) for each in found), next=None if last is None else str(last))


def order_lives(reader: Reader, asked: OrderAsked) -> tuple[OrderLife, ...]:
    """Tell the life of an order; several where bots use one client order id again, newest first."""
    found = tuple(
        OrderLife(
            correlation_id=story.correlation_id,
            decision_id=story.decision_id,
            trace_id=story.trace_id,
            sentence=story.sentence,
            decided=story.start,
            order=order,
        )
        for story in reader.find(asked.client_id)
        for order in story.orders
        if order.client_id == asked.client_id
    )
    if not found:
        raise NotFoundError(f"there is no order with the client order id {asked.client_id}")
    return found


def done_numbers(reader: Reader) -> list[int]:
    """Return the numbers of the states after which nothing happens."""
    query = select(t.name.c.id).where(t.name.c.kind == "status", t.name.c.value.in_([status.value for status in DONE]))
    return [int(own) for (own,) in reader.db.execute(query)]


def _conditions(reader: Reader, asked: OrdersAsked) -> list[ColumnElement[bool]] | None:
    row = t.orders.c
    conditions: list[ColumnElement[bool]] = []
    for name in ("strategy", "symbol", "venue", "side", "status"):
        value = getattr(asked, name)
        if value is not None:
            own = number(reader, name, value)
            if own == NOBODY:
                return None
            conditions.append(row[name] == own)
    if asked.open is not None:
        done = func.coalesce(row.status, 0).in_(done_numbers(reader))
        conditions.append(~done if asked.open else done)
    return conditions


def _joined() -> Select[Any]:
    decision = t.decision.c
    beside = (decision.correlation, decision.decision_id, decision.span, decision.trace.label("above"))
    return select(t.orders, *beside).join_from(t.orders, t.decision, decision.id == t.orders.c.decision, isouter=True)


def _row(row: Row[Any], known: Words) -> OrderRow:
    named = {name: known.get(getattr(row, name)) for name in NAMED}
    owner = row.decision_id or (decision_id(row.above, row.span) if row.span is not None else None)
    return OrderRow(
        client_id=row.client_id,
        decision_id=owner,
        correlation_id=row.correlation,
        trace_id=row.trace.hex(),
        time=row_time(row.id),
        submitted=bool(row.submitted),
        market_time=clock(row.event_time),
        updated=clock(row.updated),
        open=named["status"] not in DONE,
        quantity=row.quantity,
        price=row.price,
        cum_quantity=row.cum_quantity,
        avg_price=row.avg_price,
        arrival_mid=row.arrival_mid,
        **named,
    )
