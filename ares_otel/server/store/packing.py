"""Puts segments of one resource together while there is time: one frame of many takes less room than one of each.

A bot sends once a second, which makes many small segments; a commit that is waited for has no time to pack well. What
a segment holds stays its own, a part of the pack's content, so that nothing that reads segments has to know of packs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from ares_otel.server.store.frames import HEAD_BYTES, content_size
from ares_otel.server.store.store import Store

__all__ = ["PACK_BYTES", "Packer"]

PACK_BYTES: Final = 262_144
"""Bytes of spans in a pack; more would make a single decision slow to read."""

SETTLED: Final = 300_000
"""Age in µs of segments that are packed: what came later can be asked for a moment, by a bot that sends it again."""

LONG_AGO: Final = 3_600_000_000
"""Age in µs at which segments are packed however few they are."""

HURRIED: Final = 15_000
"""Spans a second above which the writer has no time for this."""

ROWS: Final = 64
STEP: Final = 0.02
PAUSE: Final = 0.1
SHARE: Final = 5.0
"""Seconds of a step, and how many times as long there is none: packing takes at most a sixth of the writer's time."""

APART: Final = (
    f"SELECT id, resource, substr(data, 1, {HEAD_BYTES}) FROM segment "  # noqa: S608  own number
    "WHERE pack IS NULL AND id > ? AND id < ? ORDER BY id LIMIT ?"
)
FRAMES: Final = "SELECT id, resource, data FROM segment WHERE pack IS NULL AND id {some}"
GONE: Final = "DELETE FROM segment WHERE id = ?"


class Packer:
    """A chore of the writer.

    Args:
        now: the wall clock in Unix ns.
    """

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._last = -1
        self._waiting: dict[int, _Waiting] = {}
        self._ready: deque[list[int]] = deque()
        self._seen = (0, time.perf_counter())

    def __call__(self, store: Store) -> float:
        """Do one step; return the seconds until the next."""
        begun = time.perf_counter()
        stored, since = self._seen
        self._seen = (store.stored, begun)
        if store.stored - stored > HURRIED * (begun - since):
            return PAUSE
        # of the processor, since on a busy machine nothing would be packed otherwise
        working, spent = time.thread_time(), 0.0
        while spent < STEP and self._fetched(store):
            _share(store, self._ready.popleft())
            spent = time.thread_time() - working
        return max(PAUSE, SHARE * spent)

    def _fetched(self, store: Store) -> bool:
        """Return whether there is a pack to make."""
        if not self._ready:
            self._look(store)
        return bool(self._ready)

    def _look(self, store: Store) -> None:
        """Look at segments that are not packed, after those that were looked at."""
        now = self._now() // 1_000
        found = store.db.execute(APART, (self._last, now - SETTLED, ROWS)).fetchall()
        for own, resource, head in found:
            waiting = self._waiting.setdefault(resource, _Waiting())
            waiting.segments.append(own)
            waiting.size += content_size(bytes(head))
            self._last = own
            if waiting.size >= PACK_BYTES:
                self._ready.append(self._waiting.pop(resource).segments)
        if not found:
            for resource, waiting in list(self._waiting.items()):
                if waiting.segments[0] < now - LONG_AGO:
                    del self._waiting[resource]
                    if len(waiting.segments) > 1:
                        self._ready.append(waiting.segments)


class _Waiting:
    """Segments of one resource that do not fill a pack yet, and the bytes of their spans."""

    def __init__(self) -> None:
        self.segments: list[int] = []
        self.size = 0


def _share(store: Store, segments: list[int]) -> None:
    """Put the frames of segments into one."""
    with store.transaction():
        frames = sorted(store.db.pick(FRAMES, segments))
        if len(frames) < len(segments):
            # some were pruned or restored meanwhile; the others stay as they are
            return
        pack, contents = segments[-1], [store.codec.unpack(data) for _, _, data in frames]
        sizes = list(map(len, contents))
        starts = accumulate(sizes, initial=0)
        store.db.add("pack", [(pack, store.codec.squeeze(b"".join(contents)))])
        # an update would leave SQLite's pages nearly empty
        store.db.change(GONE, [(own,) for own in segments])
        parts = zip(frames, starts, sizes, strict=False)
        store.db.add("segment", [(own, resource, b"", pack, start, size) for (own, resource, _), start, size in parts])
