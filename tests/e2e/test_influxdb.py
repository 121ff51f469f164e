"""Forwarding into a real InfluxDB 1.6: what it answers is what the store holds, after outages and hostile names too."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from influxdb import InfluxDB
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ares_otel.config import Influx, Server
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep.influx import Client
from ares_otel.server.keep.line import FieldValue, line, tag_text

START = 1_700_000_000_000_000_000
HOSTILE = (
    "<script>alert(1)</script>",
    "a,b=c d",
    'quo"te',
    "back\\slash\\",
    "line\nbreak",
    "☃ 漢字",
    "trailing ",
    "=",
    ",",
    "'; DROP MEASUREMENT x --",
)


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """Run InfluxDB with an empty database."""
    with InfluxDB(tmp_path_factory.mktemp("influx") / "db") as server:
        server.ask("CREATE DATABASE ares")
        yield server


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def put(attributes: Any, facts: dict[Attribute, Any]) -> None:
    """Add attributes of texts and numbers."""
    for key, value in facts.items():
        added = attributes.add(key=key.key)
        if isinstance(value, float):
            added.value.double_value = value
        else:
            added.value.string_value = value


def decision(number: int, symbol: str, strategy: str = "swing") -> bytes:
    """Return a decision with a vote and an equity as a request."""
    start = START + number * 1_000_000
    request = ExportTraceServiceRequest()
    span: Span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = random.Random(number).randbytes(16), random.Random(-number - 1).randbytes(8)  # noqa: S311
    span.name, span.start_time_unix_nano, span.end_time_unix_nano = s.DECISION.name, start, start + 1_000
    put(span.attributes, {a.STRATEGY: strategy, a.SYMBOL: symbol, a.ACTION: "buy", a.CONFIDENCE: number / 7})
    vote = span.events.add(name=s.VOTE.name, time_unix_nano=start)
    put(vote.attributes, {a.MODEL_NAME: symbol, a.ACTION: "buy", a.CONFIDENCE: 0.5, a.WEIGHT: 0.25})
    equity = span.events.add(name=s.EQUITY.name, time_unix_nano=start)
    put(equity.attributes, {a.EQUITY: 100.0 + number, a.CURRENCY: "USD"})
    return request.SerializeToString()


def send(server: EmbeddedServer, data: bytes) -> None:
    """Deliver a request to the server."""
    headers = {"Content-Type": "application/x-protobuf"}
    with urlopen(Request(f"{server.url}/v1/traces", data, headers), timeout=20) as answer:
        assert answer.status == 200


def settings(influx: InfluxDB) -> Server:
    """Return the settings of a server that forwards."""
    return Server(influx=Influx(url=influx.url, version="1", interval=0.05, backoff_limit=0.2))


def numbers(influx: InfluxDB, measurement: str, field: str) -> list[Any]:
    """Return all values of a field by time."""
    return [row[field] for row in influx.ask(f'SELECT "{field}" FROM "{measurement}"')]  # noqa: S608  own names


def test_everything_arrives(influx: InfluxDB, tmp_path: Path) -> None:
    """Hostile names included; an outage and restarts of both sides lose nothing and double nothing."""
    database = tmp_path / "ares.db"
    with EmbeddedServer(database, settings=settings(influx)) as server:
        for number, symbol in enumerate(HOSTILE):
            send(server, decision(number, symbol))
        until(lambda: len(numbers(influx, "ares_decision", "confidence")) == len(HOSTILE))
        influx.stop()
        for number in range(10, 200):
            send(server, decision(number, "SPX"))
    influx.start()
    with EmbeddedServer(database, settings=settings(influx)) as server:
        send(server, decision(200, "SPX"))
        until(lambda: len(numbers(influx, "ares_decision", "confidence")) == 201)

    assert numbers(influx, "ares_decision", "confidence") == [number / 7 for number in range(201)]
    assert numbers(influx, "ares_equity", "value") == [100.0 + number for number in range(201)]
    found = influx.ask("SELECT count(confidence) FROM ares_decision GROUP BY symbol")
    assert {row["symbol"] for row in found} == {*map(tag_text, HOSTILE), "SPX"}
    votes = influx.ask("SELECT count(weight) FROM ares_vote GROUP BY model")
    assert sum(row["count"] for row in votes) == 201


def test_texts_come_back(influx: InfluxDB) -> None:
    """A thousand random texts as tags and as fields are read back by the real server as they were meant."""
    chance = random.Random(11)  # noqa: S311  the same texts in each run
    alphabet = "ab ,=\\\"\n\t'☃漢é;#{}"
    texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 8))) for _ in range(1_000)]
    client = Client(Influx(url=influx.url, version="1"), {})
    lines = []
    for number, text in enumerate(texts):
        fields: dict[str, FieldValue] = {"text": text, "n": number}
        lines.append(line("texts", {"tag": text}, fields, START + number))
    client.write(lines)
    client.close()

    found = influx.ask('SELECT "n", "text", "tag" FROM "texts"')
    assert [row["n"] for row in found] == list(range(1_000))
    assert [row["text"] for row in found] == texts
    assert [row["tag"] for row in found] == [tag_text(text) for text in texts]


def test_a_point_of_another_type(influx: InfluxDB, tmp_path: Path) -> None:
    """A field that somebody else wrote as a text refuses our number: that point is left out, the others arrive."""
    influx.ask("CREATE DATABASE other")
    client = Client(Influx(url=influx.url, version="1", database="other"), {})
    client.write([b'ares_equity,strategy=swing,currency=USD value="text" 1'])
    client.close()
    chosen = Server(influx=Influx(url=influx.url, version="1", database="other", interval=0.05))
    with EmbeddedServer(tmp_path / "ares.db", settings=chosen) as server:
        send(server, decision(1, "SPX"))
        until(lambda: influx.ask("SELECT confidence FROM ares_decision", "other"))
        until(lambda: influx.ask("SELECT weight FROM ares_vote", "other"))

    assert influx.ask("SELECT count(value) FROM ares_equity", "other")[0]["count"] == 1


def test_what_it_costs(influx: InfluxDB) -> None:
    """A whole batch as long as the default is taken in one request."""
    client = Client(Influx(url=influx.url, version="1"), {})
    client.write([line("batch", {}, {"n": number}, START + number) for number in range(5_000)])
    client.close()

    assert influx.ask("SELECT count(n) FROM batch")[0]["count"] == 5_000
