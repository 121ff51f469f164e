"""What running processes and their directories take over time: samples, and what is said of them."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import psutil

__all__ = ["DAY", "MIB", "Memory", "Point", "Usage", "growth", "occupied", "quantile"]

MIB = 1 << 20
DAY = 86_400.0
BLOCK = 512
"""Unit of `st_blocks`."""


class Memory(NamedTuple):
    """Memory of a process in bytes.

    Attributes:
        resident: with pages of files that it has mapped, which the kernel takes back when it needs them.
        proportional: resident, each shared page divided by those who share it; None where the system does not say.
        own: without pages of files: what counts against a limit and is not given back.
    """

    resident: int
    proportional: int | None
    own: int


class Point(NamedTuple):
    """One look at everything: monotonic time, memory and CPU seconds by process, bytes on disk by part."""

    at: float
    memory: dict[str, Memory]
    cpu: dict[str, float]
    disk: dict[str, int]


class Usage:
    """Looks at processes and directories every some seconds, in a thread; a context manager.

    Args:
        processes: ids by name.
        parts: what tells the bytes on disk, by name.
        interval: seconds between two looks.

    Attributes:
        points: what was seen.
    """

    def __init__(
        self, processes: Mapping[str, int], parts: Mapping[str, Callable[[], int]], interval: float = 5.0
    ) -> None:
        self.points: list[Point] = []
        self._processes = {name: psutil.Process(number) for name, number in processes.items()}
        self._parts = dict(parts)
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look_on(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            self.points.append(self._look())
            due += self._interval

    def _look(self) -> Point:
        memory, cpu = {}, {}
        for name, process in self._processes.items():
            try:
                with process.oneshot():
                    memory[name] = _memory(process)
                    times = process.cpu_times()
            except psutil.Error:
                continue  # it has ended, or ends
            cpu[name] = float(times.user + times.system)
        return Point(time.monotonic(), memory, cpu, {name: ask() for name, ask in self._parts.items()})


def _memory(process: psutil.Process) -> Memory:
    full = process.memory_full_info()
    proportional = getattr(full, "pss", None)
    return Memory(full.rss, proportional, full.rss - getattr(full, "shared", 0))


def occupied(directory: Path, pattern: str = "**/*") -> int:
    """Return the bytes that files of a directory occupy on disk: a hole in a file takes nothing."""
    total = 0
    for path in directory.glob(pattern):
        try:
            found = path.lstat()
        except OSError:
            continue  # removed meanwhile
        total += found.st_blocks * BLOCK
    return total


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def growth(points: Sequence[Point], part: str) -> float:
    """Return the bytes a second that a part grew by: the slope of a line through the points (least squares)."""
    line = statistics.linear_regression([point.at for point in points], [point.disk[part] for point in points])
    return line.slope
