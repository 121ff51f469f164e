"""The states of an order (FIX tag 39, OrdStatus) and the legal ways from one to the next.

Source: FIX 4.4 and FIX 5.0 SP2, volume 7, Appendix D "Order State Change Matrices". Its overview table shows which
transitions the examples contain and says that the absence of one does not mean that it is not allowed. What a bot
hears from venues by REST, websocket or a framework has fewer intermediate reports than a FIX session. Deviations:

* `None` (nothing heard yet) and `pending_new` go to any state that a first report may show: a market order may be
  `filled` at once, an IOC order `canceled`; a replacing order, which has a client id of its own, begins as
  `pending_replace` or `replaced`; a cancel request may overtake the acceptance (matrix B.1.d).
* `denied` is ours: the bot's own checks refused the order, so nothing was sent. It ends the order, and comes first.
* `replaced` (no OrdStatus of its own since FIX 4.3, still an ExecType) is a live state: the amended order works on
  under the same client id. A venue that gives the new order a new id reports the old one as `canceled`.
* `stopped`, `calculated` and `accepted_for_bidding` are not in our vocabulary.
* Every state may be repeated: the answer to a status request (ExecType I), a restatement (D) or a cancel reject
  carries the present state, also of an order that has ended.
* `pending_cancel` and `pending_replace` go back to whatever the order was when the request is refused.
* `done_for_day` ends an order whose time in force is `day` only; any other works on the next day (H, J.1.c).
* Ended orders stay ended. FIX lets `filled` go back by trade bust or correction (J) and by a replacement that adds
  quantity (C.1.c), and reinstates canceled orders (E); at bots' venues such a report is nearly always a late one.
  A fill after `canceled`, `expired`, `rejected` or `denied` is therefore an illegal transition; the ledger still
  counts its quantity, because the position has changed.
"""

from __future__ import annotations

from ares_otel.semconv.enums import OrderStatus, TimeInForce

__all__ = ["ANSWERS", "DONE", "TRANSITIONS", "is_done", "is_legal"]

PENDING_NEW = OrderStatus.PENDING_NEW
NEW = OrderStatus.NEW
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
FILLED = OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
REPLACED = OrderStatus.REPLACED
PENDING_REPLACE = OrderStatus.PENDING_REPLACE
REJECTED = OrderStatus.REJECTED
EXPIRED = OrderStatus.EXPIRED
SUSPENDED = OrderStatus.SUSPENDED
DONE_FOR_DAY = OrderStatus.DONE_FOR_DAY
DAY = TimeInForce.DAY
DENIED = OrderStatus.DENIED

DONE = frozenset({FILLED, CANCELED, REJECTED, EXPIRED, DENIED})
"""States after which an order can no longer be filled."""

ANSWERS = frozenset(OrderStatus) - {PENDING_NEW, PENDING_CANCEL, PENDING_REPLACE, DENIED}
"""States that only the venue can report; the others may be the bot's own note of what it has asked for."""

_LIVE = frozenset({PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, SUSPENDED, PENDING_CANCEL, PENDING_REPLACE, REPLACED})
_FIRST = _LIVE | {NEW, REJECTED}

TRANSITIONS: dict[OrderStatus | None, frozenset[OrderStatus]] = {
    None: _FIRST | {PENDING_NEW, DENIED},
    PENDING_NEW: _FIRST | {PENDING_NEW},
    NEW: _LIVE | {NEW, REJECTED, DONE_FOR_DAY},
    PARTIALLY_FILLED: _LIVE | {DONE_FOR_DAY},
    REPLACED: _LIVE | {NEW, DONE_FOR_DAY},
    SUSPENDED: _LIVE | {NEW, REJECTED, DONE_FOR_DAY},
    DONE_FOR_DAY: _LIVE | {NEW, DONE_FOR_DAY},
    PENDING_CANCEL: _LIVE | {NEW, REJECTED, DONE_FOR_DAY},
    PENDING_REPLACE: _LIVE | {NEW, REJECTED, DONE_FOR_DAY},
    FILLED: frozenset({FILLED}),
    CANCELED: frozenset({CANCELED}),
    REJECTED: frozenset({REJECTED}),
    EXPIRED: frozenset({EXPIRED}),
    DENIED: frozenset({DENIED}),
}
"""Which states may follow which; None is an order of which nothing was heard since it was sent."""


def is_legal(prior: OrderStatus | None, status: OrderStatus) -> bool:
    """Tell whether an order may go from one state to the other; None: nothing was heard of it so far."""
    return status in TRANSITIONS[prior]


def is_done(status: OrderStatus | None, time_in_force: TimeInForce | str | None = None) -> bool:
    """Tell whether an order in this state can no longer be filled; a day order is done with its day."""
    return status in DONE or (status is DONE_FOR_DAY and time_in_force == DAY)
