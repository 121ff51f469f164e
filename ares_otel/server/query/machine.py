"""The machine that the server runs on, sampled over time: what its outlook rests on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import psutil

from ares_otel.guard import GUARD
from ares_otel.server.query.asking import Moment

__all__ = ["MACHINE", "Machine", "Sample"]

STEP: Final = 15.0
"""Seconds between two samples."""

KEPT: Final = 2_880
"""Samples that are kept: half a day."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The machine at one moment; ratios 0 to 1, of the whole host unless it says process."""

    time: Moment
    cpu: float | None
    memory: float
    memory_bytes: int
    process_memory_bytes: int
    disk: float
    disk_free_bytes: int
    uptime_seconds: float
    connections: int | None


class Machine:
    """Samples the machine while it is asked to; several threads may ask.

    Args:
        disk: the file system that is looked at is the one that holds this path.
    """

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._process = psutil.Process()
        self._started = time.monotonic()
        self._due = 0.0
        self._warm = False
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    @property
    def samples(self) -> Sequence[Sample]:
        """What was measured, oldest first; measures now if that is due."""
        self.step()
        with self._lock:
            return tuple(self._samples)

    def step(self) -> float:
        """Measure if it is due; return after how many seconds it is due again."""
        with self._lock:
            now = time.monotonic()
            if now >= self._due:
                self._due = now + STEP
                with GUARD.shield("server machine"):
                    self._samples.append(self._sample())
            return self._due - now

    def look_at(self, disk: Path) -> None:
        """Look at the file system of another path from now on: that of the database."""
        self._disk = disk

    def _sample(self) -> Sample:
        place = next((path for path in (self._disk, *self._disk.parents) if path.exists()), Path())
        cpu, memory, disk = psutil.cpu_percent(None), psutil.virtual_memory(), psutil.disk_usage(str(place))
        sample = Sample(
            time=datetime.now(UTC),
            # the mean since the sample before, so the first one has none
            cpu=cpu / 100.0 if self._warm else None,
            memory=memory.percent / 100.0,
            memory_bytes=memory.total - memory.available,
            process_memory_bytes=self._process.memory_info().rss,
            disk=disk.percent / 100.0,
            disk_free_bytes=disk.free,
            uptime_seconds=time.monotonic() - self._started,
            connections=self._connections(),
        )
        self._warm = True
        return sample

    def _connections(self) -> int | None:
        try:
            found = self._process.net_connections("tcp")
        except (psutil.Error, OSError):
            return None
        return sum(1 for each in found if each.status == psutil.CONN_ESTABLISHED)


MACHINE: Final = Machine(Path.cwd())
"""That of this process."""
