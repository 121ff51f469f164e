"""One thread writes: what gathered while one transaction was committed is the next one, without a timer."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from ares_otel.guard import GUARD
from ares_otel.server.otlp.decode import Decoded, decode
from ares_otel.server.otlp.logs import decode_logs
from ares_otel.server.otlp.otlp_json import logs_to_protobuf, to_protobuf
from ares_otel.server.otlp.wire import JSON, RequestError, inflate
from ares_otel.server.store.chores import Chore, Chores
from ares_otel.server.store.driver import Location
from ares_otel.server.store.store import Store

__all__ = ["LOGS", "TRACES", "Answer", "Job", "Watcher", "Writer"]

TRACES, LOGS = "traces", "logs"
QUEUE_LIMIT = 64
GROUP_LIMIT = 16
"""A transaction is full at so many requests, or at its driver's `group_bytes`."""


class Answer(NamedTuple):
    """What becomes of a request: HTTP status, a reason unless all is well, spans that were refused."""

    status: int
    reason: str = ""
    rejected: int = 0


class Job(NamedTuple):
    """A request's body as it came; `answer` is called once, in the writer's thread."""

    body: bytes
    encoding: str
    packed: bool
    answer: Callable[[Answer], None]
    signal: str = TRACES


class Watcher(Protocol):
    """Hears in the writer's thread of what becomes of requests; has to be quick."""

    def committed(self, requests: Sequence[Decoded], stored: int, logs: int, seconds: float) -> None:
        """Hear of requests that were stored in one transaction: new spans, new log records, its time."""

    def failed(self) -> None:
        """Hear of a transaction that failed."""


Group: TypeAlias = list[tuple[Job, Decoded]]


class Writer:
    """Decodes requests and stores them in groups; answers each after the commit that holds it.

    Args:
        database: file or URL of a database that is migrated already.
        max_body_bytes: longest body, also after it is unpacked.
        chores: what else is done in this thread, between two commits and while nothing comes.
        watcher: hears of what was stored.

    Attributes:
        problem: why the last commit failed, None while all is well.
        stored: spans stored since the start.
    """

    def __init__(
        self,
        database: Location,
        max_body_bytes: int,
        chores: Iterable[Chore] = (),
        watcher: Watcher | None = None,
    ) -> None:
        self.problem: str | None = None
        self.stored = 0
        self._database = database
        self._limit = max_body_bytes
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._chores = Chores(chores)
        self._watcher = watcher
        self._open = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="ares-store", daemon=True)

    @property
    def open(self) -> bool:
        """Whether requests are taken."""
        return self._open and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._queue.qsize()

    def start(self) -> None:
        """Open the database and begin.

        Raises:
            DatabaseError: another server writes it, or it cannot be reached.
            sqlite3.Error: it cannot be opened.
        """
        self._store = Store(self._database)
        self._thread.start()
        self._open = True

    def submit(self, job: Job) -> bool:
        """Take a request, or refuse it because too many wait or the end has come."""
        if not self.open or self._queue.qsize() >= QUEUE_LIMIT:
            return False
        self._queue.put(job)
        return True

    def stop(self, timeout: float) -> bool:
        """Store what was taken, close the database; False if that took longer than the timeout in seconds."""
        if self._thread.ident is None:
            return True
        if self._open:
            self._open = False
            self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended:
            with contextlib.suppress(queue.Empty):
                first = self._queue.get(timeout=self._chores.wait())
                group = self._gather(first)
                if group:
                    self._commit(group)
            if not self._ended:
                self._chores.step(self._store)
        with GUARD.shield("store close"):
            self._store.close()

    # --- decoding ----------------------------------------------------------------------------------------------

    def _gather(self, job: Job | None) -> Group:
        """Decode what waits, as far as one transaction should hold; a bad request costs only its sender."""
        group: Group = []
        size = 0
        while job is not None:
            decoded, length = self._decoded(job)
            size += length
            if decoded is not None:
                group.append((job, decoded))
            if len(group) >= GROUP_LIMIT or size >= self._store.db.group_bytes or self._queue.empty():
                return group
            job = self._queue.get()
        self._ended = True
        return group

    def _decoded(self, job: Job) -> tuple[Decoded | None, int]:
        try:
            body = inflate(job.body, self._limit) if job.packed else job.body
            if job.signal == LOGS:
                return decode_logs(logs_to_protobuf(body) if job.encoding == JSON else body), len(body)
            return decode(to_protobuf(body) if job.encoding == JSON else body), len(body)
        except RequestError as error:
            job.answer(Answer(error.status, error.reason))
        except Exception as error:  # noqa: BLE001  whatever one request does must not cost the others
            GUARD.failed("store decode", error)
            job.answer(Answer(500, f"the request could not be decoded: {error}"))
        return None, len(job.body)

    # --- storing -----------------------------------------------------------------------------------------------

    def _commit(self, group: Group) -> None:
        started = time.perf_counter()
        try:
            logs = itertools.chain.from_iterable(decoded.logs for _, decoded in group)
            stored = self._store.write((decoded.traces for _, decoded in group), logs)
        except Exception as error:  # noqa: BLE001  the senders hear of it and keep their data
            if self._watcher is not None:
                self._watcher.failed()
            self._failed(group, error)
        else:
            seconds = time.perf_counter() - started
            self.problem = None
            self.stored += stored
            for job, decoded in group:
                job.answer(Answer(200, decoded.reason, decoded.rejected))
            if self._watcher is not None:
                with GUARD.shield("server watch"):
                    self._watcher.committed([decoded for _, decoded in group], stored, self._store.new_logs, seconds)

    def _failed(self, group: Group, error: Exception) -> None:
        """Find the request that cannot be stored, unless it is the database that can store nothing now."""
        if self._store.passing(error):
            GUARD.failed("store write", error)
            self.problem = str(error)
            for job, _ in group:
                job.answer(Answer(503, f"the database cannot take it now: {error}"))
        elif len(group) > 1:
            for one in group:
                self._commit([one])
        else:
            GUARD.failed("store write", error)
            group[0][0].answer(Answer(500, f"the request could not be stored: {error}"))
