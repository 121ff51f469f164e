"""The same requests to the server and to a Tempo, each alone, both empty at first: `make bench-store ARGS="--tempo"`.

Tempo has the stack's configuration with its limits lifted and without metrics from spans, which are no part of storing.
Both take OTLP/HTTP with gzip. They mean different things by "taken": the server answers after its commit is on disk,
Tempo when the spans are in its live store. So CPU is counted from the first request until the data lies still, too.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import psutil
import yaml
from built import ROOT
from collector import free_ports
from store import DECISIONS, START, Known, Load
from tempo import NOT_RUN, tempo_binary
from under_load import Place, Sent, Server, Taking, ingest, p95

from ares_otel.semconv import attributes as a

__all__ = ["beside_tempo"]

QUESTIONS = 40
STILL_SECONDS = 20.0
START_SECONDS = 60.0
LONGEST = 600.0
LIMITS = {"rate_limit_bytes": 1 << 31, "burst_size_bytes": 1 << 31, "max_traces_per_user": 0}
AT_HAND = 50
"""Requests that are made before they are sent."""

BETWEEN = 20_000_000
"""ns between two decisions: they begin in the past and end now."""


class Told(NamedTuple):
    """What was measured at one of them."""

    name: str
    rate: float
    taken: float
    settled: float
    memory: float
    size: float
    by_trace: list[float]
    by_correlation: list[float]
    missed: int
    refused: int


class Served(NamedTuple):
    """One of them: how to send to it, to ask it and to end it, and where its data is."""

    name: str
    taking: Taking
    stop: Callable[[], None]
    asking: Callable[[], http.client.HTTPConnection]
    directory: Path
    questions: Callable[[Known], tuple[tuple[list[str], str], tuple[list[str], str]]]


class Tempo:
    """A running Tempo.

    Args:
        binary: its program.
        directory: where it keeps its data.
    """

    def __init__(self, binary: Path, directory: Path) -> None:
        api, grpc, otlp = free_ports(3)
        self._ports = api, otlp
        self.data = directory / "data"
        places = {"TEMPO_HOST": "127.0.0.1", "TEMPO_HTTP_PORT": str(api), "TEMPO_GRPC_PORT": str(grpc)}
        config = directory / "tempo.yaml"
        config.write_text(yaml.safe_dump(_configuration(places | {"TEMPO_DIR": str(self.data)}, otlp)))
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([str(binary), f"-config.file={config}"], stdout=log, stderr=log)
        self._own = psutil.Process(self._process.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, "Tempo is not ready in time"
            time.sleep(0.2)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection for requests."""
        return http.client.HTTPConnection("127.0.0.1", self._ports[1], timeout=60)

    def asking(self) -> http.client.HTTPConnection:
        """Return a connection for questions."""
        return http.client.HTTPConnection("127.0.0.1", self._ports[0], timeout=60)

    def cpu(self) -> tuple[float, float]:
        """Return its CPU time in seconds."""
        times = self._own.cpu_times()
        return times.user + times.system, 0.0

    def memory(self) -> int:
        """Return its resident bytes."""
        return int(self._own.memory_info().rss)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        try:
            with contextlib.closing(self.asking()) as connection:
                connection.request("GET", "/ready")
                return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False


def _configuration(places: dict[str, str], otlp: int) -> Any:
    """Return the stack's configuration for storing alone."""
    text = (ROOT / "deploy" / "tempo" / "tempo.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: places.get(found[1], found[2]), text)
    found = yaml.safe_load(text)
    found["distributor"]["receivers"]["otlp"]["protocols"] = {"http": {"endpoint": f"127.0.0.1:{otlp}"}}
    found["overrides"]["defaults"]["ingestion"] |= LIMITS
    found["overrides"]["defaults"]["metrics_generator"]["processors"] = []
    return found


def bytes_of(directory: Path) -> int:
    """Return the bytes of the files below a directory."""
    found = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size if path.is_file() else 0
    return found


def settle(directory: Path) -> None:
    """Wait until the bytes below a directory have not changed for a while."""
    began = since = time.monotonic()
    last = bytes_of(directory)
    while time.monotonic() - since < STILL_SECONDS:
        assert time.monotonic() - began < LONGEST, f"{directory} does not come to rest"
        time.sleep(1)
        now = bytes_of(directory)
        if now != last:
            last, since = now, time.monotonic()


def asked(connection: http.client.HTTPConnection, paths: Sequence[str], expected: str) -> tuple[float, bool]:
    """Ask one after the other; return the seconds, and whether all is well and the first answer says what it should."""
    began = time.perf_counter()
    found = []
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        found.append((answer.status, answer.read()))
    seconds = time.perf_counter() - began
    return seconds, all(status == http.HTTPStatus.OK for status, _ in found) and expected.encode() in found[0][1]


def of_server(known: Known) -> tuple[tuple[list[str], str], tuple[list[str], str]]:
    """Return how the server is asked for a whole decision by trace and correlation id, and what the answer names."""
    detail = f"/api/v1/decisions/{known.decision}"
    return tuple(  # type: ignore[return-value]  # two of them
        ([f"/api/v1/search?q={quote(each)}", detail], known.decision) for each in (known.trace, known.correlation)
    )


def of_tempo(known: Known) -> tuple[tuple[list[str], str], tuple[list[str], str]]:
    """Return how Tempo is asked for a whole trace by trace and correlation id, and what the answer names."""
    whole = f"/api/v2/traces/{known.trace}"
    query = quote(f'{{ span.{a.CORRELATION_ID.key} = "{known.correlation}" }}')
    return ([whole], known.correlation), ([f"/api/search?q={query}", whole], known.trace.lstrip("0"))


def measured(place: Served, decisions: int, connections: int) -> Told:
    """Send to one of them, wait until its data lies still, ask it; its bytes are those that are left after its end."""
    load = Load(seed=7, gap=BETWEEN, stages=True)
    load.number = (time.time_ns() - START) // BETWEEN - decisions
    began, sent = place.taking.cpu()[0], Sent()
    for at in range(0, decisions, DECISIONS * AT_HAND):
        number = min(AT_HAND, -(-(decisions - at) // DECISIONS))
        bodies = [(gzip.compress(load.request(), 1), load.spans) for _ in range(number)]
        sent = sent.joined(ingest(place.taking, iter(bodies), LONGEST, connections, 0))
    settle(place.directory)
    cpu = place.taking.cpu()[0] - began
    took: tuple[list[float], list[float]] = ([], [])
    missed = 0
    with contextlib.closing(place.asking()) as connection:
        for known in random.Random(1).choices(load.known, k=QUESTIONS):  # noqa: S311  the same for both
            for seconds, (paths, expected) in zip(took, place.questions(known), strict=True):
                lasted, well = asked(connection, paths, expected)
                seconds.append(lasted)
                missed += not well
    place.stop()
    spent = (sent.cost, cpu / max(sent.spans, 1) * 1e6)
    costs = (sent.rate, *spent, sent.memory / 1e6, bytes_of(place.directory) / decisions)
    return Told(place.name, *costs, *took, missed, sent.refused)


def beside_tempo(decisions: int, connections: int, file: Path | None) -> None:
    """Measure both and print."""
    binary = tempo_binary()
    if binary is None:
        sys.exit(NOT_RUN)
    found = []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as directory:
        own, other = Path(directory) / "ares", Path(directory) / "tempo"
        own.mkdir()
        other.mkdir()
        with contextlib.ExitStack() as ends:
            server = Server(Place.file(own / "ares.db"))
            ends.callback(server.stop)
            served = Served("ares-otel", server, server.stop, server.connect, own, of_server)
            found.append(measured(served, decisions, connections))
        with contextlib.ExitStack() as ends:
            tempo = Tempo(binary, other)
            ends.callback(tempo.stop)
            served = Served("Tempo", tempo, tempo.stop, tempo.asking, tempo.data, of_tempo)
            found.append(measured(served, decisions, connections))
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    sys.stdout.write(table(found) + f"{version}; {decisions:,} decisions; load {os.getloadavg()[0]:.1f}\n")
    if file is not None:
        file.write_text(json.dumps([each._asdict() for each in found], indent=2) + "\n", encoding="utf-8")


def table(found: Sequence[Told]) -> str:
    """Return a table, what is compared in its lines."""
    lines = {
        "": [each.name for each in found],
        "taken, spans/s": [f"{each.rate:,.0f}" for each in found],
        "CPU a span until taken, µs": [f"{each.taken:.1f}" for each in found],
        "CPU a span until at rest, µs": [f"{each.settled:.1f}" for each in found],
        "memory at most, MB": [f"{each.memory:,.0f}" for each in found],
        "a decision on the disk, B": [f"{each.size:,.0f}" for each in found],
        "whole by trace id, p50 / p95 ms": [_times(each.by_trace) for each in found],
        "whole by correlation id, p50 / p95 ms": [_times(each.by_correlation) for each in found],
        f"not found, of {2 * QUESTIONS}": [str(each.missed) for each in found],
        "requests refused": [str(each.refused) for each in found],
    }
    return "".join(f"{name:40}" + "".join(f"{value:>16}" for value in values) + "\n" for name, values in lines.items())


def _times(values: Sequence[float]) -> str:
    return f"{statistics.median(values) * 1e3:.1f} / {(p95(values) or 0) * 1e3:.1f}"
