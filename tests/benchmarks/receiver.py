"""An OTLP/HTTP receiver in a process of its own that decodes what comes and counts it: `python receiver.py`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["main"]


class Handler(BaseHTTPRequestHandler):
    """Counts spans, events, children with a parent, attributes, by service and scope."""

    protocol_version = "HTTP/1.1"
    counts: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """Take a request of spans."""
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._count(scope.scope.name, span)
        self._answer(b"")

    def do_GET(self) -> None:
        """Say what came, and forget it."""
        self._answer(json.dumps(self.counts).encode())
        self.counts.clear()

    def _count(self, scope: str, span: object) -> None:
        self.counts[f"{scope} spans"] += 1
        self.counts[f"{scope} children"] += bool(span.parent_span_id)  # type: ignore[attr-defined]
        self.counts[f"{scope} events"] += len(span.events)  # type: ignore[attr-defined]
        self.counts[f"{scope} attributes"] += len(span.attributes)  # type: ignore[attr-defined]

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def main() -> None:
    """Serve on a free port of the loopback, whose number is the first line of the output."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
