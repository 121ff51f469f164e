"""The helper that runs the real collector, and the committed configuration it runs with."""

from __future__ import annotations

import gzip
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from urllib.request import Request, urlopen

import pytest
from collector import CONFIG, Collector, collector_binary, free_ports
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

DEADLINE = 60.0
TRACE_ID = bytes.fromhex("0192c4f5b6d07a3e8f1122334455667a")


class Sink:
    """A tiny OTLP/HTTP server that keeps the span names it was sent."""

    def __init__(self, port: int = 0) -> None:
        names: Queue[str] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                for span in spans_of(request):
                    names.put(span.name)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.names = names
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = int(self.server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"


@contextmanager
def sink(port: int = 0) -> Iterator[Sink]:
    """Run a sink, on a given port or a free one."""
    made = Sink(port)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    """Return all spans of a request, in order."""
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def send(collector: Collector, name: str) -> None:
    """Send one span by the official classes."""
    span = Span(trace_id=TRACE_ID, span_id=b"\1" * 8, name=name, start_time_unix_nano=1, end_time_unix_nano=2)
    body = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    headers = {"Content-Type": "application/x-protobuf"}
    request = Request(f"{collector.http}/v1/traces", body.SerializeToString(), headers)
    with urlopen(request, timeout=DEADLINE) as answer:
        assert answer.status == 200


def test_configuration_is_valid() -> None:
    """The collector itself accepts the committed configuration with nothing set in the environment."""
    command = [str(collector_binary()), "validate", "--config", str(CONFIG)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (answer.returncode, answer.stderr) == (0, "")


def test_forwards_to_the_server(tmp_path: Path) -> None:
    """A span sent to the collector by the official classes arrives at the server behind it."""
    with sink() as server, Collector(server.url, tmp_path) as collector:
        send(collector, "ares.decision")

        assert server.names.get(timeout=DEADLINE) == "ares.decision"


def test_killed_with_a_full_queue(tmp_path: Path) -> None:
    """What the collector took while the server was away survives its own kill -9 and goes out after both are back."""
    (port,) = free_ports(1)
    collector = Collector(f"http://127.0.0.1:{port}", tmp_path)
    with collector:
        before = (collector.http, collector.grpc)
        send(collector, "kept")
        collector.kill()
    with sink(port) as server, collector:
        assert (collector.http, collector.grpc) == before
        assert server.names.get(timeout=DEADLINE) == "kept"


def test_not_ready(tmp_path: Path) -> None:
    """A collector that cannot start raises with the reason out of its own log."""
    missing = (tmp_path / "nowhere.yaml",)

    with pytest.raises(RuntimeError, match=r"did not become ready(.|\n)*nowhere\.yaml"):
        Collector("http://127.0.0.1:1", tmp_path, missing).start()


def test_started_twice(tmp_path: Path) -> None:
    """Starting a running collector again is an error of the test that does it."""
    with Collector("http://127.0.0.1:1", tmp_path) as collector, pytest.raises(RuntimeError, match="running already"):
        collector.start()


def test_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the binary a test fails and names the command that builds it; it is never skipped."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(RuntimeError, match="make servers"):
        collector_binary()
