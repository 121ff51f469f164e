"""The bot's side of the pipeline: a bounded queue that the hot path appends to, and nothing else.

There is one `RECORDER` in a process. `setup()` arms it; before that and after `shutdown()` it takes nothing, while
contexts, ids and correlation work as ever.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ares_otel.clock import Clock
from ares_otel.correlation.ids import IdSource
from ares_otel.pipeline.ring import Ring
from ares_otel.pipeline.room import Room

__all__ = ["RECORDER", "Recorder", "discard"]

QUEUE_LIMIT = 100_000
OPEN_LIMIT = 10_000
ITEM_LIMIT = 1_000


class Recorder:
    """Bounded queue of what happened, with the clock and the ids that the hot path needs.

    Attributes:
        enabled: whether anything is kept.
        strict: records are examined at the call, and a bad value raises.
        queue: what waits for the worker; items are never changed after they were appended.
        limit: greatest length of the queue; what comes beyond is refused and counted.
        room: raises that limit while the queue's bytes are within their bound; None: it stays as it is.
        refused: items that found the queue full.
        limited: items beyond the limit of their decision.
        taken: items that the worker took.
        open: decisions that had not ended when the worker saw them, in the order in which they began; the worker's own.
        open_limit: how many of them it keeps.
        ids_carry_trace: client order ids made here carry the trace id.
        max_items: stages, records and spans that one decision may hold.
        now: monotonic clock in ns.
        ambient: context that the process was started with.
        on_loop: called once, at the start of the next decision, to find the event loop it runs in; the worker sets it
            again, so that one decision in a round pays for it.
        ring: where records outlive the process; None without one, and in a forked child.
        sampled: tells from trace id and the parent's sampled flag (None without a parent) whether a trace is kept.
    """

    __slots__ = (
        "_lock",
        "ambient",
        "clock",
        "enabled",
        "ids",
        "ids_carry_trace",
        "limit",
        "limited",
        "max_items",
        "now",
        "on_loop",
        "open",
        "open_limit",
        "queue",
        "refused",
        "ring",
        "room",
        "sampled",
        "strict",
        "taken",
    )

    def __init__(self) -> None:
        # one that its own thread may take again: a signal handler that records can come while it is held
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Return to the state before any set-up."""
        self.enabled = False
        self.strict = False
        self.limit = QUEUE_LIMIT
        self.room: Room | None = None
        self.open_limit = OPEN_LIMIT
        self.max_items = ITEM_LIMIT
        self.queue: deque[Any] = deque()
        self.open: list[Any] = []
        self.refused = 0
        self.limited = 0
        self.taken = 0
        self.ids = IdSource()
        self.ids_carry_trace = False
        self.ambient: Mapping[str, Any] | None = None
        self.sampled: Callable[[int, bool | None], bool] = _always
        self.on_loop: Callable[[], None] | None = None
        self.ring: Ring | None = None
        self.use_clock(Clock())

    def use_clock(self, clock: Clock) -> None:
        """Take time from this clock from now on."""
        self.clock = clock
        self.now = clock.monotonic

    def take_on_loop(self) -> None:
        """Call `on_loop`, which is not called again until it is set again."""
        call, self.on_loop = self.on_loop, None
        if call is not None:
            call()

    def put(self, item: object) -> bool:
        """Append an item, or count it as refused when the queue is full; tell whether it will be worked on."""
        if len(self.queue) >= self.limit and not self.extend():
            self.refuse()
        elif self.enabled:
            self.queue.append(item)
            return True
        return False

    def bound(self, items: int, size: int) -> None:
        """Let the queue have at most so many items, of so many bytes, from now on."""
        self.room = Room(items, size)
        self.limit = self.room.limit

    def extend(self) -> bool:
        """Make room in a queue that has reached its limit, if there is some."""
        if self.room is None:
            return False
        with self._lock:
            if len(self.queue) >= self.limit:
                self.limit = self.room.grown(self.queue)
            return len(self.queue) < self.limit

    def worked(self) -> None:
        """Note that what the worker took is worked through: it takes no room any more."""
        if self.room is not None:
            with self._lock:
                self.room.worked()

    def refuse(self) -> None:
        """Count an item that found the queue full."""
        with self._lock:
            self.refused += 1

    def over_limit(self) -> None:
        """Count an item beyond the limit of its decision."""
        with self._lock:
            self.limited += 1

    def snapshot(self) -> list[Any]:
        """Take what was open and what is in the queue now, and not what is appended meanwhile.

        What was open comes first: what is in the queue may be about its orders.
        """
        pop = self.queue.popleft
        found = [pop() for _ in range(len(self.queue))]
        self.taken += len(found)
        if self.room is not None:
            with self._lock:
                self.limit = self.room.taken(found)
        watched, self.open = self.open, []
        return watched + found

    def forget(self) -> None:
        """Begin anew in a forked child: what was recorded is the parent's, which delivers it.

        A decision that was open goes on in the parent; here it counts as ended, so that it is told once. What is
        recorded under it here joins its trace.
        """
        self._lock = threading.RLock()
        for item in (*self.queue, *self.open):
            discard(item, self.now())
        self.queue = deque()
        self.ring = None
        self.open = []
        self.refused = self.limited = self.taken = 0
        if self.room is not None:
            self.room.worked()
            self.limit = self.room.taken(())
        self.ids.reseed()


def discard(item: Any, ended: int = 0) -> None:
    """Let go of what belongs to a decision that nobody will tell; any other item is left as it is.

    Args:
        item: what was in the queue.
        ended: when it is to have ended if it is still open (monotonic ns); 0 leaves that to its block.
    """
    parts = getattr(item, "items", None)
    if isinstance(parts, list):
        item.settled = True
        item.end_at = item.end_at or ended
        parts.clear()


def _always(trace_id: int, parent: bool | None) -> bool:  # noqa: FBT001  three-valued flag of the parent
    del trace_id, parent
    return True


RECORDER = Recorder()
if hasattr(os, "register_at_fork"):  # pragma: no branch  # there is no fork where it is missing
    os.register_at_fork(after_in_child=RECORDER.forget)
