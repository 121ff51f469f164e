"""The orders that the ledger has at hand, open ones apart from the rest, each in the order of their last change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from ares_otel.orders.known import Known

__all__ = ["Memory"]


class Memory:
    """Orders by client id. What ended goes first when there are too many, then the oldest."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Known] = OrderedDict()
        self._rest: OrderedDict[str, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._rest)

    def __iter__(self) -> Iterator[str]:
        yield from self._open
        yield from self._rest

    def __contains__(self, client_id: str) -> bool:
        return client_id in self._open or client_id in self._rest

    def get(self, client_id: str) -> Known | None:
        """Return an order, None when it is not at hand."""
        return self._open.get(client_id) or self._rest.get(client_id)

    def put(self, client_id: str, known: Known) -> None:
        """Keep an order as the newest."""
        opened, rest = self._open, self._rest
        if client_id in opened:
            del opened[client_id]
        elif client_id in rest:
            del rest[client_id]
        lives = known.order is not None and not known.done
        (opened if lives else rest)[client_id] = known

    def some(self, client_ids: Iterable[str]) -> Iterator[tuple[str, Known]]:
        """Yield those of the orders that are at hand."""
        for client_id in client_ids:
            known = self.get(client_id)
            if known is not None:  # pragma: no branch  # what is forgotten is no longer asked for
                yield client_id, known

    def trim(self, limit: int, ended: int) -> list[tuple[str, bool]]:
        """Forget what is over the limits: of all orders, and of those that are not open.

        Returns:
            Client ids of what was forgotten, and whether the order was open.
        """
        gone = []
        while self._rest and (len(self._rest) > ended or len(self) > limit):
            gone.append((self._rest.popitem(last=False)[0], False))
        while len(self._open) > limit:
            gone.append((self._open.popitem(last=False)[0], True))
        return gone
