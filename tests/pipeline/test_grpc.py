"""OTLP/gRPC through the official exporter, against a real gRPC server on this host."""

from __future__ import annotations

import builtins
import logging
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sink import batch_of, eventually, free_port

from ares_otel.pipeline.grpc import GrpcTransport
from ares_otel.pipeline.grpc.transport import PROXIES
from ares_otel.pipeline.model import Batch, Verdict

DELIVERED = Verdict("delivered")
SECONDS = 20.0
HANG = "hang"


class Receiver(TraceServiceServicer):
    """A gRPC receiver; takes one status of the script per call, and accepts when that is at its end."""

    def __init__(self, *script: grpc.StatusCode | str, credentials: grpc.ServerCredentials | None = None) -> None:
        self.script = deque(script)
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.calls = 0
        self.stopping = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(4))
        add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.address = f"127.0.0.1:{port}"

    def Export(  # noqa: N802  # its name in the protocol
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Answer a call."""
        self.calls += 1
        self.metadata.append(dict(context.invocation_metadata()))
        status = self.script.popleft() if self.script else None
        if status == HANG:
            self.stopping.wait()
        elif status is not None:
            context.abort(status, "scripted")
        self.requests.append(request)
        return ExportTraceServiceResponse()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stopping.set()
        self._server.stop(None).wait()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the user's proxies away."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the official exporter from logging to the terminal what is expected here."""
    logger = logging.getLogger("opentelemetry.exporter.otlp")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that accepts everything."""
    with Receiver() as running:
        yield running


def send(receiver: Receiver, batch: Batch | None = None, timeout: float = SECONDS, **settings: Any) -> Verdict:
    """Send a batch over a new transport."""
    transport = GrpcTransport(f"http://{receiver.address}", **settings)
    verdict = transport.send(batch or batch_of("span"), timeout)
    transport.close()
    return verdict


def everything() -> ExportTraceServiceRequest:
    """Return a request that uses every field the SDK's spans can hold."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url="https://schema/resource")
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "bot"
    scope_spans = resource_spans.scope_spans.add(schema_url="https://schema/scope")
    scope_spans.scope.name, scope_spans.scope.version = "ares_otel", "1"
    scope_spans.scope.attributes.add(key="in").value.bool_value = True
    span = scope_spans.spans.add(
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        parent_span_id=bytes(range(1, 9)),
        trace_state="a=1,b=2",
        name="decision",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=1_700_000_000_000_000_001,
        end_time_unix_nano=1_700_000_000_000_000_002,
        flags=0x300,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "broken"
    span.attributes.add(key="text").value.string_value = "é"
    span.attributes.add(key="false").value.bool_value = False
    span.attributes.add(key="least").value.int_value = -(2**63)
    span.attributes.add(key="half").value.double_value = 0.5
    span.attributes.add(key="bytes").value.bytes_value = b"\xff"
    span.attributes.add(key="none").value.SetInParent()
    span.attributes.add(key="array").value.array_value.values.add().string_value = "x"
    span.attributes.add(key="map").value.kvlist_value.values.add(key="k").value.int_value = 1
    event = span.events.add(name="event", time_unix_nano=5, dropped_attributes_count=4)
    event.attributes.add(key="e").value.int_value = 2
    link = span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8, flags=0x100, dropped_attributes_count=5)
    link.attributes.add(key="l").value.int_value = 3
    plain = scope_spans.spans.add(
        trace_id=b"\3" * 16, span_id=b"\4" * 8, name="plain", kind=Span.SPAN_KIND_INTERNAL, flags=0x100
    )
    plain.status.SetInParent()
    return request


def test_all_fields_arrive(receiver: Receiver) -> None:
    """What the official exporter sends is what was in the batch."""
    expected = everything()

    assert send(receiver, Batch(expected.SerializeToString(), 2)) == DELIVERED
    assert receiver.requests == [expected]


def test_settings(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers, address and compression are ours, not those that the official exporter reads from the environment."""
    taken = []

    class Spy(OTLPSpanExporter):
        def __init__(self, **settings: Any) -> None:
            taken.append(settings)
            super().__init__(**settings)

    monkeypatch.setattr("opentelemetry.exporter.otlp.proto.grpc.trace_exporter.OTLPSpanExporter", Spy)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false")
    send(receiver, headers={"X-Scope": "a"})
    send(receiver, compression="gzip", timeout=3.5)

    assert [metadata.get("x-scope") for metadata in receiver.metadata] == ["a", None]
    assert receiver.metadata[0]["user-agent"].startswith("OTel-OTLP-Exporter-Python/")
    assert [each["compression"] for each in taken] == [grpc.Compression.NoCompression, grpc.Compression.Gzip]
    assert [each["timeout"] for each in taken] == [SECONDS, 3.5]


def test_address_without_scheme(receiver: Receiver) -> None:
    """Without a scheme, the setting says whether TLS is spoken; the address may come with a path."""
    for address in (receiver.address, f"//{receiver.address}/"):
        transport = GrpcTransport(address, insecure=True)
        assert transport.send(batch_of("a"), SECONDS) == DELIVERED
        transport.close()


def test_channel_is_kept_and_reopened(receiver: Receiver) -> None:
    """One channel serves all batches of one timeout; after a close, another is made."""
    transport = GrpcTransport(f"http://{receiver.address}")
    exporters = []
    for timeout in (SECONDS, SECONDS, SECONDS + 1):
        assert transport.send(batch_of("a"), timeout) == DELIVERED
        exporters.append(transport._exporter)
    transport.close()
    transport.close()

    assert exporters[0] is exporters[1] is not exporters[2]
    assert transport.send(batch_of("a"), SECONDS) == DELIVERED
    transport.close()


def test_refused_in_the_end(receiver: Receiver) -> None:
    """A failure that the receiver answers with is tried five times; a success begins the count anew."""
    receiver.script.extend([grpc.StatusCode.INVALID_ARGUMENT] * 4)
    transport = GrpcTransport(f"http://{receiver.address}")
    states = [transport.send(batch_of("a"), SECONDS).state for _ in range(5)]
    receiver.script.extend([grpc.StatusCode.INVALID_ARGUMENT] * 6)
    states += [transport.send(batch_of("b"), SECONDS).state for _ in range(6)]

    assert states == ["retry"] * 4 + ["delivered"] + ["retry"] * 4 + ["refused", "retry"]
    transport.close()


def test_transient_failure(receiver: Receiver) -> None:
    """What the official exporter retries itself arrives."""
    receiver.script.append(grpc.StatusCode.UNAVAILABLE)

    assert send(receiver) == DELIVERED
    assert receiver.calls == 2


def test_out_of_reach() -> None:
    """While nobody listens, a batch is kept however often it is tried."""
    address = f"127.0.0.1:{free_port()}"
    transport = GrpcTransport(f"http://{address}")
    verdicts = {transport.send(batch_of("a"), 0.1) for _ in range(7)}
    transport.close()

    assert {verdict.state for verdict in verdicts} == {"retry"}
    assert {verdict.reason for verdict in verdicts} <= {"connection", "timeout"}


def test_out_of_reach_is_told_by_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure counts only if the receiver can be reached, as far as that can be known."""
    address = f"127.0.0.1:{free_port()}"
    transport = GrpcTransport(f"http://{address}")
    assert not transport._reachable()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert transport._reachable()
    monkeypatch.delenv("https_proxy")
    assert GrpcTransport("unix:///tmp/socket")._reachable()


def test_hung(receiver: Receiver) -> None:
    """A receiver that says nothing costs no more than the timeout, and never the batch."""
    receiver.script.extend([HANG] * 3)
    transport = GrpcTransport(f"http://{receiver.address}")
    started = time.monotonic()
    verdicts = [transport.send(batch_of("a"), 0.2) for _ in range(3)]

    assert [(verdict.state, verdict.reason) for verdict in verdicts] == [("retry", "timeout")] * 3
    assert time.monotonic() - started < SECONDS
    transport.close()


def test_close_breaks_off(receiver: Receiver) -> None:
    """A close from another thread ends a call that hangs."""
    receiver.script.append(HANG)
    transport = GrpcTransport(f"http://{receiver.address}")
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(transport.send(batch_of("a"), 1_000.0)))
    thread.start()
    eventually(lambda: receiver.calls)
    transport.close()
    thread.join(SECONDS)

    assert [(verdict.state, verdict.reason) for verdict in verdicts] == [("retry", "closed")]


def test_closed_before_the_call(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that is closed before the call begins is no failure of the receiver."""
    transport = GrpcTransport(f"http://{receiver.address}")
    exporter = transport._open(SECONDS)

    def closed(_: object) -> None:
        raise ValueError("Cannot invoke RPC on closed channel!")

    monkeypatch.setattr(exporter, "export", closed)

    assert transport.send(batch_of("a"), SECONDS).reason == "closed"
    transport.close()


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Return an authority whose certificate is in a file, with one for the bot beside it."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    bot = made.issue_cert("bot@example.org")
    bot.private_key_pem.write_to_path(tmp_path / "key.pem")
    bot.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return made


def test_tls(authority: trustme.CA, tmp_path: Path) -> None:
    """With certificates both sides know each other; without, nothing is sent."""
    own = authority.issue_cert("127.0.0.1")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)
    files = {"client_certificate": str(tmp_path / "cert.pem"), "client_key": str(tmp_path / "key.pem")}
    with Receiver(credentials=credentials) as receiver:
        transport = GrpcTransport(f"https://{receiver.address}", certificate=str(tmp_path / "ca.pem"), **files)  # type: ignore[arg-type]
        assert transport.send(batch_of("a"), SECONDS) == DELIVERED
        transport.close()
        stranger = GrpcTransport(receiver.address)
        assert stranger.send(batch_of("a"), 0.5).state == "retry"
        stranger.close()
    assert receiver.calls == 1


def test_missing_certificate(tmp_path: Path) -> None:
    """A file that is not there is told at construction."""
    with pytest.raises(FileNotFoundError):
        GrpcTransport("https://host:4317", certificate=str(tmp_path / "none.pem"))


def test_bad_compression() -> None:
    """Only gzip and none are known."""
    with pytest.raises(ValueError, match="'zstd'"):
        GrpcTransport("http://host", compression="zstd")  # type: ignore[arg-type]


def test_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the message says what to install."""
    really = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
        return really(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(ImportError, match=r"pip install 'ares-otel\[grpc\]'"):
        GrpcTransport("http://host")


def test_import_is_light() -> None:
    """Importing the module needs no extra."""
    code = "import sys, ares_otel.pipeline.grpc; print('grpc' in sys.modules, 'google.protobuf' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert printed.stdout == "False False\n"


def test_fork(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child leaves the parent's channel alone and opens its own."""
    monkeypatch.setattr("ares_otel.pipeline.grpc.transport.os.getpid", lambda: 1)
    transport = GrpcTransport(f"http://{receiver.address}")
    assert transport.send(batch_of("a"), SECONDS) == DELIVERED
    parents = transport._exporter
    monkeypatch.setattr("ares_otel.pipeline.grpc.transport.os.getpid", lambda: 2)

    assert transport.send(batch_of("b"), SECONDS) == DELIVERED
    assert transport._exporter is not parents
    assert parents is not None
    assert not parents._shutdown
    parents.shutdown()
    transport.close()
