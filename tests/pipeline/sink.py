"""A receiver of OTLP/HTTP on this host whose answers follow a script: well, badly, slowly or never."""

from __future__ import annotations

import gzip
import itertools
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from ports import free_port

from ares_otel.pipeline.model import Batch

__all__ = [
    "Answer",
    "Handler",
    "Request",
    "Sink",
    "batch_of",
    "close",
    "die",
    "eventually",
    "free_port",
    "hang",
    "late",
    "names_in",
    "ok",
    "partial",
    "raw",
    "reply",
    "trickle",
    "unread",
]

PROTOBUF = "application/x-protobuf"
IDS = itertools.count(1)


def batch_of(*names: str) -> Batch:
    """Return an encoded batch of spans with these names."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for name in names:
        number = next(IDS)
        spans.add(name=name, trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"))
    return Batch(request.SerializeToString(), len(names))


def names_in(body: bytes) -> list[str]:
    """Return the names of the spans in an encoded batch."""
    return [
        span.name
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is true; fail when it has not become true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; `connection` counts connections from 1, the body is uncompressed."""

    connection: int
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def names(self) -> list[str]:
        """Names of the spans."""
        return names_in(self.body)


class Sink:
    """The receiver: takes one answer of the script per request, and says OK when the script is at its end.

    Attributes:
        requests: all that came, in order.
        delivered: names of the spans whose request was answered by 2xx, in order.
        connections: how many were opened.
        script: answers to come.
    """

    def __init__(self, *script: Answer, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.delivered: list[str] = []
        self.connections = 0
        self.script = deque(script)
        self.stopping = threading.Event()
        self._server = _Server(self, tls, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1/traces"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.sever()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sink: Sink, tls: ssl.SSLContext | None, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.sink = sink
        self.tls = tls
        self.open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def sever(self) -> None:
        """End the connections whose handlers wait for the next request."""
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: broken connections are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Count the connection; TLS begins in its own thread, as a handshake may hang."""
        self.raw_request = self.request
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.sink.connections += 1
        self.number = self.server.sink.connections
        super().setup()

    def finish(self) -> None:
        """End TLS too."""
        super().finish()
        if self.request is not self.raw_request:
            self.request.close()

    def do_POST(self) -> None:
        """Keep the request and answer by the script."""
        sink = self.server.sink
        answer = sink.script.popleft() if sink.script else ok
        if answer in EARLY:
            answer(self, b"")
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        sink.requests.append(Request(self.number, self.path, headers, body))
        answer(self, body)

    def accept(self, body: bytes) -> None:
        """Keep the names of spans."""
        if not self.path.endswith(("/logs", "/alerts")):
            self.server.sink.delivered += names_in(body)

    def answer(self, status: int, body: bytes = b"", content_type: str = PROTOBUF, **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class calls it
        """Say nothing."""


Answer: TypeAlias = Callable[[Handler, bytes], None]


def ok(handler: Handler, body: bytes) -> None:
    """Accept everything."""
    handler.accept(body)
    handler.answer(200, ExportTraceServiceResponse().SerializeToString())


def reply(status: int, body: bytes = b"", content_type: str = PROTOBUF, **headers: str) -> Answer:
    """Return an answer with this status."""

    def answer(handler: Handler, received: bytes) -> None:
        if status < 300:
            handler.accept(received)
        handler.answer(status, body, content_type, **headers)

    return answer


def partial(rejected: int, message: str) -> Answer:
    """Return an answer that accepts all but some spans."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return reply(200, response.SerializeToString())


def raw(data: bytes) -> Answer:
    """Return an answer that sends these bytes and closes."""

    def answer(handler: Handler, body: bytes) -> None:
        del body
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def hang(handler: Handler, body: bytes) -> None:
    """Say nothing for as long as the sink lives."""
    del body
    handler.server.sink.stopping.wait()
    handler.close_connection = True


def close(handler: Handler, body: bytes) -> None:
    """Answer well and close the connection without a word about that."""
    ok(handler, body)
    handler.close_connection = True


def unread(handler: Handler, body: bytes) -> None:
    """Answer 413 before the body was read, and close."""
    del body
    handler.answer(413, b"too large", "text/plain", Connection="close")
    handler.close_connection = True


def die(handler: Handler, body: bytes) -> None:
    """Reset the connection in the middle of the request, as a receiver that is killed does."""
    del body
    handler.rfile.read(100)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


EARLY = {unread, die}
"""Answers before the body was read."""


def late(handler: Handler, body: bytes) -> None:
    """Announce the end of the connection, and send the rest of the answer a little later."""
    del body
    handler.wfile.write(b"HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
    handler.server.sink.stopping.wait(0.05)
    handler.wfile.write(b"late")
    handler.close_connection = True


def trickle(handler: Handler, body: bytes) -> None:
    """Answer with a byte now and then, for ever."""
    del body
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not handler.server.sink.stopping.wait(0.02):
        handler.wfile.write(b"x")
    handler.close_connection = True
