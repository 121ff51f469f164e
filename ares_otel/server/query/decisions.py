"""Lists of decisions, newest first, for programs and for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, select

from ares_otel.server.query.asking import Moment, Name, Page, Paged, clock, last_row, row_ns, row_time
from ares_otel.server.query.bars import Bars, Move
from ares_otel.server.query.closed import MONEY, net_of
from ares_otel.server.query.listing import RELATIONS, Filter, bounds_of, listed, named, names_of
from ares_otel.server.query.naming import Words, words
from ares_otel.server.query.truth import Judged, judged
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import correlation_meant, decision_id
from ares_otel.server.store.packed import of_models
from ares_otel.server.story.reader import Reader

__all__ = ["DecisionRow", "DecisionsAsked", "OrderBrief", "decision_page", "decision_rows", "decisions"]

NAMED: Final = ("strategy", "symbol", "venue", "action", "regime")
PARAMETERS: Final = {**{name: name for name in (*NAMED, "model")}, "order_status": "status", "order_side": "side"}
OF_ORDER: Final = {name: t.orders.c[name] for name in ("status", "side")}
LATER: Final = 5
SENT: Final = 100
"""Most orders that are told of one decision."""

CLOSED: Final = 100

_ORDER: Final = t.orders.c
_SENT: Final[Select[Any]] = (
    select(_ORDER.client_id, _ORDER.id, _ORDER.status, _ORDER.quantity, _ORDER.cum_quantity, _ORDER.updated)
    .where(_ORDER.decision == bindparam("decision"))
    .order_by(_ORDER.id)
    .limit(SENT)
)
_ENDED: Final = (
    select(t.trade.c.id, *MONEY)
    .where(t.trade.c.id.between(bindparam("low"), bindparam("high")))
    .order_by(t.trade.c.id.desc())
    .limit(CLOSED)
    .subquery()
)
ENDED: Final = (
    select(*(_ENDED.c[column.name] for column in MONEY))
    .join(t.order_update, t.order_update.c.id == _ENDED.c.id)
    .where(t.order_update.c.order_id == bindparam("low"))
)

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]


class DecisionsAsked(Paged, frozen=True, kw_only=True):
    """Which decisions."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None
    action: Name | None = None
    regime: Name | None = None
    model: Annotated[Name | None, Meta(description="a model that voted")] = None
    confidence_min: Annotated[Ratio | None, Meta(description="least confidence")] = None
    confidence_max: Annotated[Ratio | None, Meta(description="greatest confidence")] = None
    agreement_min: Annotated[Ratio | None, Meta(description="least agreement of the votes")] = None
    agreement_max: Annotated[Ratio | None, Meta(description="greatest agreement of the votes")] = None
    ordered: Annotated[bool | None, Meta(description="with an order, or without")] = None
    filled: Annotated[bool | None, Meta(description="with an order that was filled, also in part, or without")] = None
    rejected: Annotated[bool | None, Meta(description="with an order that was rejected or denied, or without")] = None
    order_status: Annotated[Name | None, Meta(description="state of one of its orders, FIX 39 in words")] = None
    order_side: Annotated[Name | None, Meta(description="side of one of its orders")] = None
    status: Annotated[Literal["ok", "error"] | None, Meta(description="how the decision's span ended")] = None
    outcomes: Annotated[bool, Meta(description="tell `orders`, `later` and `judged`, too")] = False

    @property
    def filter(self) -> Filter:
        """The same as a filter."""
        said = {"order": self.ordered, "fill": self.filled, "rejected": self.rejected}
        said["error"] = None if self.status is None else self.status == "error"
        return Filter(
            names=names_of(self, PARAMETERS),
            bounds=bounds_of(self, "confidence", "agreement"),
            has=tuple(what for what, wanted in said.items() if wanted),
            lacks=tuple(what for what, wanted in said.items() if wanted is False),
            start=self.low,
            end=self.before,
        )


class OrderBrief(msgspec.Struct, frozen=True):
    """An order of a decision.

    `pnl` is what the trades earned that its fills closed, after fees and funding; null where it closed none, or where
    one of these is unknown.
    """

    client_id: str
    status: str | None
    quantity: float | None
    filled: float | None
    pnl: Decimal | None


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in a list. `rejected` counts its orders that were rejected or denied.

    Where `outcomes` was asked for: `orders` are its orders, `later` is the change of the price five bars later, and
    `judged` says which members' votes came true, as far as the outcomes that followed say. Else they are null.
    """

    decision_id: str
    correlation_id: str | None
    trace_id: str
    time: Moment
    market_time: Moment | None
    strategy: str | None
    symbol: str | None
    venue: str | None
    action: str | None
    regime: str | None
    regime_confidence: float | None
    confidence: float | None
    agreement: float | None
    price: float | None
    duration_seconds: float
    rejected: int
    error: bool
    orders: tuple[OrderBrief, ...] | None = None
    later: Move | None = None
    judged: Judged | None = None


def decisions(reader: Reader, asked: DecisionsAsked) -> Page[DecisionRow]:
    """List decisions by any filter, newest first."""
    return decision_page(reader, asked.filter, asked.limit, outcomes=asked.outcomes)


def decision_page(reader: Reader, wanted: Filter, limit: int, *, outcomes: bool) -> Page[DecisionRow]:
    """Return a page of decisions, newest first, with what came of them where that is asked for."""
    conditions = _conditions(reader, wanted)
    if conditions is None:
        return Page(items=(), next=None)
    indexed = "symbol" in wanted.names or "rejected" in wanted.has
    found = listed(reader, select(t.decision.c.id), wanted, conditions, limit, indexed=indexed)
    rows = decision_rows(reader, [row.id for row in found.rows], outcomes=outcomes)
    return Page(items=tuple(rows), next=found.next)


def decision_rows(reader: Reader, rows: Sequence[int], *, outcomes: bool = False) -> list[DecisionRow]:
    """Return decisions by their row ids, newest first."""
    if not rows:
        return []
    found = reader.db.execute(select(t.decision).where(t.decision.c.id.in_(rows)).order_by(t.decision.c.id.desc()))
    stored = found.all()
    known = words(reader, *([getattr(row, name) for row in stored] for name in NAMED))
    told = [_row(row, known) for row in stored]
    return _followed(reader, stored, told) if outcomes else told


def _conditions(reader: Reader, wanted: Filter) -> list[ColumnElement[bool]] | None:
    """Return the filters as conditions; None where a name was never seen, so that nothing can match."""
    made = named(reader, wanted, _with_name)
    if made is None:
        return None
    row = t.decision.c
    made += (
        RELATIONS[bound.relation](row[field], bound.value) for field, each in wanted.bounds.items() for bound in each
    )
    return [*made, *map(_has, wanted.has), *(~_has(what) for what in wanted.lacks)]


def _with_name(field: str, chosen: list[int]) -> ColumnElement[bool]:
    if field in NAMED:
        return t.decision.c[field].in_(chosen)
    if field in OF_ORDER:
        return _order_with(OF_ORDER[field].in_(chosen))
    return of_models(t.decision.c.votes, chosen)


def _has(what: str) -> ColumnElement[bool]:
    if what == "rejected":
        return t.decision.c.rejected > 0
    if what == "error":
        return t.decision.c.error == 1
    return _order_with(_ORDER.cum_quantity > 0 if what == "fill" else _ORDER.id > 0)


def _order_with(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_ORDER.decision == t.decision.c.id, condition)


def _row(row: Row[Any], known: Words) -> DecisionRow:
    said: dict[str, Any] = {name: known.get(getattr(row, name)) for name in NAMED}
    return DecisionRow(
        decision_id=row.decision_id or decision_id(row.trace, row.span),
        correlation_id=correlation_meant(row.trace, row.correlation),
        trace_id=row.trace.hex(),
        time=row_time(row.id),
        market_time=clock(row.event_time),
        **said,
        regime_confidence=row.regime_confidence,
        confidence=row.confidence,
        agreement=row.agreement,
        price=row.price,
        duration_seconds=row.duration_us / 1e6,
        rejected=row.rejected,
        error=bool(row.error),
    )


# --- what came of them ------------------------------------------------------------------------------------------


def _followed(reader: Reader, stored: Sequence[Row[Any]], told: Sequence[DecisionRow]) -> list[DecisionRow]:
    """Return rows with their orders and what came later."""
    orders = {row.id: reader.db.execute(_SENT, {"decision": row.id}).all() for row in stored}
    name = words(reader, (order.status for each in orders.values() for order in each))
    bars, truth = Bars(reader), judged(reader, stored)
    return [
        msgspec.structs.replace(
            row,
            orders=tuple(_brief(reader, order, name) for order in orders[own.id]),
            later=bars.later(own.symbol, own.venue, own.event_time or row_ns(own.id), own.price, LATER),
            judged=truth.get(own.id),
        )
        for own, row in zip(stored, told, strict=True)
    ]


def _brief(reader: Reader, order: Row[Any], name: Mapping[int | None, str]) -> OrderBrief:
    status = name.get(order.status)
    return OrderBrief(order.client_id, status, order.quantity, order.cum_quantity, _closed(reader, order))


def _closed(reader: Reader, order: Row[Any]) -> Decimal | None:
    """Return what the trades earned that the fills of an order closed: a trade has the row id of its last fill.

    Of an order that worked for long the last trades of that time are looked at, so that the work is bounded.
    """
    if not order.cum_quantity or order.updated is None:
        return None
    found = reader.db.execute(ENDED, {"low": order.id, "high": last_row(order.updated)})
    earned = [net_of(row) for row in found]
    known = [each for each in earned if each is not None]
    return sum(known, Decimal()) if known and len(known) == len(earned) else None
