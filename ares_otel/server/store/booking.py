"""Orders and their updates: rows that come out the same in whatever order the spans arrive.

An order's row is a function of all spans of its trace with its client order id, those that are stored already and
those that come now.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.values import flag, number, text, whole
from ares_otel.server.otlp.views import AttributeMap, SpanView
from ares_otel.server.store.driver import Connection
from ares_otel.server.store.ids import bounded, span_told
from ares_otel.server.store.lifecycle import REFUSED, Rank, rank
from ares_otel.server.store.rows import (
    DECISION,
    DECISION_ID,
    STRATEGY,
    SYMBOL,
    VENUE,
    Desk,
    Rows,
    base_id,
    identity,
    is_decision,
)

__all__ = ["ORDER", "ORDER_SPANS", "UPDATE", "Booking", "OrderSpans"]

ORDER, UPDATE = s.ORDER_SUBMIT.name, s.ORDER_UPDATE.name
ORDER_SPANS = frozenset({DECISION, ORDER, UPDATE})
CLIENT, STATUS, SIDE, TYPE = a.CLIENT_ID.key, a.STATUS.key, a.SIDE.key, a.ORDER_TYPE.key
QUANTITY, PRICE, CUM, AVERAGE = a.QUANTITY.key, a.PRICE.key, a.CUM_QUANTITY.key, a.AVG_PRICE.key
FILL_QUANTITY, FILL_PRICE, FILL_ID = a.FILL_QUANTITY.key, a.FILL_PRICE.key, a.FILL_ID.key
FEE, FEE_CURRENCY, CURRENCY = a.FEE.key, a.FEE_CURRENCY.key, a.CURRENCY.key
LIQUIDITY, REJECT_REASON = a.LIQUIDITY.key, a.REJECT_REASON.key
VALID, DUPLICATE = a.TRANSITION_VALID.key, a.DUPLICATE.key
ARRIVAL_MID, MULTIPLIER, EVENT_TIME = a.ARRIVAL_MID.key, a.MULTIPLIER.key, a.EVENT_TIME.key
POSITION_ID = a.POSITION_ID.key
SLIPPAGE, SHORTFALL, ACKNOWLEDGED = a.SLIPPAGE.key, a.SHORTFALL.key, a.ACK_DURATION.key
NAMED = (("strategy", STRATEGY), ("symbol", SYMBOL), ("venue", VENUE), ("side", SIDE), ("type", TYPE))
MICROSECONDS = 1e6
LONGEST = 1e9

MOVED = 1_023
"""Rows that met on one id stand at most that far from their own."""

FIND = "SELECT id, decision FROM orders WHERE client_id = ? AND trace = ?"
OWNER = "SELECT id FROM decision WHERE id BETWEEN ? AND ? AND trace = ? AND span = ?"
FACTS = ("decision", "strategy", "symbol", "venue", "side", "type", "quantity", "price")
SENT = ("arrival_mid", "currency", "multiplier", "event_time", "position_id")
STATE = ("status", "cum_quantity", "avg_price", "updated")
KEPT = ", ".join(f"{column} = coalesce(?, {column})" for column in (*FACTS, *STATE, *SENT))
CHANGE = f"UPDATE orders SET submitted = submitted | ?, {KEPT} WHERE id = ?"  # noqa: S608  own names
MOVE = "UPDATE orders SET id = ? WHERE id = ?"
MOVE_UPDATE = "UPDATE order_update SET order_id = ? WHERE id BETWEEN ? AND ? AND order_id = ?"
REJECT = "UPDATE decision SET rejected = ? WHERE id BETWEEN ? AND ? AND trace = ? AND span = ?"


class OrderSpans:
    """The spans of a trace that orders are made of: decisions, and submissions and updates by client order id."""

    __slots__ = ("decisions", "orders", "updates")

    def __init__(self) -> None:
        self.decisions: list[SpanView] = []
        self.orders: dict[str, list[SpanView]] = {}
        self.updates: dict[str, list[SpanView]] = {}

    def take(self, span: SpanView, name: str) -> None:
        """Add a span, if it is one of these."""
        if name == DECISION:
            if is_decision(span):
                self.decisions.append(span)
            return
        client = text(span.attributes, CLIENT)
        if client is not None:
            (self.orders if name == ORDER else self.updates).setdefault(client, []).append(span)

    def __bool__(self) -> bool:
        return bool(self.decisions or self.orders or self.updates)


def _by_time(fresh: Sequence[SpanView], old: Sequence[SpanView]) -> list[SpanView]:
    found = [*fresh, *old]
    if len(found) > 1:
        found.sort(key=_moment)
    return found


def _moment(span: SpanView) -> tuple[int, bytes]:
    return span.start_time_unix_nano, span.span_id


class Booking:
    """Books the order spans of one trace.

    Args:
        db: connection within a transaction.
        desk: gives names and row ids.
        rows: takes new rows.
        fresh: spans that come now.
        old: spans that are stored already.
    """

    def __init__(self, db: Connection, desk: Desk, rows: Rows, fresh: OrderSpans, old: OrderSpans) -> None:
        self.db = db
        self.desk = desk
        self.rows = rows
        self.fresh = fresh
        self.old = old

    def rejected(self, decision: SpanView) -> int:
        """Count the orders of a decision that the venue rejected or the bot denied."""
        if not self.fresh.updates and not self.old.updates:
            return 0
        updates = itertools.chain(self.fresh.updates.items(), self.old.updates.items())
        return len({client for client, spans in updates if any(_refused(decision, span) for span in spans)})

    def book(self, decided: dict[bytes, int]) -> None:
        """Add and change rows of orders; `decided`: row ids of the decisions that come now, by span id."""
        fresh, old = self.fresh, self.old
        clients = {**fresh.orders, **fresh.updates}
        if decided:
            clients |= {**old.orders, **old.updates}
        for client in clients:
            if decided or client in fresh.orders or not self._advanced(client):
                self._order(client, decided)
        for decision in old.decisions if fresh.updates else ():
            if any(_refused(decision, span) for spans in fresh.updates.values() for span in spans):
                low = base_id(decision)
                self.db.execute(REJECT, (self.rejected(decision), low, low + MOVED, *_ids(decision)))

    # --- one order ---------------------------------------------------------------------------------------------

    def _submits(self, client: str) -> list[SpanView]:
        return _by_time(self.fresh.orders.get(client, ()), self.old.orders.get(client, ()))

    def _reports(self, client: str) -> list[SpanView]:
        return _by_time(self.fresh.updates.get(client, ()), self.old.updates.get(client, ()))

    def _advanced(self, client: str) -> bool:
        """Book updates of an order whose submission is stored, the usual case; False where that is not so."""
        submits = self._submits(client)
        if not submits:
            return False
        low, own = base_id(submits[0]), (bounded(client), submits[0].trace_id)
        for row, *found in self.desk.orders_between(low, low + MOVED):
            if tuple(found) == own:
                self.rows.states.append((*self._state(self._reports(client)), row))
                self._updates(client, row)
                return True
        return False

    def _order(self, client: str, decided: dict[bytes, int]) -> None:
        submits, updates = self._submits(client), self._reports(client)
        first = (submits or updates)[0]
        trace, key = first.trace_id, bounded(client)
        stored = client in self.old.orders or client in self.old.updates
        # without a submission the order may be one whose spans are pruned while its row is kept
        known = self.db.execute(FIND, (key, trace)).fetchone() if stored or not submits else None
        decision = known[1] if known else None
        if decision is None:
            decision = self._decision(first, decided)
        said = [span.attributes for span in (*submits, *updates)]
        sent = said[0] if submits else {}
        facts, state = self._facts(decision, sent, said), (*self._state(updates), *self._sent(sent, said))
        if known is None:
            row = self.desk.free("orders", base_id(first))
            self.rows.add("orders", (row, key, trace, facts[0], int(bool(submits)), *facts[1:], *state))
        else:
            row = self._moved(int(known[0]), first, client)
            self.db.execute(CHANGE, (int(bool(submits)), *facts, *state, row))
        self._updates(client, row)

    def _updates(self, client: str, row: int) -> None:
        for update in self.fresh.updates.get(client, ()):
            self._update(update, row)

    def _moved(self, row: int, first: SpanView, client: str) -> int:
        """Return the row id of a known order; it moves when a span comes that is earlier in its life."""
        base = base_id(first)
        if row <= base + MOVED:
            return row
        moved = self.desk.free("orders", base)
        self.db.execute(MOVE, (moved, row))
        self.desk.orders_moved()
        for update in self.old.updates.get(client, ()):
            low = base_id(update)
            self.db.execute(MOVE_UPDATE, (moved, low, low + MOVED, row))
        return moved

    def _decision(self, span: SpanView, decided: dict[bytes, int]) -> int | None:
        for decision in (*self.fresh.decisions, *self.old.decisions):
            if _owns(decision, span):
                row = decided.get(decision.span_id)
                return self._stored(decision) if row is None else row
        return None

    def _stored(self, decision: SpanView) -> int | None:
        low = base_id(decision)
        known = self.db.execute(OWNER, (low, low + MOVED, *_ids(decision))).fetchone()
        return known[0] if known else None

    def _facts(self, decision: int | None, sent: AttributeMap, said: list[AttributeMap]) -> tuple[Any, ...]:
        """Return what all spans of an order `said` of it, and what only its submission did."""
        name = self.desk.name
        texts = [name(kind, _first(said, key)) for kind, key in NAMED]
        return (decision, *texts, number(sent, QUANTITY), number(sent, PRICE))

    def _sent(self, sent: AttributeMap, said: list[AttributeMap]) -> tuple[Any, ...]:
        """Return what only the submission says, and currency, multiplier and position, which updates repeat."""
        currency = self.desk.name("currency", _first(said, CURRENCY))
        multiplier = next((found for facts in said if (found := number(facts, MULTIPLIER)) is not None), None)
        position = _first(said, POSITION_ID)
        own = bounded(position) if position is not None else None
        return (number(sent, ARRIVAL_MID), currency, multiplier, whole(sent, EVENT_TIME), own)

    def _state(self, updates: list[SpanView]) -> tuple[Any, ...]:
        if not updates:
            return (None, None, None, None)
        newest = updates[0] if len(updates) == 1 else max(updates, key=_rank)
        facts = newest.attributes
        status = self.desk.name("status", text(facts, STATUS))
        return (status, number(facts, CUM), number(facts, AVERAGE), newest.start_time_unix_nano)

    def _update(self, span: SpanView, order: int) -> None:
        facts, name = span.attributes, self.desk.name
        fill_id, fee = text(facts, FILL_ID), number(facts, FEE)
        currency = (text(facts, FEE_CURRENCY) or text(facts, CURRENCY)) if fee is not None else None
        self.rows.add(
            "order_update",
            (
                *(self.desk.free("order_update", base_id(span)), order, name("status", text(facts, STATUS))),
                *(number(facts, CUM), number(facts, AVERAGE), number(facts, FILL_QUANTITY), number(facts, FILL_PRICE)),
                *(fee, name("currency", currency), name("liquidity", text(facts, LIQUIDITY))),
                bounded(fill_id) if fill_id is not None else None,
                name("reason", text(facts, REJECT_REASON)),
                int(flag(facts, DUPLICATE, default=False)),
                int(flag(facts, VALID, default=True)),
                *(number(facts, SLIPPAGE), number(facts, SHORTFALL), _micros(facts), whole(facts, EVENT_TIME)),
            ),
        )


def _first(said: Iterable[AttributeMap], key: str) -> str | None:
    for facts in said:
        if key in facts:
            found = text(facts, key)
            if found is not None:
                return found
    return None


def _micros(facts: AttributeMap) -> int | None:
    seconds = number(facts, ACKNOWLEDGED)
    return round(seconds * MICROSECONDS) if seconds is not None and abs(seconds) < LONGEST else None


def _owns(decision: SpanView, span: SpanView) -> bool:
    said = text(span.attributes, DECISION_ID)
    return said == identity(decision) if said is not None else span.parent_span_id == decision.span_id


def _ids(decision: SpanView) -> tuple[bytes, bytes]:
    return decision.trace_id, span_told(decision.trace_id, decision.span_id)


def _refused(decision: SpanView, update: SpanView) -> bool:
    return text(update.attributes, STATUS) in REFUSED and _owns(decision, update)


def _rank(update: SpanView) -> Rank:
    facts = update.attributes
    return rank(
        text(facts, STATUS),
        update.start_time_unix_nano,
        duplicate=flag(facts, DUPLICATE, default=False),
        valid=flag(facts, VALID, default=True),
        cum_quantity=number(facts, CUM),
        avg_price=number(facts, AVERAGE),
    )
