"""Forwards what is stored to InfluxDB, in a thread of its own, after it is committed.

Segments are numbered in the order in which they were committed, so the number of the last one that was forwarded is a
cursor that misses nothing, however late a span came. It is noted by the writer's thread; after a crash the last ones go
out again and replace themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final

from ares_otel.config import Influx
from ares_otel.guard import GUARD
from ares_otel.server.keep import standing
from ares_otel.server.keep.influx import BusyError, Client, RefusedError
from ares_otel.server.keep.notes import note, remember
from ares_otel.server.keep.points import points_of
from ares_otel.server.keep.standing import Observed, Standing
from ares_otel.server.store.driver import Location
from ares_otel.server.store.store import Store
from ares_otel.server.story.reading import SpanReader

__all__ = ["CURSOR", "Forwarder"]

CURSOR: Final = "influx.cursor"
"""Note: the segment up to which all is forwarded."""

SEGMENTS: Final = 200
NOTE_SECONDS: Final = 1.0
MICROSECOND: Final = 1_000
FIRST_BACKOFF: Final = 0.5
REST: Final = 2.0
"""For each second of reading and encoding the thread rests two: ingestion shares the interpreter with it."""


class Forwarder:
    """Reads new segments and writes their points; falls behind rather than hold anything up.

    Args:
        settings: where to; `url` is set.
        database: what is read.
        environ: environment variables, for secrets.
        observed: hears of the seconds of each request that was answered well.

    Attributes:
        points: points that were taken.
        refused: points that InfluxDB will never take, and that are left out therefore.
        failures: requests that failed and were tried again.
        failed: Unix ns of the last of them.
        delivered: Unix ns at which points were taken last.
        problem: why it stands still, None while it does not.
    """

    def __init__(
        self, settings: Influx, database: Location, environ: Mapping[str, str], observed: Observed | None = None
    ) -> None:
        self.points = self.refused = self.failures = 0
        self.failed: int | None = None
        self.delivered: int | None = None
        self.problem: str | None = None
        self._observed = observed
        self._oldest: int | None = None
        self._told = Standing()
        self._settings = settings
        self._database = database
        self._environ = environ
        self._cursor: int | None = None
        self._noted: int | None = None
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ares-influx", daemon=True)

    def start(self) -> None:
        """Begin, once the writer runs.

        Raises:
            SetupError: a secret cannot be read.
        """
        self._client = Client(self._settings, self._environ)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End after the request at hand; False if that took longer than the timeout in seconds."""
        self._over.set()
        if self._thread.ident is not None:
            self._client.interrupt()
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def waiting_since(self) -> int | None:
        """Unix ns at which the oldest spans that wait were stored; None if none is known to wait."""
        oldest = self._oldest
        return None if oldest is None else oldest * MICROSECOND

    @property
    def lag(self) -> float | None:
        """Age in seconds of the oldest spans that wait, 0 if none does; None before it has looked."""
        if self._cursor is None:
            return None
        since = self.waiting_since
        return 0.0 if since is None else max(time.time_ns() - since, 0) / 1e9

    def chore(self, store: Store) -> float:
        """Note how far it came and how it stands; a chore of the writer."""
        if self._cursor is None:
            with store.transaction() as db:
                self._cursor = self._noted = int(note(db, CURSOR) or 0)
            self._ready.set()
            return NOTE_SECONDS
        reached, stands = self._cursor, self._standing()
        if (reached, stands) != (self._noted, self._told):
            with store.transaction() as db:
                remember(db, CURSOR, str(reached))
                standing.write(db, "influx", stands)
            self._noted, self._told = reached, stands
        return NOTE_SECONDS

    def _standing(self) -> Standing:
        return Standing(
            ended=self.delivered,
            amount=self.points,
            lost=self.refused,
            waiting_since=self.waiting_since,
            failures=self.failures,
            failed=self.failed,
            problem=self.problem,
        )

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ready.wait(0.1):
            if self._over.is_set():
                return
        while not self._over.is_set():
            with GUARD.shield("influx"), SpanReader(self._database) as reader:
                while not self._over.is_set():
                    self._round(reader)
            self._over.wait(self._settings.backoff_limit)
        self._client.close()

    def _round(self, reader: SpanReader) -> None:
        begun = time.thread_time()
        found = reader.segments_after(self._cursor or 0, SEGMENTS)
        self._oldest = found[0][0] if found else None
        lines = [point for _, content in found for point in points_of(content)]
        spent = time.thread_time() - begun
        delivered = all(self._deliver(batch) for batch in _batches(lines, self._settings.batch_points))
        if found and delivered:
            self._cursor = found[-1][0]
            self._oldest = self._cursor if len(found) == SEGMENTS else None
        self._over.wait(self._settings.interval if len(found) < SEGMENTS else spent * REST)

    def _deliver(self, batch: list[bytes]) -> bool:
        """Send until it is taken, with growing pauses; what is refused is halved until the bad points are found.

        Returns:
            Whether all of it was dealt with before the end came.
        """
        pause = FIRST_BACKOFF
        while not self._over.is_set():
            begun = time.perf_counter()
            try:
                self._client.write(batch)
            except BusyError as error:
                self.failures += 1
                self.failed = time.time_ns()
                self.problem = str(error)
                GUARD.complain("influx", type(error).__name__, f"{error}; it is tried again, and nothing is lost")
                self._over.wait(min(max(pause, error.after), self._settings.backoff_limit))
                pause *= 2
            except RefusedError as error:
                return self._refused(batch, error)
            else:
                self._taken(len(batch), time.perf_counter() - begun)
                return True
        return False

    def _taken(self, points: int, seconds: float) -> None:
        self.points += points
        self.delivered = time.time_ns()
        self.problem = None
        if self._observed is not None:
            self._observed.observe(seconds)

    def _refused(self, batch: list[bytes], error: RefusedError) -> bool:
        if len(batch) > 1:
            middle = len(batch) // 2
            return self._deliver(batch[:middle]) and self._deliver(batch[middle:])
        self.refused += 1
        self.problem = None
        GUARD.complain("influx", "refused", f"a point is left out: {error}")
        return True


def _batches(lines: list[bytes], size: int) -> Iterator[list[bytes]]:
    for at in range(0, len(lines), size):
        yield lines[at : at + size]
