"""Lists of decisions, newest first: a bounded number of rows is looked at for one page."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, exists, func, select

from ares_otel.server.query.console.bars import Bars
from ares_otel.server.query.console.names import NS, first, last, ns, numbers, words
from ares_otel.server.query.console.truth import Judged, judged
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import decision_id
from ares_otel.server.story.reader import Reader

__all__ = ["Bound", "DecisionRow", "Filter", "OrderBrief", "Page", "decisions", "newest"]

PAGE: Final = 50
SCANNED: Final = 200_000
"""Rows that are looked at for one page of a filter without an index."""

GLANCED: Final = 5_000
"""Rows that are looked at first: most filters find their page there."""

SENT_WITHIN: Final = 60 * NS
"""An order is looked for so long after its decision began."""

LATER: Final = 5
CLOSED: Final = 100
RELATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
OWN: Final = {name: t.decision.c[name] for name in ("strategy", "symbol", "venue", "action", "regime")}
OF_ORDER: Final = {name: t.orders.c[name] for name in ("status", "side")}


class Bound(msgspec.Struct, frozen=True):
    """A comparison with a number."""

    relation: str
    value: float


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions have to be; each name may have several values, of which one has to be true.

    Attributes:
        names: values by field: strategy, symbol, venue, action, regime, status, side, model.
        bounds: comparisons by field: confidence, agreement.
        has: what they must have: order, fill, rejected, error.
        start: earliest time, Unix ns.
        end: latest time, Unix ns.
        cursor: row id before which the page begins.
    """

    names: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    bounds: Mapping[str, Bound] = msgspec.field(default_factory=dict)
    has: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    cursor: int | None = None


class OrderBrief(msgspec.Struct, frozen=True):
    """An order of a decision; `pnl` is what the trades earned that its fills closed, None where it closed none."""

    client_id: str
    status: str | None
    quantity: float | None
    filled: float | None
    pnl: Decimal | None


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of a list; times in Unix ns, `later` the relative change five bars later."""

    id: int
    decision_id: str
    time: int
    event_time: int | None
    strategy: str | None
    symbol: str | None
    venue: str | None
    price: float | None
    regime: str | None
    action: str | None
    confidence: float | None
    error: bool
    orders: tuple[OrderBrief, ...]
    later: float | None
    later_reason: str
    judged: Judged | None


class Page(msgspec.Struct, frozen=True):
    """Decisions; `cursor` begins the next page, None at the end; `searched_to` is the time that was reached."""

    rows: Sequence[DecisionRow]
    cursor: int | None = None
    searched_to: int | None = None


def decisions(reader: Reader, wanted: Filter, limit: int = PAGE) -> Page:
    """Return a page of decisions, newest first."""
    conditions = _conditions(reader, wanted)
    if conditions is None:
        return Page(())
    if "symbol" in wanted.names or not conditions:
        return _page(reader, _select(wanted).where(*conditions), limit, None)
    for scanned in (GLANCED, SCANNED):
        inner = _select(wanted).with_only_columns(t.decision.c.id).limit(scanned).subquery()
        low, looked_at = reader.db.execute(select(func.min(inner.c.id), func.count(inner.c.id))).one()
        query = _select(wanted).where(*conditions)
        if looked_at < scanned:
            return _page(reader, query, limit, None)
        page = _page(reader, query.where(t.decision.c.id >= low), limit, int(low))
        if len(page.rows) == limit:
            break
    return page


def _page(reader: Reader, query: Any, limit: int, edge: int | None) -> Page:
    found = list(reader.db.execute(query.limit(limit + 1)))
    rows = _told(reader, found[:limit])
    if len(found) > limit:
        return Page(rows, int(found[limit - 1].id), None)
    return Page(rows, edge, None if edge is None else ns(edge))


def _select(wanted: Filter) -> Any:
    query = select(t.decision).order_by(t.decision.c.id.desc())
    if wanted.cursor is not None:
        query = query.where(t.decision.c.id < wanted.cursor)
    if wanted.start is not None:
        query = query.where(t.decision.c.id >= first(wanted.start))
    if wanted.end is not None:
        query = query.where(t.decision.c.id <= last(wanted.end))
    return query


def _conditions(reader: Reader, wanted: Filter) -> list[ColumnElement[bool]] | None:
    """Return the conditions, None if a name is not known at all."""
    made: list[ColumnElement[bool]] = []
    for field, values in wanted.names.items():
        chosen = numbers(reader, field, values)
        if not chosen:
            return None
        if field in OWN:
            made.append(OWN[field].in_(chosen))
        elif field in OF_ORDER:
            made.append(_order_with(OF_ORDER[field].in_(chosen)))
        else:
            made.append(exists().where(t.vote.c.decision == t.decision.c.id, t.vote.c.model.in_(chosen)))
    made += (RELATIONS[bound.relation](t.decision.c[field], bound.value) for field, bound in wanted.bounds.items())
    made += (_has(each) for each in wanted.has)
    return made


def _has(what: str) -> ColumnElement[bool]:
    if what == "rejected":
        return t.decision.c.rejected > 0
    if what == "error":
        return t.decision.c.error == 1
    return _order_with(t.orders.c.cum_quantity > 0 if what == "fill" else t.orders.c.id > 0)


def _order_with(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    near = t.orders.c.id.between(t.decision.c.id, t.decision.c.id + SENT_WITHIN)
    return exists().where(near, t.orders.c.decision == t.decision.c.id, condition)


def _told(reader: Reader, found: Sequence[Any]) -> list[DecisionRow]:
    """Return stored rows as they are told, with their orders and what came later."""
    orders = _orders(reader, found)
    fields = ("strategy", "symbol", "venue", "action", "regime")
    name = words(
        reader,
        [
            *(getattr(row, field) for row in found for field in fields),
            *(order.status for each in orders.values() for order in each),
        ],
    )
    bars = Bars(reader)
    truth = judged(reader, found)
    told = []
    for row in found:
        later, reason = bars.later(row.symbol, row.venue, row.event_time or ns(row.id), row.price, LATER)
        told.append(
            DecisionRow(
                **{field: name.get(getattr(row, field)) for field in fields},
                id=row.id,
                decision_id=row.decision_id or decision_id(row.trace, row.span),
                time=ns(row.id),
                event_time=row.event_time,
                price=row.price,
                confidence=row.confidence,
                error=bool(row.error),
                orders=tuple(_brief(reader, order, name.get(order.status)) for order in orders.get(row.id, ())),
                later=later,
                later_reason=reason,
                judged=truth.get(row.id),
            )
        )
    return told


def _orders(reader: Reader, found: Sequence[Any]) -> dict[int, list[Any]]:
    """Return the orders of decisions; each is looked up by the time at which its orders can have been sent.

    One query for each: SQLite would read the whole table for all of them at once.
    """
    order = t.orders.c
    columns = (order.id, order.client_id, order.status, order.quantity, order.cum_quantity, order.updated)
    query = select(*columns).order_by(order.id)
    return {
        row.id: list(
            reader.db.execute(query.where(order.id.between(row.id, row.id + SENT_WITHIN), order.decision == row.id))
        )
        for row in found
    }


def _brief(reader: Reader, order: Any, status: str | None) -> OrderBrief:
    return OrderBrief(order.client_id, status, order.quantity, order.cum_quantity, _closed(reader, order))


def _closed(reader: Reader, order: Any) -> Decimal | None:
    """Return what the trades earned that the fills of an order closed: a trade has the row id of its last fill.

    Of an order that worked for long the last trades of that time are looked at, so that the work is bounded.
    """
    if not order.cum_quantity or order.updated is None:
        return None
    row, update = t.trade.c, t.order_update.c
    meanwhile = select(row.id, row.pnl).where(row.id.between(order.id, last(order.updated)))
    ended = meanwhile.order_by(row.id.desc()).limit(CLOSED).subquery()
    query = select(ended.c.pnl).join(t.order_update, update.id == ended.c.id)
    found = reader.db.execute(query.where(update.order_id == order.id))
    sums = [Decimal(pnl) for (pnl,) in found if pnl is not None]
    return sum(sums, Decimal()) if sums else None


def newest(reader: Reader) -> int | None:
    """Return the time of the newest decision, Unix ns."""
    found = reader.db.execute(select(func.max(t.decision.c.id))).scalar()
    return None if found is None else ns(int(found))
