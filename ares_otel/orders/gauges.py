"""The open and the unanswered orders of this process, for a scrape in any thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from ares_otel.orders.known import Known

__all__ = ["Gauges"]

KEYS = 1_000
K = TypeVar("K")


class _Open(msgspec.Struct, frozen=True, gc=False):
    strategy: str | None
    symbol: str | None
    venue: str | None
    unanswered: int | None


class Gauges:
    """Orders that can still be filled. A strategy, symbol or venue that had one is shown at zero afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._pairs: dict[tuple[str | None, str | None], None] = {}
        self._venues: dict[str | None, None] = {}

    def show(self, client_id: str, known: Known, process: str) -> None:
        """Show an order as it is now known, if it is open and this process owns it."""
        order, origin = known.order, known.origin
        if order is None or known.done or known.owner != process:
            self.hide(client_id)
            return
        # as `Known.strategy` and its like, without three calls for each order
        pair, venue = (order.strategy or origin.strategy, order.symbol or origin.symbol), order.venue or origin.venue
        with self._lock:
            self._open[client_id] = _Open(*pair, venue, None if known.acked else known.wall)
            if pair not in self._pairs:
                _note(self._pairs, pair)
            if venue not in self._venues:
                _note(self._venues, venue)

    def hide(self, client_id: str) -> None:
        """Show an order no longer."""
        with self._lock:
            self._open.pop(client_id, None)

    def open_orders(self) -> Mapping[tuple[str | None, str | None], int]:
        """Return the number of open orders by strategy and symbol."""
        with self._lock:
            orders, pairs = list(self._open.values()), list(self._pairs)
        return _count(pairs, ((order.strategy, order.symbol) for order in orders))

    def unanswered(self, before: int) -> Mapping[str | None, int]:
        """Return by venue how many orders sent before that time (Unix ns) the venue has not answered."""
        with self._lock:
            orders, venues = list(self._open.values()), list(self._venues)
        return _count(
            venues, (order.venue for order in orders if order.unanswered is not None and order.unanswered < before)
        )


def _note(keys: dict[K, None], key: K) -> None:
    if len(keys) < KEYS:
        keys[key] = None


def _count(keys: Iterable[K], found: Iterable[K]) -> Mapping[K, int]:
    counts = Counter(found)
    return {**dict.fromkeys(keys, 0), **counts}
