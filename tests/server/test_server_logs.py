"""Log records by OTLP: stored once, bounded, found by their correlation id."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from server_kit import fresh, rows, send
from spans import RESOURCE, START, Bot, Whole, body, key_values, span, value

from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.otlp.decode import LATEST
from ares_otel.server.otlp.logs import decode_logs
from ares_otel.server.otlp.wire import RequestError
from ares_otel.server.story.explain import explain
from ares_otel.server.story.reader import Reader

ALL = "SELECT severity, logger, body, hex(trace), hex(span), correlation, attributes FROM log ORDER BY id"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database, made already."""
    return fresh(tmp_path)


@pytest.fixture
def server(database: Path) -> Iterator[EmbeddedServer]:
    """A running server."""
    with EmbeddedServer(database) as running:
        yield running


def record(said: object = "hello", time: int = START, **fields: Any) -> logs_pb2.LogRecord:
    """Return a log record."""
    facts = fields.pop("attributes", {})
    return logs_pb2.LogRecord(time_unix_nano=time, body=value(said), attributes=key_values(facts), **fields)


def request(*records: logs_pb2.LogRecord, logger: str = "bot") -> bytes:
    """Return a request."""
    made = ExportLogsServiceRequest()
    holder = made.resource_logs.add()
    holder.resource.attributes.extend(key_values(RESOURCE))
    scope = holder.scope_logs.add()
    scope.scope.name = logger
    scope.log_records.extend(records)
    return made.SerializeToString()


def test_the_official_exporter(server: EmbeddedServer, database: Path) -> None:
    """What OpenTelemetry's SDK sends is stored with severity, logger, body, ids and attributes."""
    provider = LoggerProvider(Resource.create({"service.name": "bot"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{server.url}/v1/logs")))
    provider.get_logger("strategy").emit(
        LogRecord(
            timestamp=START,
            severity_number=SeverityNumber.WARN,
            body="spread is wide",
            attributes={"correlation_id": "c-1", "spread": 3.5, "legs": ["a", "b"]},
        )
    )
    provider.shutdown()

    (found,) = rows(database, ALL)
    assert found[:3] == (13, "strategy", "spread is wide")
    assert found[5] == "c-1"
    assert json.loads(found[6]) == {"correlation_id": "c-1", "legs": ["a", "b"], "spread": 3.5}


def test_protobuf_gzip_and_json(server: EmbeddedServer, database: Path) -> None:
    """Each encoding is taken and answered in kind; ids in JSON are hexadecimal."""
    said = {"timeUnixNano": str(START + 1_000_000), "body": {"stringValue": "json"}, "severityNumber": 9}
    said |= {"traceId": "ab" * 16, "spanId": "cd" * 8}
    whole = {"resourceLogs": [{"scopeLogs": [{"logRecords": [said]}]}]}

    replies = [
        send(server.url, request(record()), path="/v1/logs"),
        send(server.url, gzip.compress(request(record("packed", START + 1))), path="/v1/logs", content_encoding="gzip"),
        send(server.url, json.dumps(whole).encode(), path="/v1/logs", content_type="application/json"),
    ]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b""), (200, b""), (200, b"{}")]
    found = {row[2]: row for row in rows(database, ALL)}
    assert {*found} == {"hello", "packed", "json"}
    assert found["json"][:5] == (9, None, "json", "AB" * 16, "CD" * 8)


def test_a_record_that_comes_again(server: EmbeddedServer, database: Path) -> None:
    """A request that is sent again is stored once, also within one request; another text of that moment is another."""
    twice = request(record(), record(), record("other"))

    assert [send(server.url, twice, path="/v1/logs").status for _ in range(2)] == [200, 200]

    assert sorted(row[2] for row in rows(database, ALL)) == ["hello", "other"]
    metrics = send(server.url, None, path="/metrics", method="GET").body.decode()
    assert 'ares_server_records_total{signal="logs",storage_result="stored"} 2.0' in metrics
    assert 'ares_server_records_total{signal="logs",storage_result="duplicate"} 4.0' in metrics


def test_logs_and_spans_share_their_resource(server: EmbeddedServer, database: Path) -> None:
    """A bot's logs and spans come from one resource, which is stored once."""
    send(server.url, body([span("x")]))
    send(server.url, request(record()), path="/v1/logs")

    assert rows(database, "SELECT count(*) FROM resource") == [(1,)]


def test_partial_success(server: EmbeddedServer) -> None:
    """Records with a time that no table holds are told by number, in the words of their encoding."""
    late = {"timeUnixNano": str(LATEST), "body": {"stringValue": "x"}}
    whole = {"resourceLogs": [{"scopeLogs": [{"logRecords": [late]}]}]}

    binary = send(server.url, request(record(), record(time=LATEST)), path="/v1/logs")
    text = send(server.url, json.dumps(whole).encode(), path="/v1/logs", content_type="application/json")

    partial = ExportLogsServiceResponse.FromString(binary.body).partial_success
    assert (partial.rejected_log_records, partial.error_message) == (1, "1 with a time out of range")
    assert json.loads(text.body)["partialSuccess"]["rejectedLogRecords"] == "1"


def test_wrong_requests(server: EmbeddedServer) -> None:
    """Bytes that are no log request cost their sender a 400."""
    assert send(server.url, b"nonsense", path="/v1/logs").status == 400
    assert send(server.url, b"{", path="/v1/logs", content_type="application/json").status == 400
    with pytest.raises(RequestError, match="no ExportLogsServiceRequest"):
        decode_logs(request(record())[:-1])


def test_what_is_too_long_is_cut() -> None:
    """Texts and numbers of attributes are bounded, and what was cut is counted."""
    many = {f"k{number:03}": number for number in range(100)}
    facts = {**many, "a.text": "x" * 5_000, "a.list": ["y" * 2_000], "ares.correlation.id": "c" * 300}

    (found,) = decode_logs(request(record("b" * 10_000, attributes=facts))).logs

    said = json.loads(found.attributes)
    assert len(found.body) == 8_192
    assert len(found.correlation) == 256
    assert len(said["a.text"]) == 1_024
    assert "a.list" not in said
    assert said["ares.cut"] == 41
    assert len(said) == 64


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (record({"a": [1, 2.5, None]}), '{"a":[1,2.5,null]}'),
        (record(7), "7"),
        (record(b"\x01"), '"AQ=="'),
        (record(float("nan")), "null"),
        (record(None, event_name="fill"), "fill"),
        (record(None), None),
    ],
)
def test_bodies(given: logs_pb2.LogRecord, expected: str | None) -> None:
    """A body that is no text is kept as JSON; without one the event's name tells what happened."""
    (found,) = decode_logs(request(given)).logs

    assert found.body == expected


def test_what_cannot_be_is_unknown() -> None:
    """Ids of a wrong length and severities that OTLP does not have are left out; a time is found where there is one."""
    odd = record(time=0, observed_time_unix_nano=5, severity_number=99, trace_id=b"short", span_id=bytes(8))
    timeless = record(time=0)

    found, new = decode_logs(request(odd, timeless, logger="")).logs

    assert (found.time, found.severity, found.trace, found.span, found.logger) == (5, None, None, None, None)
    assert new.time > START


def ids_of(one: Whole) -> dict[str, Any]:
    """Return the ids of a decision's span."""
    root = one.spans[-1]
    return {"trace_id": root.trace_id, "span_id": root.span_id}


def test_logs_are_told_with_their_decision(server: EmbeddedServer, database: Path) -> None:
    """Where they were logged: below their span in time, those of no known span below the decision; others are not."""
    bot = Bot()
    one, other = bot.decision(), bot.decision()
    send(server.url, body([*one.all, *other.all]))
    correlated = {"ares.correlation.id": one.ids.correlation}
    child = next(each for each in one.spans if each.name == "order submit")
    raised = {"exception.type": "ValueError", "exception.message": "no \x1b[31mprice", **correlated}
    told = [
        record("spread is wide", child.start_time_unix_nano + 5_000, severity_number=13, attributes=correlated,
               trace_id=child.trace_id, span_id=child.span_id),
        record("gave up", one.spans[-1].start_time_unix_nano + 9_000_000, severity_number=17, attributes=raised),
        record("of the other", severity_number=9, attributes=correlated, **ids_of(other)),
        record("of nobody", severity_number=9),
    ]  # fmt: skip
    send(server.url, request(*told), path="/v1/logs")
    out = io.StringIO()

    explain(database, one.client_id, out)

    lines = out.getvalue().splitlines()
    (warning,) = [at for at, line in enumerate(lines) if "warning bot: spread is wide" in line]
    assert "order C-1" in lines[warning - 1]
    assert lines[warning].index("warning") > lines[warning - 1].index("order")
    (error,) = [line for line in lines if "error bot: gave up (ValueError: no \ufffd[31mprice)" in line]
    assert error.lstrip("│ ").startswith(("├─ error", "└─ error"))
    assert "+9 ms" in error
    assert "of nobody" not in out.getvalue()


def test_a_shared_correlation(server: EmbeddedServer, database: Path) -> None:
    """Each of two decisions of one correlation is told with its own records, and with those of neither."""
    bot = Bot()
    outer = bot.decision()
    inner = bot.decision(around=outer, order=False)
    inner_trace = bytes(reversed(range(16)))
    for each in inner.spans:
        each.trace_id = inner_trace
    send(server.url, body([*outer.all, *inner.all]))
    correlated = {"ares.correlation.id": outer.ids.correlation}
    own = ids_of(outer)
    send(server.url, request(
        record("outer", START + 1_000_000, attributes=correlated, **own),
        record("inner", START + 2_000_000, attributes=correlated, trace_id=inner_trace),
        record("neither", START + 3_000_000, attributes=correlated, trace_id=b"N" * 16),
    ), path="/v1/logs")  # fmt: skip

    with Reader(database) as reader:
        stories = reader.find(outer.ids.correlation)

    assert {story.trace_id: [log.body for log in story.logs] for story in stories} == {
        own["trace_id"].hex(): ["outer", "neither"],
        inner_trace.hex(): ["inner", "neither"],
    }
