"""How late asyncio loops are: a probe asks each loop to be woken and looks at the clock when it is."""

from __future__ import annotations

import contextvars
import sys
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ares_otel.guard import GUARD, Guard

if TYPE_CHECKING:
    # a bot without asyncio need not import it, and one with it has
    import asyncio

__all__ = ["Loops", "attach_if_running", "running_loop"]

INTERVAL: Final = 0.5
KEPT: Final = 1_024


class _Probe:
    """Wakes up in a loop again and again; each time it was late is noted in seconds."""

    def __init__(self, owner: Loops, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        # an empty context: the one of the first decision would be kept alive for as long as the loop runs
        self._context = contextvars.Context()
        self._due = 0.0

    def arm(self) -> None:
        self._due = time.monotonic() + self._owner.interval
        self._loop.call_later(self._owner.interval, self._fire, context=self._context)

    def _fire(self) -> None:
        if self._owner.watching:
            self._owner.lags.append(max(0.0, time.monotonic() - self._due))
            self.arm()


class Loops:
    """The event loops that are watched.

    Attributes:
        interval: seconds between two looks at a loop.
        lags: seconds of delay, bounded, taken out by `drain`.
        watching: False ends all probes at their next turn.
    """

    def __init__(self, interval: float = INTERVAL, guard: Guard = GUARD) -> None:
        self.interval = interval
        self.lags: deque[float] = deque(maxlen=KEPT)
        self.watching = False
        self._guard = guard
        self._seen: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._last: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def start(self) -> None:
        """Let `attach_if_running` find this watch."""
        self.watching = True
        _WATCHES[:] = [self]

    def stop(self) -> None:
        """End all probes and forget the loops."""
        self.watching = False
        self._last = None
        self._seen = weakref.WeakSet()
        if self in _WATCHES:
            _WATCHES.remove(self)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop, from any thread; a loop that is watched already is left as it is."""
        with self._guard.shield("system.loop"):
            if self.watching and loop not in self._seen:
                self._seen.add(loop)
                probe = _Probe(self, loop)
                if running_loop() is loop:
                    probe.arm()
                else:
                    loop.call_soon_threadsafe(probe.arm, context=contextvars.Context())

    def meet(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the running loop; nearly free for the loop that was met last."""
        if self._last is None or self._last() is not loop:
            self._last = weakref.ref(loop)
            self.watch(loop)

    def drain(self) -> list[float]:
        """Return the lags since the last call."""
        lags = []
        while self.lags:
            lags.append(self.lags.popleft())
        return lags


_WATCHES: list[Loops] = []


def running_loop() -> Any:
    """Return the loop that runs in this thread, None if there is none (and without importing asyncio)."""
    events = sys.modules.get("asyncio.events")
    # the public function raises where there is no loop, which costs ten times as much
    return None if events is None else events._get_running_loop()  # noqa: SLF001


def attach_if_running() -> None:
    """Watch the loop that runs in this thread, if there is one and a `System` is started. Costs about 0.2 µs."""
    if _WATCHES:
        loop = running_loop()
        if loop is not None:
            _WATCHES[0].meet(loop)
