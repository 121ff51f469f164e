"""`System`: samples in a slow thread of its own, pauses and lags by callbacks, all of it taken back by `stop`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client.process_collector import ProcessCollector

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.facade import Metrics
from ares_otel.metrics.sources import Reading
from ares_otel.semconv import metrics as m
from ares_otel.system.loops import Loops
from ares_otel.system.pauses import Pauses
from ares_otel.system.probes import Probes

if TYPE_CHECKING:
    import asyncio

__all__ = ["System"]

INTERVAL: Final = 5.0
SLOW_EVERY: Final = 12
STALE: Final = 3.0
STOP_SECONDS: Final = 0.1
GENERATIONS: Final = 3


class System:
    """Group "process" of the reference: CPU, memory, files, connections, disk, network, event-loop lag, GC pauses.

    A sample that was not renewed for three turns is not shown: it would tell of a time that is over.

    Args:
        metrics: where the values go.
        interval: seconds between samples; connections, which are dear to count, are looked at every twelfth time.
        disk: a path on the file system that is watched, for example the state directory.
        guard: counts errors.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        interval: float = INTERVAL,
        disk: str | os.PathLike[str] = ".",
        guard: Guard = GUARD,
    ) -> None:
        self.loops = Loops(guard=guard)
        self._metrics = metrics
        self._interval = interval
        self._guard = guard
        self._probes = Probes(Path(disk).absolute(), guard)
        self._pauses = Pauses([metrics.cell(m.GC_PAUSE, (str(each),)) for each in range(GENERATIONS)])
        self._collector = ProcessCollector(registry=None)
        self._rounds = 0
        self._sampled: dict[Hashable, tuple[float, Reading]] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._undo = ExitStack()

    def start(self) -> None:
        """Begin to measure; a second call changes nothing."""
        if self._thread is not None:
            return
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name="ares-otel-system", daemon=True)
        with self._guard.shield("system.start"):
            self._metrics.registry.register(self._collector)
            self._undo.callback(self._metrics.registry.unregister, self._collector)
            self._undo.callback(self._metrics.observe_at_scrape(self._readings))
            self._undo.callback(self._pauses.stop)
            self._pauses.start()
            self._undo.callback(self.loops.stop)
            self.loops.start()
            self._thread.start()

    def stop(self) -> None:
        """Take all callbacks back and end the thread, within a tenth of a second."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._end.set()
        with self._guard.shield("system.stop"):
            self._undo.close()
        if thread.is_alive():
            thread.join(STOP_SECONDS)

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Measure how late a loop is; see also `attach_if_running`."""
        self.loops.watch(loop)

    def sample(self) -> None:
        """Measure once; the thread does so every `interval` seconds."""
        slow = self._rounds % SLOW_EVERY == 0
        self._rounds += 1
        now = time.monotonic()
        for reading in self._probes.sample(slow=slow):
            metric, labels, _ = reading
            patience = STALE * self._interval * (SLOW_EVERY if metric is m.PROCESS_CONNECTIONS else 1)
            self._sampled[metric.name, labels] = (now + patience, reading)
        self._observe_lags()

    def _run(self) -> None:
        process, ended = os.getpid(), False
        while not ended:
            self.sample()
            ended = self._end.wait(self._interval)
            keep_to(process)

    def _readings(self) -> Iterator[Reading]:
        self._observe_lags()
        now = time.monotonic()
        for until, reading in list(self._sampled.values()):
            if now <= until:
                yield reading

    def _observe_lags(self) -> None:
        for lag in self.loops.drain():
            self._metrics.apply(m.EVENT_LOOP_LAG, "observe", lag)
