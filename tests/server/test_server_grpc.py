"""OTLP over gRPC: taken by the same writer under the same rules, tested with the official exporters and client."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import trustme
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from server_kit import content, fresh, rows, send
from spans import Bot, body, span

from ares_otel.config import Limits, Server
from ares_otel.pipeline.grpc import GrpcLogTransport
from ares_otel.pipeline.model import Batch, LogData, Scope
from ares_otel.pipeline.otlp.logs import LogEncoder
from ares_otel.server.http.serve import EmbeddedServer, StartError
from ares_otel.server.store import writer
from ares_otel.server.store.store import Store

LIMIT = 1 << 20
TRACE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database, made already."""
    return fresh(tmp_path)


@pytest.fixture
def server(database: Path) -> Iterator[EmbeddedServer]:
    """A running server."""
    with EmbeddedServer(database, settings=Server(grpc_port=0, max_body_bytes=LIMIT)) as running:
        yield running


def call(server: EmbeddedServer, data: bytes, token: str = "", timeout: float = 20.0, **options: Any) -> bytes:
    """Send one request as bytes."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        metadata = (("authorization", token),) if token else ()
        return bytes(channel.unary_unary(TRACE)(data, timeout=timeout, metadata=metadata, **options))


def refused(work: Callable[[], object]) -> tuple[str, str, float | None]:
    """Return code, reason and delay of a refusal."""
    with pytest.raises(grpc.RpcError) as caught:
        work()
    told = dict(caught.value.trailing_metadata()).get("grpc-status-details-bin")
    info = RetryInfo()
    for detail in Status.FromString(told).details if told else ():
        detail.Unpack(info)
    delay = info.retry_delay.seconds or None
    return caught.value.code().name, caught.value.details(), delay


def test_the_official_exporters(server: EmbeddedServer, database: Path) -> None:
    """Spans and log records that OpenTelemetry's SDK sends by gRPC are stored when they are acknowledged."""
    place = f"http://127.0.0.1:{server.grpc_port}"
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(place, insecure=True)))
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(place, insecure=True)))
    with traces.get_tracer("x").start_as_current_span("mine"):
        logs.get_logger("bot").emit(LogRecord(body="hello", attributes={"correlation_id": "c"}))
    traces.shutdown()
    logs.shutdown()

    assert len(content(database)["span"]) == 1
    assert rows(database, "SELECT logger, body, correlation FROM log") == [("bot", "hello", "c")]
    metrics = send(server.url, None, path="/metrics", method="GET").body.decode()
    assert f'http_response_status_code="OK",http_route="{TRACE}"}} 1.0' in metrics


def test_gzip_and_partial_success(server: EmbeddedServer, database: Path) -> None:
    """Compressed messages are taken; spans that cannot be stored are told."""
    bad = span("bad")
    bad.span_id = b"short"
    plain = call(server, body(Bot().decision().all), compression=grpc.Compression.Gzip)
    told = ExportTraceServiceResponse.FromString(call(server, body([bad]))).partial_success

    assert plain == b""
    assert (told.rejected_spans, told.error_message) == (1, "1 with a span id that is not 8 bytes or all zero")
    assert len(content(database)["span"]) == 8


def test_wrong_messages(server: EmbeddedServer) -> None:
    """What cannot be read is refused for good, and so is what is too long."""
    bad = refused(lambda: call(server, b"nonsense"))
    large = refused(lambda: call(server, bytes(LIMIT + 1)))

    assert (bad[0], bad[2]) == ("INVALID_ARGUMENT", None)
    assert large[0] == "RESOURCE_EXHAUSTED"
    assert large[2] is None


def test_access(database: Path, tmp_path: Path) -> None:
    """A call needs a token that is good for writing."""
    file = tmp_path / "tokens"
    file.write_text("reader-0123456789 read\nwriter-0123456789 write\n")
    file.chmod(0o600)
    data = body([span("x")])
    with EmbeddedServer(database, settings=Server(grpc_port=0, token_file=str(file))) as server:
        tokens = ("", "Bearer x", "Bearer reader-0123456789")
        codes = [refused(partial(call, server, data, token))[0] for token in tokens]
        taken = call(server, data, "Bearer writer-0123456789")

    assert codes == ["UNAUTHENTICATED", "UNAUTHENTICATED", "PERMISSION_DENIED"]
    assert taken == b""


def test_overload(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much is refused with the time to wait, without which senders would drop their data."""
    data = body([span("x")])
    with EmbeddedServer(database, settings=Server(grpc_port=0, limits=Limits(writes=1))) as server:
        with monkeypatch.context() as patch:
            patch.setattr(writer, "QUEUE_LIMIT", 0)
            full = refused(lambda: call(server, data))
        call(server, data)
        often = refused(lambda: [call(server, data) for _ in range(9)])

    assert [full, often] == [
        ("RESOURCE_EXHAUSTED", "too many requests wait to be stored", 1.0),
        ("RESOURCE_EXHAUSTED", "more than 1 requests a second", 1.0),
    ]


def test_a_database_that_fails(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is an internal error; a commit that takes too long is a deadline."""
    gate = threading.Event()

    def broken(*_: object) -> int:
        raise OverflowError("too large")

    def slow(*_: object) -> int:
        gate.wait(20)
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", broken)
        fault = refused(lambda: call(server, body([span("x")])))
        patch.setattr(Store, "write", slow)
        late = refused(lambda: call(server, body([span("x")]), timeout=0.3))
        gate.set()

    assert fault[0] == "INTERNAL"
    assert late[0] == "DEADLINE_EXCEEDED"


def test_tls(database: Path, tmp_path: Path) -> None:
    """With a certificate gRPC is encrypted too."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    made.cert_chain_pems[0].write_to_path(chain)
    made.private_key_pem.write_to_path(key)
    with EmbeddedServer(database, settings=Server(grpc_port=0, certificate=str(chain), key=str(key))) as server:
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with grpc.secure_channel(f"localhost:{server.grpc_port}", credentials) as channel:
            assert channel.unary_unary(TRACE)(body([span("x")]), timeout=20) == b""


def test_a_port_that_is_taken(server: EmbeddedServer, tmp_path: Path) -> None:
    """A port in use is said, and nothing of the server stays."""
    other = EmbeddedServer(fresh(tmp_path, "other.db"), settings=Server(grpc_port=server.grpc_port))

    with pytest.raises(StartError, match="is the port taken"):
        other.start()

    assert not other.running


def test_without_the_extra(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where grpc is not installed the message names what brings it; without a port nothing of it is imported."""
    monkeypatch.delitem(sys.modules, "ares_otel.server.rpc.service", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(StartError, match=r"pip install 'ares-otel\[grpc\]'"):
        EmbeddedServer(database, settings=Server(grpc_port=0)).start()
    with EmbeddedServer(database) as plain:
        assert plain.grpc_port is None


def logs_of(said: str) -> Batch:
    """Return a batch of one log record."""
    encoder = LogEncoder({"service.name": "bot"})
    record = encoder.record(LogData(1_790_000_000 * 10**9, 1, 13, "WARNING", said, {}))
    (batch,) = encoder.batches({Scope("bot"): [record]})
    return batch


def test_our_log_records(database: Path, tmp_path: Path) -> None:
    """Our own transport delivers log records, with headers and compressed; what is refused, and why, is known."""
    file = tmp_path / "tokens"
    file.write_text("writer-0123456789 write\n")
    file.chmod(0o600)
    with EmbeddedServer(database, settings=Server(grpc_port=0, token_file=str(file))) as server:
        place = f"http://127.0.0.1:{server.grpc_port}"
        stranger = GrpcLogTransport(place)
        known = GrpcLogTransport(place, headers={"Authorization": "Bearer writer-0123456789"}, compression="gzip")
        verdicts = [stranger.send(logs_of("no"), 20.0), known.send(logs_of("yes"), 20.0)]
        known.close()
        again = known.send(logs_of("again"), 20.0)
        for transport in (stranger, known):
            transport.close()

    assert [(verdict.state, verdict.reason) for verdict in (*verdicts, again)] == [
        ("refused", "grpc_unauthenticated"),
        ("delivered", ""),
        ("delivered", ""),
    ]
    assert sorted(rows(database, "SELECT body FROM log")) == [("again",), ("yes",)]


def test_our_log_records_without_a_receiver() -> None:
    """A receiver that is away is tried again; a channel that was closed under a call as well."""
    away = GrpcLogTransport("127.0.0.1:9")
    plain = GrpcLogTransport("http://127.0.0.1:9")

    assert plain.send(logs_of("x"), 2.0).reason in {"grpc_unavailable", "grpc_deadline_exceeded"}
    assert away.send(logs_of("x"), 2.0).state == "retry"
    away.close()
    away.close()
    plain.close()
