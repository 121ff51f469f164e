"""What stands in for Loki at the collector's side: takes OTLP log records, or refuses them."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler

from listening import Listening, log_records
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

__all__ = ["LogReceiver"]


class LogReceiver(Listening):
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
        super().__init__(type("Handler", (_Handler,), {"receiver": self}))

    def take(self, path: str, body: bytes) -> int:
        """Take a request and return the status of the answer."""
        if not self.open:
            self.refused += 1
            return 503
        if path != "/otlp/v1/logs":
            return 404
        self.records += log_records(body)
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
