"""`make bench-prune`: what pruning costs ingestion; slices with it and without, in pairs.

A database is filled with decisions of a month ago, all of which are to be pruned. Then its server takes spans as fast
as it acknowledges them, in slices that have the hourly run of pruning under way or standing still, each pair in the
other order than the one before. Printed are the medians of the pairs' ratios with their intervals, what one step takes,
and how long commits take (quantiles from the buckets of the server's own histograms).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from beside import Bodies, Served, compared
from store import DECISIONS, START, Load

from ares_otel.server.otlp.decode import decode
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store

__all__ = ["main"]

SERVE = """
import signal, sys
from ares_otel.config import Retention, Server
from ares_otel.server.http.serve import serve
from ares_otel.server.keep import retention

prune, going = retention.Pruner.__call__, []

def step(self, store):
    self._started = True
    return prune(self, store) if going else 0.05

retention.Pruner.__call__ = step
signal.signal(signal.SIGUSR1, lambda *_: going.append(True))
signal.signal(signal.SIGUSR2, lambda *_: going.clear())
days = dict.fromkeys(("spans", "decisions", "outcomes", "equity", "rollups", "logs"), 1)
sys.exit(serve(sys.argv[1], port=0, settings=Server(retention=Retention(**days))))
"""
AGE_NS = 30 * 86_400 * 10**9
GROUP = 4
COMMITS = "ares_server_commit_duration_seconds_bucket"
STEPS = "ares_server_prune_step_duration_seconds_bucket"
ROWS = "ares_server_pruned_rows_total"
BOUND = 0.05


class Slice(NamedTuple):
    """What one slice took: spans a second, server's CPU µs a span, its commits and steps by bucket, rows pruned."""

    rate: float
    cpu: float
    commits: Mapping[float, float]
    steps: Mapping[float, float]
    rows: float


def _filled(database: Path, decisions: int) -> None:
    """Store decisions as if it were a month ago."""
    migrate(database)
    store, load = Store(database), _load(AGE_NS)
    for _ in range(0, decisions, DECISIONS * GROUP):
        traces = [decode(load.request()).traces for _ in range(GROUP)]
        with mock.patch("time.time_ns", return_value=START + load.number * load.gap):
            store.write(traces)
    store.close()


def _load(age: int) -> Load:
    """Return a load whose decisions begin so many ns ago."""
    load = Load()
    load.number = (time.time_ns() - age - START) // load.gap
    return load


def _buckets(server: Served, name: str) -> Counter[float]:
    """Return how many values each bucket alone has."""
    found = sorted((float(labels.split('"')[1]), value) for labels, value in server.metrics(name).items())
    below, alone = 0.0, Counter[float]()
    for bound, value in found:
        alone[bound], below = int(value - below), value
    return alone


def _slice(server: Served, bodies: Bodies, seconds: float, *, pruning: bool) -> Slice:
    """Measure one slice."""
    bodies.fill(seconds)
    server.tell(signal.SIGUSR1 if pruning else signal.SIGUSR2)
    commits, steps, rows = _buckets(server, COMMITS), _buckets(server, STEPS), sum(server.metrics(ROWS).values())
    cpu, started = server.cpu, time.perf_counter()
    spans = bodies.send(server.port, started + seconds)
    wall, cpu = time.perf_counter() - started, server.cpu - cpu
    return Slice(
        spans / wall,
        cpu / spans * 1e6,
        _buckets(server, COMMITS) - commits,
        _buckets(server, STEPS) - steps,
        sum(server.metrics(ROWS).values()) - rows,
    )


def _quantile(slices: Sequence[Mapping[float, float]], share: float) -> float:
    """Return a quantile over all slices; within a bucket the values count as spread evenly."""
    total = sum((Counter(each) for each in slices), Counter[float]())
    wanted, seen, low = share * sum(total.values()), 0.0, 0.0
    for bound in sorted(total):
        if seen + total[bound] >= wanted and total[bound]:
            return low + (bound - low) * (wanted - seen) / total[bound]
        seen, low = seen + total[bound], bound
    return low


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000, help="decisions that are to be pruned")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a slice")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of slices")
    parser.add_argument(
        "--directory", type=Path, default=Path.cwd(), help="of the database; /dev/shm: without the disk"
    )
    args = parser.parse_args()
    pairs: list[tuple[Slice, Slice]] = []
    with contextlib.ExitStack() as stack:
        database = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.directory))) / "bench.db"
        _filled(database, args.decisions)
        server = Served(SERVE, database)
        stack.callback(server.close)
        bodies = Bodies(_load(0))
        for pruning in (False, True):
            _slice(server, bodies, args.seconds, pruning=pruning)  # warm
        for number in range(args.pairs):
            order = (False, True) if number % 2 else (True, False)
            found = {pruning: _slice(server, bodies, args.seconds, pruning=pruning) for pruning in order}
            pairs.append((found[False], found[True]))
        _report(pairs, args.seconds)


def _report(pairs: Sequence[tuple[Slice, Slice]], seconds: float) -> None:
    lines = [f"{'':14}{'spans/s':>10}{'CPU µs/span':>14}{'commit p95, ms':>16}{'rows/s pruned':>15}"]
    for name, slices in zip(("at rest", "pruning"), zip(*pairs, strict=True), strict=True):
        rate, cpu = (statistics.median(getattr(each, field) for each in slices) for field in ("rate", "cpu"))
        late = _quantile([each.commits for each in slices], 0.95) * 1e3
        rows = sum(each.rows for each in slices) / len(slices) / seconds
        lines.append(f"{name:14}{rate:>10,.0f}{cpu:>14.1f}{late:>16.1f}{rows:>15,.0f}")
    for name, field in (("spans a second", "rate"), ("server's CPU a span", "cpu")):
        lines.append(compared(name, [(getattr(rest, field), getattr(pruning, field)) for rest, pruning in pairs]))
    steps = [pruning.steps for _, pruning in pairs]
    total = sum((Counter(each) for each in steps), Counter[float]())
    within = sum(count for bound, count in total.items() if bound <= BOUND)
    quantiles = ", ".join(f"p{share:.0%} {_quantile(steps, share) * 1e3:.1f} ms" for share in (0.5, 0.95, 0.99))
    lines.append(f"steps: {quantiles.replace('%', '')}; {within} of {total.total()} within {BOUND * 1e3:.0f} ms")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
