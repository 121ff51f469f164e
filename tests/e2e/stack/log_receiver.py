"""What stands in for Loki at the collector's side: takes OTLP log records, or refuses them."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

__all__ = ["LogReceiver"]


class LogReceiver:
    """A receiver of `/otlp/v1/logs`.

    Attributes:
        url: what the collector is told of as Loki.
        open: whether it takes anything; else the answer is that it is not there now.
        refused: requests that it did not take.
        records: what it took.
    """

    def __init__(self) -> None:
        self.open = True
        self.refused = 0
        self.records: list[LogRecord] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path: str, body: bytes) -> int:
        """Take a request and return the status of the answer."""
        if not self.open:
            self.refused += 1
            return 503
        if path != "/otlp/v1/logs":
            return 404
        self.records += [
            record
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        return 200


class _Handler(BaseHTTPRequestHandler):
    receiver: LogReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        zipped = self.headers.get("Content-Encoding") == "gzip"
        self.send_response(self.receiver.take(self.path, gzip.decompress(body) if zipped else body))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
