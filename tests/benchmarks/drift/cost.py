"""What a drift monitor costs: time and memory, and that neither grows (ml.md 7.5).

Run it on a machine at rest; a quantile of 10,000 bars hides no pause of more than a hundredth of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from numpy.typing import NDArray
from rows import Row, quantile

from ares_otel.ml import DriftMonitor

__all__ = ["rows", "state_bytes"]

FEATURES: Final = 20
REFERENCE: Final = 2000
BARS: Final = 10_000
MANY: Final = 1_000_000
RESTORED: Final = 500
SECTION: Final = "Cost of 20 features"
IMPORTED: Final = """
import time, numpy
print(flush=True)
input()
start = time.perf_counter()
from ares_otel.ml import DriftMonitor
print((time.perf_counter() - start) * 1e3, flush=True)
input()
"""


def values(bars: int) -> NDArray[np.float64]:
    """Return independent columns, which have the most tests."""
    return np.random.default_rng(0).normal(size=(bars, FEATURES))


def state_bytes(monitor: DriftMonitor) -> int:
    """Return what the arrays of a monitor take that are needed from bar to bar."""
    stream = monitor._stream
    own = [part for part in vars(stream).values() if isinstance(part, np.ndarray) and part.base is None]
    return sum(part.nbytes for part in own) + stream.memory.ring.nbytes + stream.memory.times.nbytes


def timed(monitor: DriftMonitor, stream: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time of each update in µs."""
    found = np.empty(len(stream))
    for bar, row in enumerate(stream):
        start = time.perf_counter_ns()
        monitor.update(row)
        found[bar] = time.perf_counter_ns() - start
    return found / 1e3


def least(runs: int) -> float:
    """Return the shortest time of several that a monitor is made in, in ms: what is above it is other work."""
    reference = values(REFERENCE)
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        DriftMonitor(reference)
        found.append(time.perf_counter() - start)
    return min(found) * 1e3


def imported() -> tuple[float, float]:
    """Return ms and MB that the import takes on top of numpy."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", IMPORTED], stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        seen, said = psutil.Process(child.pid), []
        for _ in range(2):
            said.append((child.stdout.readline(), seen.memory_info().rss))
            child.stdin.write("\n")
            child.stdin.flush()
    (_, before), (milliseconds, after) = said
    return float(milliseconds), (after - before) / 1e6


def grown(bars: int) -> int:
    """Return the bytes that so many bars leave behind."""
    monitor, stream = DriftMonitor(values(REFERENCE)), values(BARS)
    timed(monitor, stream)
    tracemalloc.start()
    for _ in range(bars // BARS):
        for row in stream:
            monitor.update(row)
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return left


def limited(what: str, measured: float, most: float, n: int, note: str = "") -> Row:
    """Return a figure that may be at most something."""
    return Row(SECTION, what, measured, None, None, f"≤ {most:g}", measured <= most, n, note)


def restored(monitor: DriftMonitor, path: Path) -> Row:
    """Return after how many bars a monitor out of a file has another state than the one that wrote it."""
    again, differ = DriftMonitor.load(path), 0
    for row in values(BARS)[:RESTORED]:
        said = monitor.update(row), again.update(row)
        ours, theirs = (each._stream.arrays() for each in (monitor, again))
        alike = all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)
        differ += not alike or said[0] != said[1]
    what = "bars at which a restored monitor differs, to the last bit"
    return Row(SECTION, what, differ, None, None, "none", differ == 0, RESTORED)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield time and memory."""
    stream = values(REFERENCE + BARS)
    monitor = DriftMonitor(stream[:REFERENCE])
    took = timed(monitor, stream[REFERENCE:])
    for what, q, most in (("median", 0.5, 20.0), ("99 % quantile", 0.99, 30.0)):
        found = quantile(took.tolist(), q)
        yield Row(SECTION, f"update, µs, {what}", *found, f"≤ {most:g}", found[0] <= most, BARS)
    yield limited(f"reference of {REFERENCE} bars, ms", least(7), 50, 7, "the shortest")
    yield limited("state, KiB", state_bytes(monitor) / 1024, 32, 1)
    with tempfile.TemporaryDirectory() as folder:
        monitor.save(Path(folder) / "state.npz")
        yield limited("state in a file, KiB", (Path(folder) / "state.npz").stat().st_size / 1024, 32, 1)
        yield restored(monitor, Path(folder) / "state.npz")
    for what, values_, most in zip(
        ("ms", "MB"), zip(*(imported() for _ in range(7)), strict=True), (150, 15), strict=True
    ):
        found = quantile(values_)
        yield Row(SECTION, f"import over numpy, {what}", *found, f"≤ {most}", found[0] <= most, 7)
    bars = MANY // 20 if quick else MANY
    yield limited(f"growth over {bars:,} bars, KiB", grown(bars) / 1024, 2, bars)
