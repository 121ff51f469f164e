"""How many bytes wait in the queue, without weighing each item: nobody who records may be held up for that.

The call compares the queue's length with a limit, and nothing else. That limit rises in steps: whoever finds it reached
weighs a few of the newest items, takes them for all that came since the last step, and lets the queue grow by another
step while the sum is within the bound. The worker's snapshot counts until it is worked through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from sys import getrefcount, getsizeof
from typing import Any, Final

from ares_otel.guard import GUARD

__all__ = ["Room", "weight"]

STEP: Final = 1_024
FIRST: Final = 128
"""A step before anything was weighed."""

STEP_SHARE: Final = 8
"""A step is at most so small a part of the bound."""

SAMPLES: Final = 4
DEPTH: Final = 6
PARTS: Final = 32
SHARED: Final = 16
"""An object that more references lead to belongs to the program: a constant, a name."""

ALIGNMENT: Final = 16
LEAST: Final = 256
UNKNOWN: Final = 1_024
FORGOTTEN: Final = 4
LEAVES: Final = frozenset({str, bytes, int, float})
FREE: Final = frozenset({type(None), bool, type})
ELSEWHERE: Final = frozenset({"parent", "decision", "inside", "span", "token", "metric"})
"""Fields that lead out of an item: to another one, or to the program."""


class Room:
    """The bound of the queue, in items and in bytes; the recorder's lock guards it.

    Args:
        items: most items.
        most: most bytes, about.
    """

    def __init__(self, items: int, most: int) -> None:
        self._items = items
        self._most = most
        self._waiting = 0
        self._in_hand = 0
        self._each = max(most // STEP_SHARE // FIRST, LEAST)
        self._full = False
        self.limit = self._first()

    def grown(self, queue: deque[Any]) -> int:
        """Return the limit for a queue that has reached it: a larger one while there is room."""
        if self._full:
            return self.limit
        step = self._step()
        self._each = self._weighed([-1 - number * step // SAMPLES for number in range(SAMPLES)], queue)
        self._waiting += step * self._each
        step = min(self._step(), (self._most - self._waiting - self._in_hand) // self._each, self._items - self.limit)
        self._full = step <= 0
        self.limit += max(step, 0)
        return self.limit

    def taken(self, items: Sequence[Any]) -> int:
        """Return the limit for a queue from which the worker has taken these, which it holds until `worked()`."""
        count = len(items)
        if count:
            weighed = self._weighed([number * count // SAMPLES for number in range(SAMPLES)], items)
            # small ones may have come between large ones: not all of that is forgotten at once
            self._each = max(weighed, self._each - self._each // FORGOTTEN)
        self._in_hand = count * self._each
        self._waiting, self._full = 0, False
        self.limit = self._first()
        return self.limit

    def worked(self) -> None:
        """Note that the worker holds nothing any more."""
        self._in_hand = 0
        self._full = False

    def _first(self) -> int:
        left = max(self._most - self._in_hand, 0)
        return min(self._step(), left // self._each, self._items)

    def _step(self) -> int:
        return max(1, min(STEP, self._most // STEP_SHARE // self._each))

    def _weighed(self, places: Sequence[int], items: Sequence[Any] | deque[Any]) -> int:
        """Return what an item weighs, by some of them; the worker may take these meanwhile."""
        known: set[int] = set()
        found = []
        for place in places:
            try:
                found.append(weight(items[place], known))
            except IndexError:
                continue
            except Exception as error:  # noqa: BLE001  what a bot puts on a span may do anything
                GUARD.failed("recorder", error)
        return max(sum(found) // len(found), LEAST) if found else UNKNOWN


def weight(value: object, known: set[int], depth: int = DEPTH) -> int:
    """Return the bytes of an object and of what it leads to, about: of many parts some are weighed.

    Args:
        value: what is weighed.
        known: ids of objects that are not weighed again; those that are get in.
        depth: how far it is followed.
    """
    kind = type(value)
    if kind in FREE or getrefcount(value) > SHARED or id(value) in known:
        return 0
    known.add(id(value))
    own = -(-getsizeof(value) // ALIGNMENT) * ALIGNMENT
    if kind in LEAVES or depth == 0:
        return own
    parts, total = _parts(value)
    inner = sum(weight(part, known, depth - 1) for part in parts)
    return own + inner * total // max(len(parts), 1)


def _parts(value: object) -> tuple[Sequence[object], int]:
    """Return some of what an object leads to, as far as it is the object's own, and how many such there are."""
    if isinstance(value, (tuple, list, deque)):
        total = len(value)
        return (value if total <= PARTS else [value[at * total // PARTS] for at in range(PARTS)]), total
    if isinstance(value, dict):
        return [part for pair in islice(value.items(), PARTS) for part in pair], 2 * len(value)
    if isinstance(value, (set, frozenset)):
        return list(islice(value, PARTS)), len(value)
    names: Sequence[str] = getattr(type(value), "__struct_fields__", ()) or getattr(type(value), "__slots__", ())
    held: dict[str, object] = getattr(value, "__dict__", {})
    found = [getattr(value, name, None) for name in names if name not in ELSEWHERE]
    found += [each for name, each in held.items() if name not in ELSEWHERE]
    return found, len(found)
