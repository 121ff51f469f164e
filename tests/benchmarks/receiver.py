"""Where all variants send to: a process of its own that decodes what comes and counts it, by who sent it.

    python tests/benchmarks/receiver.py

Speaks OTLP/HTTP (spans and metrics) below any path, whose first part names the sender, and the protocol of Datadog's
agent. `GET /<sender>` says what came since the last question, and forgets it. Every request is parsed and its spans
are counted; the first megabytes after a question are looked at span by span.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["main"]

LOOKED_AT = 8 << 20
DATADOG = "ddtrace"
INFO = {"version": "7.60.0", "endpoints": ["/v0.3/traces", "/v0.4/traces"], "client_drop_p0s": False, "config": {}}
HIDDEN = ("_dd.", "_sampling", "process_id", "language", "runtime-id")
"""What begins the names of Datadog's own tags."""

Seen = tuple[object, object, object, str, int, list[str]]
"""Of a span: its trace, its id, its parent, its name, the number of its attributes, the names of its events."""


class Account:
    """What came from one sender."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[tuple[bool, bytes]] = []
        self.left = LOOKED_AT
        self.metrics: dict[str, float] = {}

    def spans(self, body: bytes, *, datadog: bool) -> None:
        """Count a request."""
        self.counts["requests"] += 1
        self.counts["bytes"] += len(body)
        if len(body) <= self.left:
            self.left -= len(body)
            self.kept.append((datadog, body))
        self.counts["spans"] += sum(1 for _ in _datadog(body)) if datadog else _number(body)

    def measure(self, body: bytes) -> None:
        """Remember the newest value of each metric: a sum, or the number of values of a distribution."""
        self.counts["metric bytes"] += len(body)
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = list(getattr(metric, metric.WhichOneof("data") or "sum").data_points)
                    self.metrics[metric.name] = sum(map(_value, points))
                    found = sum(len(point.exemplars) for point in points)
                    self.metrics["exemplars"] = max(self.metrics.get("exemplars", 0), found)

    def told(self) -> dict[str, Any]:
        """Return what came, and what it looked like."""
        seen = [span for datadog, body in self.kept for span in (_datadog(body) if datadog else _otlp(body))]
        ids = {(trace, own) for trace, own, *_ in seen}
        names = Counter(name for *_, name, _, _ in seen)
        events = Counter(name for *_, made in seen for name in made)
        return {
            "counts": dict(self.counts),
            "looked at": len(seen),
            "traces": len({trace for trace, *_ in seen}),
            "roots": sum(not parent for _, _, parent, *_ in seen),
            "orphans": sum(bool(parent) and (trace, parent) not in ids for trace, _, parent, *_ in seen),
            "names": dict(names),
            "events": dict(events),
            "attributes": sum(number for *_, number, _ in seen),
            "metrics": self.metrics,
        }


def _number(body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _value(point: Any) -> float:
    return float(point.count if hasattr(point, "count") else point.as_int or point.as_double)


def _otlp(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                number = len(span.attributes) + sum(len(event.attributes) for event in span.events)
                events = [event.name for event in span.events]
                yield span.trace_id, span.span_id, span.parent_span_id, span.name, number, events


def _datadog(body: bytes) -> Iterator[Seen]:
    for trace in msgspec.msgpack.decode(body, strict=False):
        for span in trace:
            tags: Iterable[str] = [*span.get("meta", {}), *span.get("metrics", {})]
            number = sum(not tag.startswith(HIDDEN) for tag in tags)
            yield span["trace_id"], span["span_id"], span.get("parent_id"), span["name"], number, []


class Handler(BaseHTTPRequestHandler):
    """Takes what the variants send."""

    protocol_version = "HTTP/1.1"
    accounts: ClassVar[defaultdict[str, Account]] = defaultdict(Account)
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Take a request."""
        body = self._body()
        sender, _, rest = self.path.strip("/").partition("/")
        with self.lock:
            if rest == "traces":
                self.accounts[DATADOG].spans(body, datadog=True)
            elif rest == "v1/traces":
                self.accounts[sender].spans(body, datadog=False)
            elif rest == "v1/metrics":
                self.accounts[sender].measure(body)
        self._answer(b'{"rate_by_service":{"service:,env:":1}}' if rest == "traces" else b"", json=rest == "traces")

    do_PUT = do_POST  # noqa: N815  the name that the server looks for

    def do_GET(self) -> None:
        """Say what came, and forget it."""
        if self.path == "/info":
            self._answer(json.dumps(INFO).encode(), json=True)
            return
        with self.lock:
            account = self.accounts.pop(self.path.strip("/"), None) or Account()
        self._answer(json.dumps(account.told()).encode(), json=True)

    def _body(self) -> bytes:
        if "content-length" in self.headers:
            body = self.rfile.read(int(self.headers["content-length"]))
        else:
            body = b"".join(self._chunks())
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes, *, json: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json" if json else "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many connections at a time."""

    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    """Serve on a free port of the loopback, whose number is the first line of the output."""
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
