"""`make bench-store`: a server with a full database, under load by real HTTP; prints each target and whether it is met.

Fills a database with decisions over thirty days, each of ten spans, through the store's own writer. Then a server in a
process of its own takes requests of 100 decisions from several connections for a minute, answers questions while
nothing is sent, and answers them again beside 21,000 spans a second. Wall times are this machine's and its neighbors';
CPU a span is of the server's process alone. `--decisions 20000 --seconds 5` is quick.
"""

from __future__ import annotations

import argparse
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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import psutil
from postgres import cluster
from store import DECISIONS, Known, Load

from ares_otel.server.otlp.decode import decode
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.driver import Location
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store

__all__ = ["main"]

MONTH_NS = 30 * 86_400 * 10**9
GROUP = 4
PACE = 21_000
COMMITS = "ares_server_commit_duration_seconds_bucket"
SERVER = """
import sys
from ares_otel.server.http.serve import serve
sys.exit(serve(sys.argv[1], port=0))
"""


class Target(NamedTuple):
    """One number beside its bound."""

    name: str
    value: float | None
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is met; None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


class Server:
    """The server, in a process of its own."""

    def __init__(self, location: Location) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(location)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[2]
        self._own = psutil.Process(self._process.pid)

    def cpu(self) -> float:
        """Return its CPU time in seconds."""
        times = self._own.cpu_times()
        return times.user + times.system

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

    spans: int
    seconds: float
    cpu: float
    answers: list[float]
    refused: int
    memory: int


def fill(location: Location, load: Load, decisions: int) -> list[tuple[float, int]]:
    """Store decisions; return seconds and spans of each commit."""
    commits = []
    store = Store(location)
    for at in range(0, decisions, DECISIONS * GROUP):
        group = [decode(load.request()).traces for _ in range(min(GROUP, -(-(decisions - at) // DECISIONS)))]
        start = time.perf_counter()
        stored = store.write(group)
        commits.append((time.perf_counter() - start, stored))
        if len(commits) % 250 == 0:
            sys.stderr.write(f"\r{at + GROUP * DECISIONS:,} decisions stored")
    store.close()
    sys.stderr.write("\r" + " " * 40 + "\r")
    return commits


def ingest(server: Server, bodies: Sequence[tuple[bytes, int]], seconds: float, connections: int, pace: float) -> Sent:
    """Send requests from several connections, each after the answer to the one before; at most `pace` spans/s."""
    left, lock = iter(bodies), threading.Lock()
    start, cpu = time.perf_counter(), server.cpu()
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
    wall = time.perf_counter() - start
    return Sent(totals["spans"], wall, server.cpu() - cpu, answers, totals["refused"], memory)


def questions(stored: Sequence[Known], seed: int) -> Iterator[tuple[str, str]]:
    """Yield questions by kind, about decisions all over the month."""
    draw = random.Random(seed)  # noqa: S311  the same questions in each run
    for _ in range(40):
        known = draw.choice(stored)
        yield "explain", f"/api/v1/stories/{known.decision}"
        yield "decision detail", f"/api/v1/decisions/{known.decision}"
        for text in (known.correlation, known.trace, known.client):
            yield "search by any id", f"/api/v1/search?q={quote(text)}"
        facts = f"strategy={draw.choice('ABCDE')}&symbol=SYM{draw.randrange(20)}"
        yield "filtered list", f"/api/v1/decisions?{facts}&action=buy&regime=sideways"
        day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(known.seconds))
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(known.seconds + 86_400))
        yield "empty list of a day", f"/api/v1/decisions?action=close&start={day}&end={end}"


def ask(server: Server, stored: Sequence[Known], seed: int) -> dict[str, list[float]]:
    """Ask one question after another; return seconds by kind."""
    took: dict[str, list[float]] = {}
    with contextlib.closing(server.connect()) as connection:
        for kind, path in questions(stored, seed):
            start = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            took.setdefault(kind, []).append(time.perf_counter() - start)
            assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
    return took


def p95(values: Sequence[float]) -> float | None:
    """Return the 95th percentile, None for fewer than 20 values."""
    return statistics.quantiles(values, n=20)[-1] if len(values) >= 20 else None


def commit_p95(before: dict[float, float], after: dict[float, float]) -> float | None:
    """Return the bound below which 95 % of the commits between two moments stay."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    return next((bound for bound, number in counts.items() if total and number >= 0.95 * total), None)


def bodies_of(load: Load, spans: int) -> list[tuple[bytes, int]]:
    """Return packed requests with their numbers of spans, at least so many in all."""
    made: list[tuple[bytes, int]] = []
    while sum(number for _, number in made[-1:]) * len(made) < spans:
        body = load.request()
        made.append((gzip.compress(body, 1), load.spans))
    return made


def run(args: argparse.Namespace, location: Location, size: Callable[[], int]) -> list[Target]:
    """Measure everything; return the targets."""
    slow = 1.6 if args.postgres else 1.0
    load = Load(gap=MONTH_NS // args.decisions, stages=True)
    migrate(location)
    began = time.process_time()
    commits = fill(location, load, args.decisions)
    spans = sum(number for _, number in commits)
    sys.stderr.write(f"{args.decisions:,} decisions, {spans:,} spans stored, {time.process_time() - began:.0f} s CPU\n")
    per_decision = size() / args.decisions
    known = tuple(load.known)
    bodies = bodies_of(load, round(args.seconds * args.expect))
    paced = bodies_of(load, round(args.paced * PACE))
    server = Server(location)
    try:
        quiet = ask(server, known, 1)
        before = server.commits()
        sent = ingest(server, bodies, args.seconds, args.connections, 0)
        commit = commit_p95(before, server.commits())
        busy: dict[str, list[float]] = {}
        asking = threading.Thread(target=lambda: busy.update(ask(server, known, 2)))
        asking.start()
        beside = ingest(server, paced, args.paced, args.connections, PACE)
        asking.join()
    finally:
        server.stop()
    middle, late = statistics.median(sent.answers) * 1e3, (p95(sent.answers) or 0.0) * 1e3
    sys.stderr.write(
        f"acknowledged p50 {middle:.0f} ms, p95 {late:.0f} ms, "
        f"refused {sent.refused} + {beside.refused}; beside questions {beside.spans / beside.seconds:,.0f} spans/s\n"
    )
    limits = {"filtered list": 50.0, "empty list of a day": 50.0}
    bound = 100.0 if args.postgres else 10.0
    found = [
        Target("ingestion", sent.spans / sent.seconds, 30_000 / slow, "spans/s", at_least=True),
        Target("server CPU a span", sent.cpu / max(sent.spans, 1) * 1e6, 22 * slow, "µs"),
        Target("commit p95", None if commit is None else commit * 1e3, 100, "ms"),
        Target("resident memory", sent.memory / 1e6, 200, "MB"),
        Target("a decision in the store", per_decision, 1_500 if not args.postgres else 3_000, "B"),
    ]
    for kind, values in quiet.items():
        limit = max(limits.get(kind, bound), bound)
        found.append(_asked(f"{kind} p95", values, limit))
        found.append(_asked(f"{kind} p95 beside ingestion", busy[kind], 3 * limit))
    return found


def _asked(name: str, values: Sequence[float], limit: float) -> Target:
    found = p95(values)
    return Target(name, None if found is None else found * 1e3, limit, "ms")


def report(targets: Sequence[Target], args: argparse.Namespace) -> None:
    """Print a table, and write JSON where it was asked for."""
    verdicts = {True: "met", False: "NOT MET", None: "not measured"}
    lines = [f"{'':42}{'measured':>12}{'target':>14}   ratio"]
    for each in targets:
        sign = "≥" if each.at_least else "≤"
        value = "-" if each.value is None else f"{each.value:,.1f}"
        ratio = "" if each.value is None else f"{each.value / each.bound:7.2f}"
        bound = f"{sign} {each.bound:,.0f}"
        lines.append(f"{each.name:42}{value:>12}{bound:>11} {each.unit:7}{ratio:>7} {verdicts[each.met]}")
    lines.append(f"load of the machine now: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sys.stdout.write("\n".join(lines) + "\n")
    if args.json is not None:
        told: dict[str, Any] = {"decisions": args.decisions, "postgres": args.postgres, "load": os.getloadavg()}
        told["targets"] = [each._asdict() | {"met": each.met} for each in targets]
        args.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000, help="stored before anything is measured")
    parser.add_argument("--seconds", type=float, default=60.0, help="of ingestion as fast as it goes")
    parser.add_argument("--paced", type=float, default=20.0, help="seconds of ingestion beside questions")
    parser.add_argument("--expect", type=int, default=60_000, help="spans a second to have at hand")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own (fsync on)")
    parser.add_argument("--json", type=Path, help="write the numbers into this file, too")
    args = parser.parse_args()
    if args.postgres:
        with cluster() as made:
            name = made.create()
            report(run(args, made.url(name), lambda: made.size(name)), args)
    else:
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as directory:
            database = Path(directory) / "ares.db"
            report(run(args, database, lambda: database.stat().st_size), args)


if __name__ == "__main__":
    main()
