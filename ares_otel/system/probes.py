"""What psutil tells of the process and its host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import psutil

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.sources import Reading
from ares_otel.semconv import metrics as m

__all__ = ["Probes"]

Probe: TypeAlias = Callable[[], Iterator[Reading]]
GIVE_UP: Final = 3


class Probes:
    """Measures the process and the host; a probe that fails three times in a row is not asked again.

    CPU is the mean since the last sample, so the first sample has none.

    Args:
        disk: the file system that is looked at is the one that holds this path.
        guard: counts errors.
    """

    def __init__(self, disk: Path, guard: Guard = GUARD) -> None:
        self._process = psutil.Process()
        self._disk = disk
        self._guard = guard
        self._warm = False
        self._interfaces: dict[str, tuple[int, int]] = {}
        self._moved = [0, 0]
        self._fails: dict[Probe, int] = dict.fromkeys(
            (self._cpu, self._memory, self._threads, self._files, self._io, self._host, self._network), 0
        )
        self._slow: dict[Probe, int] = {self._connections: 0}

    def sample(self, *, slow: bool = False) -> list[Reading]:
        """Return what can be measured now; `slow` includes what reads the tables of the whole host."""
        readings = self._asked(self._fails)
        if slow:
            readings += self._asked(self._slow)
        self._warm = True
        return readings

    def _asked(self, probes: dict[Probe, int]) -> list[Reading]:
        readings: list[Reading] = []
        for probe, fails in list(probes.items()):
            probes[probe] = fails + 1
            with self._guard.shield("system.probe"):
                readings += list(probe())
                probes[probe] = 0
            if probes[probe] >= GIVE_UP:
                del probes[probe]
        return readings

    def _cpu(self) -> Iterator[Reading]:
        own, host = self._process.cpu_percent(None), psutil.cpu_percent(None)
        if self._warm:
            yield m.PROCESS_CPU, (), own / 100.0
            yield m.HOST_CPU, (), host / 100.0

    def _memory(self) -> Iterator[Reading]:
        yield m.PROCESS_MEMORY, (), self._process.memory_info().rss

    def _threads(self) -> Iterator[Reading]:
        yield m.PROCESS_THREADS, (), self._process.num_threads()

    def _files(self) -> Iterator[Reading]:
        yield m.PROCESS_FILES, (), self._process.num_fds()

    def _io(self) -> Iterator[Reading]:
        # macOS counts no bytes for a process, and psutil has no such method there
        counters = getattr(self._process, "io_counters", None)
        if counters is not None:
            moved = counters()
            yield m.PROCESS_IO, ("read",), moved.read_bytes
            yield m.PROCESS_IO, ("write",), moved.write_bytes

    def _host(self) -> Iterator[Reading]:
        yield m.HOST_MEMORY, (), psutil.virtual_memory().percent / 100.0
        place = next((path for path in (self._disk, *self._disk.parents) if path.exists()), Path())
        yield m.HOST_DISK, (), psutil.disk_usage(str(place)).percent / 100.0

    def _network(self) -> Iterator[Reading]:
        """Add up what each interface moved: the sum of their counters falls when one of them goes, as a restart's."""
        now = {
            name: (moved.bytes_recv, moved.bytes_sent) for name, moved in psutil.net_io_counters(pernic=True).items()
        }
        for name, moved in now.items():
            known = self._interfaces.get(name, moved if self._interfaces else (0, 0))
            for at, (before, after) in enumerate(zip(known, moved, strict=True)):
                self._moved[at] += max(0, after - before)
        self._interfaces |= now
        if self._interfaces:
            yield m.HOST_NETWORK, ("received",), self._moved[0]
            yield m.HOST_NETWORK, ("sent",), self._moved[1]

    def _connections(self) -> Iterator[Reading]:
        yield m.PROCESS_CONNECTIONS, (), len(self._process.net_connections("inet"))
