"""`make bench-store`: a server with a full database, under load by real HTTP; prints each target and whether it is met.

Fills a database with decisions over thirty days, each of ten spans, through the store's own writer. Then a server in a
process of its own takes requests of 100 decisions from several connections for a minute, answers questions while
nothing is sent, and answers them again beside 21,000 spans a second. With `--postgres` a second server with a
PostgreSQL takes the same requests and questions in turns with the first one, and the ratios of the two are printed,
too: they are what the neighbors on a machine change least. CPU a span is of the server's process and the database's.
With `--tempo` nothing of that is done: a server and a Tempo, both empty, take the same decisions (`tempo_load`).
The bytes of a decision are those of this load, and those of the demo's real data.
`--decisions 20000 --seconds 5` is quick; `--database FILE` keeps the SQLite file that was filled, and goes on with it
at the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from postgres import cluster
from store import DECISIONS, KEPT, Known, Load
from tempo_load import beside_tempo
from under_load import Place, Sent, Server, bodies_of, ingest, p95

from ares_otel.server.otlp.decode import decode
from ares_otel.server.store import schema as t
from ares_otel.server.store.driver import Location
from ares_otel.server.store.ids import decision_id
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader

__all__ = ["main"]

MONTH_NS = 30 * 86_400 * 10**9
GROUP = 4
PACE = 21_000
DEMO = 4_000
"""Decisions of the demo."""

TURNS = 4
"""Parts of the minute: two servers that are compared take turns."""


class Target(NamedTuple):
    """One number beside its bound."""

    name: str
    value: float | None
    bound: float | None
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is met; None where it was not measured, or has no bound."""
        if self.value is None or self.bound is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


class Found(NamedTuple):
    """What was measured at one place."""

    place: Place
    per_decision: float
    quiet: dict[str, list[float]]
    busy: dict[str, list[float]]
    sent: Sent
    beside: Sent
    commit: float | None


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


def commit_p95(before: dict[float, float], after: dict[float, float]) -> float | None:
    """Return the bound below which 95 % of the commits between two moments stay."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    return next((bound for bound, number in counts.items() if total and number >= 0.95 * total), None)


def known_of(location: Location) -> Iterator[Known]:
    """Yield some decisions that have orders, evenly over all."""
    own, order = t.decision.c, t.orders.c
    query = sa.select(own.trace, own.span, own.correlation, order.client_id, own.id)
    query = query.join(t.orders, order.decision == own.id).where(order.id.op("/")(1_024) % KEPT == 1).order_by(order.id)
    with Reader(location) as reader:
        for trace, span, correlation, client, row in reader.db.execute(query):
            yield Known(decision_id(trace, span), correlation, trace.hex(), client, row / 1e9)


def filled(args: argparse.Namespace, place: Place) -> tuple[Load, float]:
    """Fill a place unless it is filled already; return the load that goes on from there and the bytes of a decision."""
    migrate(place.location)
    with Reader(place.location) as reader:
        stored = reader.counts().decisions
    load = Load(seed=1 + stored, gap=MONTH_NS // args.decisions, stages=True)
    if stored:
        load.number, load.known = stored, [*known_of(place.location)]
        return load, place.size() / stored
    began = time.process_time()
    spans = sum(number for _, number in fill(place.location, load, args.decisions))
    took = time.process_time() - began
    sys.stderr.write(f"{place.name}: {args.decisions:,} decisions, {spans:,} spans stored, {took:.0f} s CPU\n")
    return load, place.size() / args.decisions


def demo_bytes() -> float:
    """Return what a decision of the demo takes, with all that the bot says beside it."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as directory:
        program = str(Path(sys.executable).with_name("ares-otel"))
        command = [program, "demo", "--decisions", str(DEMO), "--port", "0", "--json"]
        subprocess.run([*command, "--directory", directory], check=True, stdout=subprocess.DEVNULL)
        return (Path(directory) / "ares.db").stat().st_size / DEMO


def run(args: argparse.Namespace, places: Sequence[Place]) -> list[Found]:
    """Measure everything at each place, with the same requests and questions, in turns."""
    made = [filled(args, place) for place in places]
    load = made[0][0]
    known = tuple(load.known)
    bodies = bodies_of(load, round(args.seconds * args.expect))
    paced = bodies_of(load, round(args.paced * PACE))
    with contextlib.ExitStack() as ends:
        servers = [Server(place) for place in places]
        for server in servers:
            ends.callback(server.stop)
        quiet = [ask(server, known, 1) for server in servers]
        before = [server.commits() for server in servers]
        sent = in_turns(args, servers, bodies)
        commits = [commit_p95(*pair) for pair in zip(before, (server.commits() for server in servers), strict=True)]
        busy = [while_sent(args, server, paced, known) for server in servers]
    return [
        Found(places[at], made[at][1], quiet[at], busy[at][0], sent[at], busy[at][1], commits[at])
        for at in range(len(places))
    ]


def in_turns(args: argparse.Namespace, servers: Sequence[Server], bodies: Sequence[tuple[bytes, int]]) -> list[Sent]:
    """Send the same requests to each server, as fast as it takes them."""
    found = [Sent() for _ in servers]
    left = [iter(bodies) for _ in servers]
    for _ in range(TURNS):
        for at, server in enumerate(servers):
            found[at] = found[at].joined(ingest(server, left[at], args.seconds / TURNS, args.connections, 0))
    return found


def while_sent(
    args: argparse.Namespace, server: Server, paced: Sequence[tuple[bytes, int]], known: Sequence[Known]
) -> tuple[dict[str, list[float]], Sent]:
    """Ask while requests come at a steady rate."""
    busy: dict[str, list[float]] = {}
    asking = threading.Thread(target=lambda: busy.update(ask(server, known, 2)))
    asking.start()
    beside = ingest(server, iter(paced), args.paced, args.connections, PACE)
    asking.join()
    return busy, beside


def targets_of(found: Found) -> list[Target]:
    """Return what is asked of a place on its own; of PostgreSQL only that answers come within 100 ms."""
    sent, alone = found.sent, found.place.process is None
    targets = [
        Target("ingestion", sent.rate, 30_000 if alone else None, "spans/s", at_least=True),
        Target("server CPU a span", sent.cost, 22 if alone else None, "µs"),
        Target("commit p95", None if found.commit is None else found.commit * 1e3, 100, "ms"),
        Target("resident memory", sent.memory / 1e6, 200, "MB"),
        Target("a decision in the store", found.per_decision, None, "B"),
        *([Target("a decision of the demo", demo_bytes(), 1_500, "B")] if alone else ()),
    ]
    for kind, values in found.quiet.items():
        limit = (50.0 if "list" in kind else 10.0) if alone else 100.0
        targets.append(_asked(f"{kind} p95", values, limit))
        targets.append(_asked(f"{kind} p95 beside ingestion", found.busy[kind], 3 * limit if alone else limit))
    return targets


def ratios(one: Found, other: Found) -> list[Target]:
    """Return how many times more the other place costs."""
    rate, cost = one.sent.rate / other.sent.rate, other.sent.cost / one.sent.cost
    targets = [
        Target("ingestion", rate, 1.6, "times slower"),
        Target("CPU a span, database's included", cost, None, "times more"),
        Target("a decision in the store", other.per_decision / one.per_decision, None, "times more"),
    ]
    for kind, values in other.quiet.items():
        mine, theirs = p95(one.quiet[kind]), p95(values)
        if mine and theirs:
            targets.append(Target(f"{kind} p95", theirs / mine, None, "times more"))
    return targets


def _asked(name: str, values: Sequence[float], limit: float) -> Target:
    found = p95(values)
    return Target(name, None if found is None else found * 1e3, limit, "ms")


def table(title: str, targets: Sequence[Target]) -> str:
    """Return a table."""
    verdicts = {True: "met", False: "NOT MET", None: ""}
    lines = [f"{title:42}{'measured':>12}{'target':>12}"]
    for each in targets:
        sign = "≥" if each.at_least else "≤"
        value = "-" if each.value is None else f"{each.value:,.{1 if each.value > 10 else 2}f}"
        bound = "" if each.bound is None else f"{sign} {each.bound:,g}"
        lines.append(f"{each.name:42}{value:>12}{bound:>12} {each.unit:13}{verdicts[each.met]}".rstrip())
    return "\n".join(lines) + "\n\n"


def report(found: Sequence[Found], args: argparse.Namespace) -> None:
    """Print tables, and write JSON where it was asked for."""
    told: dict[str, Any] = {"decisions": args.decisions, "load": os.getloadavg()}
    tables = {each.place.name: targets_of(each) for each in found}
    if len(found) > 1:
        one, other = found
        tables[f"{other.place.name} beside {one.place.name}"] = ratios(one, other)
    for title, targets in tables.items():
        sys.stdout.write(table(title, targets))
        told[title] = [each._asdict() | {"met": each.met} for each in targets]
    for each in found:
        sent, paced = each.sent, each.beside
        middle, late = statistics.median(sent.answers) * 1e3, (p95(sent.answers) or 0.0) * 1e3
        sys.stdout.write(
            f"{each.place.name}: acknowledged p50 {middle:.0f} ms, p95 {late:.0f} ms; refused {sent.refused} + "
            f"{paced.refused}; beside questions {paced.rate:,.0f} spans/s; CPU µs a span: server "
            f"{sent.cpu / max(sent.spans, 1) * 1e6:.1f}, database {sent.database / max(sent.spans, 1) * 1e6:.1f}\n"
        )
    sys.stdout.write(f"load of the machine now: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    if args.json is not None:
        args.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000, help="stored before anything is measured")
    parser.add_argument("--seconds", type=float, default=60.0, help="of ingestion as fast as it goes")
    parser.add_argument("--paced", type=float, default=20.0, help="seconds of ingestion beside questions")
    parser.add_argument("--expect", type=int, default=60_000, help="spans a second to have at hand")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--postgres", action="store_true", help="and on a PostgreSQL of its own (fsync on), in turns")
    parser.add_argument("--tempo", action="store_true", help="instead: beside a Tempo (TEMPO_BIN, or of a Docker)")
    parser.add_argument("--database", type=Path, help="SQLite file to fill, if it is not filled yet, and to keep")
    parser.add_argument("--json", type=Path, help="write the numbers into this file, too")
    args = parser.parse_args()
    if args.tempo:
        beside_tempo(args.decisions, args.connections, args.json)
        return
    with contextlib.ExitStack() as ends:
        directory = ends.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-"))
        places = [Place.file(args.database or Path(directory) / "ares.db")]
        if args.postgres:
            places.append(Place.database(ends.enter_context(cluster())))
        report(run(args, places), args)


if __name__ == "__main__":
    main()
