"""What storing costs the server: our store beside plain normalized tables, the same requests, in turns.

Prints spans a second, CPU µs a span and a decision, bytes a decision. Absolute times are this machine's alone; the
ratio is what counts. One request holds 100 decisions as the library sends them: a root with its votes as events, three
stages, a risk check, an order in every second one, and its fill a request later.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ares_otel.pipeline.model import EventData, Scope, SpanData, Value
from ares_otel.pipeline.otlp.encoder import Encoder
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store

__all__ = ["DECISIONS", "KEPT", "START", "Known", "Load", "main"]

START = 1_700_000_000_000_000_000
GAP = 26_000_000
MILLISECOND = 1_000_000
DECISIONS = 100
MODELS = ("xgb", "lgbm", "lstm", "tcn", "transformer")
STAGES = ("analyst", "strategist", "tactician", "supervisor", "exchange")
KEPT = 101
ACTIONS = ("buy", "sell", "hold")
OWN = Scope("ares_otel")


class Result(NamedTuple):
    """What one round of one variant took."""

    spans: int
    cpu: float
    wall: float
    size: int


class Known(NamedTuple):
    """A decision that was made, by all its ids, and when, in Unix seconds."""

    decision: str
    correlation: str
    trace: str
    client: str
    seconds: float


class Load:
    """Makes requests with the library's own encoder; ids begin with the time, as the library makes them.

    Args:
        seed: of the random facts.
        gap: ns between two decisions.
        stages: five stages, a call of the venue and two updates of an order, ten spans a decision in all.

    Attributes:
        spans: in the last request.
        known: some decisions that have orders, evenly over all.
    """

    def __init__(self, seed: int = 1, *, gap: int = GAP, stages: bool = False) -> None:
        self.gap = gap
        self.stages = stages
        self.spans = 0
        self.known: list[Known] = []
        self.random = random.Random(seed)  # noqa: S311  the same load in each run
        self.encoder = Encoder({"service.name": "ares-bot", "ares.mode": "paper"})
        self.number = 0
        self.late: list[SpanData] = []

    def request(self) -> bytes:
        """Return the next 100 decisions, and the updates of the orders before."""
        spans, self.late = self.late, []
        for _ in range(DECISIONS):
            spans += self.decision()
        self.spans = len(spans)
        return self.encoder.batch({OWN: [self.encoder.span(span) for span in spans]}).body

    def decision(self) -> Iterator[SpanData]:
        """Yield the spans of one decision."""
        draw, self.number = self.random, self.number + 1
        start = START + self.number * self.gap
        millis = start // MILLISECOND
        trace, root = millis << 80 | draw.getrandbits(80), draw.getrandbits(64)
        tail = f"{draw.getrandbits(76):019x}"
        head = f"{millis:012x}"
        correlation = f"{head[:8]}-{head[8:]}-7{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"
        common: dict[str, Value] = {a.CORRELATION_ID.key: correlation, a.DECISION_ID.key: f"{head}{root:016x}"}
        place: dict[str, Value] = {
            a.STRATEGY.key: draw.choice("ABCDE"),
            a.SYMBOL.key: f"SYM{draw.randrange(20)}",
            a.VENUE.key: "paper",
        }
        for at, name in enumerate(STAGES if self.stages else STAGES[:3]):
            facts = common | {a.COMPONENT.key: name}
            yield self._span(trace, root, name, start + at * MILLISECOND, facts)
        checked: dict[str, Value] = {
            a.CHECK.key: "max_position",
            a.LIMIT_VALUE.key: 100.0,
            a.CHECK_VALUE.key: draw.random() * 100,
        }
        yield self._span(trace, root, s.RISK_CHECK.name, start, common | checked | {a.CHECK_OUTCOME.key: "passed"})
        if self.stages:
            call: dict[str, Value] = {a.OPERATION.key: "ticker", a.PEER_SERVICE.key: "paper", a.HTTP_STATUS.key: 200}
            yield self._span(trace, root, "exchange ticker", start, common | call)
        if self.number % 2:
            yield from self._order(trace, root, start, common | place)
        yield self._root(trace, root, start, common | place)

    def _span(self, trace: int, parent: int, name: str, start: int, facts: dict[str, Value]) -> SpanData:
        end = start + self.random.randrange(10**5, 10**7)
        return SpanData(trace, self.random.getrandbits(64), parent, name, 1, start, end, facts)

    def _root(self, trace: int, root: int, start: int, common: dict[str, Value]) -> SpanData:
        draw = self.random
        facts = common | {
            a.TIMEFRAME.key: "1h",
            a.MARKET_PRICE.key: draw.uniform(10, 60_000),
            a.ACTION.key: draw.choice(ACTIONS),
            a.CONFIDENCE.key: draw.random(),
            a.THRESHOLD.key: 0.6,
            a.REGIME.key: draw.choice(("bull_trend", "bear_trend", "sideways")),
            a.AGREEMENT.key: 0.8,
            a.ENTROPY.key: 0.72,
        }
        votes: list[dict[str, Value]] = [
            {
                a.MODEL_NAME.key: model,
                a.ACTION.key: draw.choice(ACTIONS),
                a.CONFIDENCE.key: draw.random(),
                a.WEIGHT.key: draw.random(),
            }
            for model in MODELS
        ]
        events = [EventData(s.VOTE.name, start + MILLISECOND, vote) for vote in votes]
        return SpanData(trace, root, 0, s.DECISION.name, 1, start, start + 12 * MILLISECOND, facts, events)

    def _order(self, trace: int, root: int, start: int, common: dict[str, Value]) -> Iterator[SpanData]:
        client = f"ord-{self.random.getrandbits(64):016x}"
        if self.number % KEPT == 1:
            ids = (str(common[a.DECISION_ID.key]), str(common[a.CORRELATION_ID.key]))
            self.known.append(Known(*ids, f"{trace:032x}", client, start / 1e9))
        order: dict[str, Value] = common | {
            a.CLIENT_ID.key: client,
            a.SIDE.key: "buy",
            a.ORDER_TYPE.key: "limit",
            a.QUANTITY.key: 1.5,
        }
        sent = self._span(trace, root, s.ORDER_SUBMIT.name, start, order | {a.PRICE.key: self.random.random()})
        fill: dict[str, Value] = {
            a.CLIENT_ID.key: client,
            a.STATUS.key: "filled",
            a.CUM_QUANTITY.key: 1.5,
            a.AVG_PRICE.key: 99.5,
        }
        money: dict[str, Value] = {
            a.FILL_QUANTITY.key: 1.5,
            a.FILL_PRICE.key: 99.5,
            a.FEE.key: 0.1,
            a.FEE_CURRENCY.key: "USD",
        }
        late = self._span(trace, sent.span_id, s.ORDER_UPDATE.name, start + 10**9, common | fill | money)
        self.late.append(late)
        yield sent
        if self.stages:
            new: dict[str, Value] = {a.CLIENT_ID.key: client, a.STATUS.key: "new", a.ACK_DURATION.key: 0.012}
            yield self._span(trace, sent.span_id, s.ORDER_UPDATE.name, start + 12 * MILLISECOND, common | new)


class Plain:
    """What one writes first: the official classes, a row for each span, attribute and event."""

    SCHEMA = """
        CREATE TABLE span(trace BLOB, span BLOB, parent BLOB, name TEXT, kind INT, start INT, finish INT, status INT,
            PRIMARY KEY (trace, span));
        CREATE TABLE attribute(trace BLOB, span BLOB, event INT, key TEXT, value TEXT);
        CREATE TABLE event(trace BLOB, span BLOB, number INT, time INT, name TEXT);
        CREATE INDEX of_span ON attribute(trace, span);
        CREATE INDEX by_value ON attribute(key, value) WHERE key IN ('ares.correlation.id', 'ares.order.client_id');
    """

    def __init__(self, database: Path) -> None:
        self.db = sqlite3.connect(database, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(self.SCHEMA)

    def take(self, body: bytes) -> int:
        """Store a request."""
        request = ExportTraceServiceRequest.FromString(body)
        spans = [one for each in request.resource_spans for scope in each.scope_spans for one in scope.spans]
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT OR IGNORE INTO span VALUES (?,?,?,?,?,?,?,?)", map(self._row, spans))
        self.db.executemany("INSERT INTO attribute VALUES (?,?,?,?,?)", self._attributes(spans))
        self.db.executemany("INSERT INTO event VALUES (?,?,?,?,?)", self._events(spans))
        self.db.execute("COMMIT")
        return len(spans)

    def close(self) -> None:
        """Close the database."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()

    def _row(self, span: Span) -> tuple[object, ...]:
        ids = (span.trace_id, span.span_id, span.parent_span_id)
        return (*ids, span.name, span.kind, span.start_time_unix_nano, span.end_time_unix_nano, span.status.code)

    def _attributes(self, spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
        for span in spans:
            for number, pairs in enumerate((span.attributes, *(event.attributes for event in span.events))):
                for pair in pairs:
                    yield span.trace_id, span.span_id, number, pair.key, _text(pair.value)

    def _events(self, spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
        for span in spans:
            for number, event in enumerate(span.events, start=1):
                yield span.trace_id, span.span_id, number, event.time_unix_nano, event.name


class Ours:
    """The server's store, as its writer uses it."""

    def __init__(self, database: Path) -> None:
        migrate(database)
        self.store = Store(database)

    def take(self, body: bytes) -> int:
        """Store a request."""
        return self.store.write([decode(body).traces])

    def close(self) -> None:
        """Close the database."""
        self.store.close()


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    return str(getattr(value, kind)) if kind else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100, help="requests of 100 decisions in each round")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    load = Load()
    bodies = [load.request() for _ in range(args.requests)]
    results: dict[str, list[Result]] = {"ours": [], "plain tables": []}
    for _ in range(args.rounds):
        results["ours"].append(_round(Ours, bodies))
        results["plain tables"].append(_round(Plain, bodies))
    _report(results, DECISIONS * args.requests)


def _round(variant: Callable[[Path], Ours | Plain], bodies: list[bytes]) -> Result:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        database = Path(directory) / "bench.db"
        store = variant(database)
        cpu, wall = time.process_time(), time.perf_counter()
        spans = sum(store.take(body) for body in bodies)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        store.close()
        return Result(spans, cpu, wall, database.stat().st_size)


def _report(results: dict[str, list[Result]], decisions: int) -> None:
    lines = [f"{'':14}{'spans/s':>10}{'CPU µs/span':>14}{'CPU µs/decision':>18}{'bytes/decision':>17}"]
    for name, rounds in results.items():
        spans = rounds[0].spans
        cpu, wall = (statistics.median(getattr(each, kind) for each in rounds) for kind in ("cpu", "wall"))
        costs = f"{spans / wall:>10,.0f}{cpu / spans * 1e6:>14.1f}{cpu / decisions * 1e6:>18.0f}"
        lines.append(f"{name:14}{costs}{rounds[0].size / decisions:>17,.0f}")
    ratio = statistics.median(plain.cpu / ours.cpu for ours, plain in zip(*results.values(), strict=True))
    lines.append(f"plain tables take {ratio:.1f} times the CPU")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
