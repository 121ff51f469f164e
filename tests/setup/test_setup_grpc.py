"""The extra `grpc`: the same story through OTLP/gRPC to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from setup_kit import Begin, decide

grpc = pytest.importorskip("grpc", reason="needs the extra grpc")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402  after the check for the extra
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (  # noqa: E402
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

import ares_otel as ares  # noqa: E402


class Receiver(TraceServiceServicer):
    """Accepts everything."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(self, request: ExportTraceServiceRequest, _: object) -> ExportTraceServiceResponse:  # noqa: N802
        """Keep the names."""
        self.names += [
            span.name for part in request.resource_spans for scope in part.scope_spans for span in scope.spans
        ]
        return ExportTraceServiceResponse()


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, int]]:
    """Return a receiver and its port."""
    server, kept = grpc.server(ThreadPoolExecutor(2)), Receiver()
    add_TraceServiceServicer_to_server(kept, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, port
    server.stop(None).wait()


@pytest.mark.usefixtures("_no_proxy")
def test_through_grpc(begin: Begin, receiver: tuple[Receiver, int]) -> None:
    """Set up, decided, acknowledged."""
    kept, port = receiver
    with begin(
        exporter__enabled=True,
        exporter__protocol="grpc",
        exporter__compression="gzip",
        exporter__traces_endpoint=f"http://127.0.0.1:{port}",
    ):
        with ares.decision(strategy="s") as d, d.stage("analyst"):
            pass
        assert ares.flush(30.0)
        assert kept.names == ["decision", "analyst"]
        decide(ares, "s2")
    assert kept.names == ["decision", "analyst", "decision"]
