"""A server in a process of its own and what is sent to it, for measurements of whole servers."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import psutil
from postgres import Cluster
from store import Load

from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.driver import Location

__all__ = ["Place", "Sent", "Server", "Taking", "bodies_of", "ingest", "p95"]

COMMITS = "ares_server_commit_duration_seconds_bucket"
SERVER = """
import sys
from ares_otel.server.http.serve import serve
sys.exit(serve(sys.argv[1], port=0))
"""


class Place(NamedTuple):
    """Where a store is: what to call it, its bytes, and the main process of its database if it has one."""

    name: str
    location: Location
    size: Callable[[], int]
    process: psutil.Process | None = None

    @classmethod
    def file(cls, path: Path) -> Place:
        """Return an SQLite file."""
        return cls("SQLite", path, lambda: path.stat().st_size)

    @classmethod
    def database(cls, made: Cluster) -> Place:
        """Return a new database of a cluster."""
        name = made.create()
        empty = made.size(name)
        return cls("PostgreSQL", made.url(name), lambda: made.size(name) - empty, psutil.Process(made.pid))

    def cpu(self) -> float:
        """Return the CPU time of the database's own processes in seconds."""
        if self.process is None:
            return 0.0
        own = self.process.cpu_times()
        spent = own.user + own.system + own.children_user + own.children_system
        for each in self.process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                spent += times.user + times.system
        return float(spent)


class Server:
    """The server, in a process of its own."""

    def __init__(self, place: Place) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(place.location)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[2]
        self.place = place
        self._own = psutil.Process(self._process.pid)

    def cpu(self) -> tuple[float, float]:
        """Return its CPU time in seconds, and that of its database."""
        times = self._own.cpu_times()
        return times.user + times.system, self.place.cpu()

    def memory(self) -> int:
        """Return its resident bytes."""
        return int(self._own.memory_info().rss)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""
        place = urlsplit(self.url)
        return http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)

    def commits(self) -> dict[float, float]:
        """Return how many commits took at most so many seconds."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        found = re.findall(rf'^{COMMITS}{{[^}}]*le="([^"]+)"}} (\S+)', page, re.MULTILINE)
        return {float(bound): float(number) for bound, number in found}


class Sent(NamedTuple):
    """What became of the requests of a phase."""

    spans: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    database: float = 0.0
    answers: tuple[float, ...] = ()
    refused: int = 0
    memory: int = 0

    @property
    def rate(self) -> float:
        """Spans a second."""
        return self.spans / self.seconds

    @property
    def cost(self) -> float:
        """CPU µs a span, of the server and its database."""
        return (self.cpu + self.database) / max(self.spans, 1) * 1e6

    def joined(self, other: Sent) -> Sent:
        """Return this phase and another as one."""
        return Sent(
            *(self.spans + other.spans, self.seconds + other.seconds, self.cpu + other.cpu),
            *(self.database + other.database, self.answers + other.answers, self.refused + other.refused),
            max(self.memory, other.memory),
        )


class Taking(Protocol):
    """What takes requests."""

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""

    def cpu(self) -> tuple[float, float]:
        """Return its CPU time in seconds, and that of its database."""

    def memory(self) -> int:
        """Return its resident bytes."""


def ingest(server: Taking, left: Iterator[tuple[bytes, int]], seconds: float, connections: int, pace: float) -> Sent:
    """Send requests from several connections, each after the answer to the one before; at most `pace` spans/s."""
    lock = threading.Lock()
    start, (cpu, database) = time.perf_counter(), server.cpu()
    answers: list[float] = []
    totals = {"spans": 0, "refused": 0, "begun": 0}

    def work() -> None:
        with contextlib.closing(server.connect()) as connection:
            while time.perf_counter() - start < seconds:
                with lock:
                    body, spans = next(left, (None, 0))
                    due = start + totals["begun"] / pace if pace else start
                    totals["begun"] += spans
                if body is None:
                    return
                time.sleep(max(due - time.perf_counter(), 0))
                _deliver(connection, body, spans)

    def _deliver(connection: http.client.HTTPConnection, body: bytes, spans: int) -> None:
        begun = time.perf_counter()
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF, "content-encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        with lock:
            answers.append(time.perf_counter() - begun)
            totals["spans" if answer.status == 200 else "refused"] += spans if answer.status == 200 else 1

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    memory = 0
    while any(thread.is_alive() for thread in threads):
        memory = max(memory, server.memory())
        time.sleep(0.25)
    wall, (own, its) = time.perf_counter() - start, server.cpu()
    return Sent(totals["spans"], wall, own - cpu, its - database, tuple(answers), totals["refused"], memory)


def p95(values: Sequence[float]) -> float | None:
    """Return the 95th percentile, None for fewer than 20 values."""
    return statistics.quantiles(values, n=20)[-1] if len(values) >= 20 else None


def bodies_of(load: Load, spans: int) -> list[tuple[bytes, int]]:
    """Return packed requests with their numbers of spans, at least so many in all."""
    made: list[tuple[bytes, int]] = []
    while sum(number for _, number in made[-1:]) * len(made) < spans:
        body = load.request()
        made.append((gzip.compress(body, 1), load.spans))
    return made
