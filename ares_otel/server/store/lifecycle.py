"""Which of an order's updates tells its state."""

from __future__ import annotations

from typing import TypeAlias

from ares_otel.orders.states import DONE
from ares_otel.semconv.enums import OrderStatus

__all__ = ["REFUSED", "Rank", "rank"]

REFUSED: frozenset[str] = frozenset({OrderStatus.REJECTED, OrderStatus.DENIED})

Rank: TypeAlias = tuple[bool, bool, int, float, bool, str, float]


def rank(
    status: str | None,
    time: int,
    *,
    duplicate: bool,
    valid: bool,
    cum_quantity: float | None,
    avg_price: float | None,
) -> Rank:
    """Return the rank of an update: the greatest tells the state.

    That is the newest by time, unless it only repeats another or FIX does not allow it; at one moment the one that
    tells more.
    """
    word = status or ""
    return (not duplicate, valid, time, cum_quantity or 0.0, word in DONE, word, avg_price or 0.0)
