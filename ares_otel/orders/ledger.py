"""The ledger: which decision an order came from and what became of it, bounded, and remembered over restarts.

Orders outlive spans, processes and the memory of a bot. The ledger keeps for each order where it was sent (trace,
submit span, decision, correlation), when, and the sums of its fills, so that an execution report joins its order
whenever, and in whichever process of the service, it arrives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from ares_otel.guard import GUARD
from ares_otel.orders.known import Known
from ares_otel.orders.report import Report, Submission, is_same, report, submit
from ares_otel.orders.shelf import Shelf
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.records.model import Order, OrderUpdate

__all__ = ["Ledger"]

SECOND = 10**9
SYMBOLS = 1_000
NOWHERE = Origin()


class Ledger:
    """Joins execution reports with their orders.

    One thread at a time may call it (the worker's drain); `open_orders()`, `unanswered()` and `orders_known` may be
    read from any thread. Nothing is opened before the first call, and nothing raises for the sake of the file: when
    it fails, orders are kept in memory, the guard complains, and a damaged file is moved aside.

    Args:
        path: the file, shared by the processes of one service; None keeps the orders in memory only.
        limit: most orders; beyond, the oldest ended ones go first, then the oldest.
        days: orders without a report for longer are removed when the file is opened.
        unanswered_after: seconds without any answer of the venue after which an order counts as unanswered.
        process: unique id of this process; a monotonic clock is compared within one process only.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        limit: int = 50_000,
        days: float = 30,
        unanswered_after: float = 30.0,
        process: str,
    ) -> None:
        self._shelf = Shelf(path, process, limit=limit, days=days)
        self._patience = int(unanswered_after * SECOND)
        self._marks: OrderedDict[str, float] = OrderedDict()

    def open(self) -> None:
        """Open the file and take over the open orders of processes that have ended; else the first call does."""
        self._shelf.begin()

    def submit(self, order: Order, origin: Origin, at: int, wall: int, decision_price: float | None = None) -> None:
        """Remember an order that was sent.

        Args:
            order: the examined order.
            origin: where it was sent, its `span_id` that of the submit span.
            at: monotonic ns of the call.
            wall: the same in Unix ns.
            decision_price: the market's price when its decision began, the yardstick of the shortfall.
        """
        self._shelf.begin()
        known = self._shelf.at_hand(order.client_id)
        sent = Submission(order, origin, at, wall, decision_price, self._shelf.process)
        if known is not None and known.order is not None and not known.done and not is_same(known, sent):
            message = "the client id of an open order was used again; the new order takes its place"
            GUARD.complain("orders.ledger", "client id", message)
        self._shelf.change(order.client_id, submit(known, sent), sent)

    def update(self, update: OrderUpdate, at: int, wall: int, origin: Origin = NOWHERE) -> UpdateFacts:
        """Join an execution report with its order.

        Args:
            update: the examined report.
            at: monotonic ns at which it was recorded.
            wall: the same in Unix ns.
            origin: the context in which it was recorded, for an order that nobody knows.

        Returns:
            What the report means. Its origin is the order's, with the submit span as `span_id`; that of an unknown
            order is the trace that its client id carries, if any, else the given one. Its `update` has the price of
            this fill also where the venue told cumulative figures only, and no fee where that was counted before.
        """
        self._shelf.begin()
        known = self._shelf.find(update.client_id) or Known()
        heard = Report(update, origin, at, wall, self._shelf.process, self._marks.get(known.symbol or ""))
        after, facts = report(known, heard)
        self._shelf.change(update.client_id, after, heard)
        return facts

    def where(self, client_id: str) -> tuple[Order | None, Origin] | None:
        """Return an order as it was sent (None: it was only reported) and where, None when nobody knows it."""
        self._shelf.begin()
        known = self._shelf.find(client_id)
        return None if known is None else (known.order, known.origin)

    def mark(self, symbol: str, price: float) -> None:
        """Remember the last price of a symbol: what the unfilled part of an order has missed is measured by it."""
        self._marks[symbol] = price
        self._marks.move_to_end(symbol)
        if len(self._marks) > SYMBOLS:
            self._marks.popitem(last=False)

    def commit(self) -> bool:
        """Write what has changed since the last commit, in one transaction; call it after each drain.

        Returns:
            Whether the file now holds all (True without a file). What could not be written is tried again next time.
        """
        return self._shelf.commit()

    def close(self) -> bool:
        """Commit, with more patience, and close the file; return as `commit()`. What comes later stays in memory."""
        return self._shelf.close()

    def after_fork(self, process: str | None = None) -> None:
        """Begin anew in a forked child, with a connection of its own; `process` is the child's id, made if None."""
        self._shelf.after_fork(process or uuid4().hex)

    def open_orders(self) -> Mapping[tuple[str | None, str | None], int]:
        """Return by strategy and symbol how many orders of this process, and of ended ones, can still be filled."""
        return self._shelf.gauges.open_orders()

    def unanswered(self, now: int) -> Mapping[str | None, int]:
        """Return by venue how many open orders have had no answer for too long, at a time in Unix ns."""
        return self._shelf.gauges.unanswered(now - self._patience)

    @property
    def orders_known(self) -> int:
        """How many orders can be found, those included that were reported but never sent."""
        return len(self._shelf)
