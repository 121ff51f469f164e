"""Cells at hand: what the worker needs again for each decision, without a tuple of labels and a search for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["Kept"]

K = TypeVar("K")
V = TypeVar("V")
LIMIT: Final = 1_024


class Kept(dict[K, V], Generic[K, V]):
    """A bounded dictionary that makes what is missing; when it is full it begins anew, as all of it can be remade."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        if len(self) >= LIMIT:
            self.clear()
        value = self[key] = self._make(key)
        return value
