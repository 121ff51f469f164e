"""Orders: lists and the life of one."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, Select, func, select

from ares_otel.orders.states import DONE
from ares_otel.portfolio.costs import stated_slippage
from ares_otel.server.query.asking import Moment, Name, NotFoundError, Page, Paged, clock, row_time
from ares_otel.server.query.listing import Filter, listed, named, names_of
from ares_otel.server.query.naming import Words, words
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT, correlation_meant, decision_id
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import OrderStory

__all__ = [
    "FILTERS",
    "OrderAsked",
    "OrderLife",
    "OrderRow",
    "OrdersAsked",
    "done_numbers",
    "order_lives",
    "orders",
    "orders_listed",
]

FILTERS: Final = ("strategy", "symbol", "venue", "side", "type", "status", "action", "regime")
"""Names by which orders can be filtered."""

DECIDED: Final = ("action", "regime")
"""Filters that are of the decision."""

NAMED: Final = ("strategy", "symbol", "venue", "side", "type", "status", "currency")


class OrdersAsked(Paged, frozen=True, kw_only=True):
    """Which orders."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None
    side: Name | None = None
    type: Name | None = None
    status: Annotated[Name | None, Meta(description="state of the order, FIX 39 in words")] = None
    action: Annotated[Name | None, Meta(description="of the decision that sent it")] = None
    regime: Annotated[Name | None, Meta(description="that the decision saw")] = None
    open: Annotated[bool | None, Meta(description="still open, or done")] = None

    @property
    def filter(self) -> Filter:
        """The same as a filter."""
        return Filter(
            names=names_of(self, {name: name for name in FILTERS}),
            has=("open",) if self.open else (),
            lacks=("open",) if self.open is False else (),
            start=self.low,
            end=self.before,
        )


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list. `time` is that of the submission, or of its first update where that is not known.

    `slippage_bps` is against the arrival mid, positive is a cost; null without a fill, or where the mid is unknown.
    """

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
    slippage_bps: float | None


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
    return orders_listed(reader, asked.filter, asked.limit)


def orders_listed(reader: Reader, wanted: Filter, limit: int, *, scanned: int | None = None) -> Page[OrderRow]:
    """Return a page of orders, newest first; `scanned` rows are looked at where not said otherwise."""
    conditions = _conditions(reader, wanted)
    if conditions is None:
        return Page(items=(), next=None)
    found = listed(reader, _joined(), wanted, conditions, limit, scanned=scanned)
    known = words(reader, *([getattr(each, name) for each in found.rows] for name in NAMED))
    return Page(items=tuple(_row(each, known) for each in found.rows), next=found.next)


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


def _conditions(reader: Reader, wanted: Filter) -> list[ColumnElement[bool]] | None:
    row = t.orders.c
    made = named(reader, wanted, _with_name)
    if made is not None and (wanted.has or wanted.lacks):
        done = func.coalesce(row.status, 0).in_(done_numbers(reader))
        made += [*(~done for what in wanted.has if what == "open"), *(done for what in wanted.lacks if what == "open")]
    return made


def _with_name(field: str, chosen: list[int]) -> ColumnElement[bool]:
    return (t.decision if field in DECIDED else t.orders).c[field].in_(chosen)


def _joined() -> Select[Any]:
    decision = t.decision.c
    beside = (decision.correlation, decision.decision_id, decision.span, decision.trace.label("above"))
    return select(t.orders, *beside).join_from(t.orders, t.decision, decision.id == t.orders.c.decision, isouter=True)


def _row(row: Row[Any], known: Words) -> OrderRow:
    words_of = {name: known.get(getattr(row, name)) for name in NAMED}
    owner = row.decision_id or (decision_id(row.above, row.span) if row.span is not None else None)
    return OrderRow(
        client_id=row.client_id,
        decision_id=owner,
        correlation_id=correlation_meant(row.above, row.correlation),
        trace_id=row.trace.hex(),
        time=row_time(row.id),
        submitted=bool(row.submitted),
        market_time=clock(row.event_time),
        updated=clock(row.updated),
        open=words_of["status"] not in DONE,
        quantity=row.quantity,
        price=row.price,
        cum_quantity=row.cum_quantity,
        avg_price=row.avg_price,
        arrival_mid=row.arrival_mid,
        slippage_bps=stated_slippage(words_of["side"], row.avg_price, row.arrival_mid),
        **words_of,
    )
