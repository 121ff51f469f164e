"""`TraceService/Export` and `LogsService/Export`: the same writer, the same access and limits as over HTTP."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc  # type: ignore[import-untyped]
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from ares_otel.config import Server
from ares_otel.server.http.access import Access
from ares_otel.server.http.head import Refusal
from ares_otel.server.http.limits import Rates
from ares_otel.server.http.tokens import Role
from ares_otel.server.http.watch import Watch
from ares_otel.server.otlp.wire import PROTOBUF, success_body
from ares_otel.server.store.writer import LOGS, TRACES, Answer, Job, Writer

__all__ = ["SERVICES", "GrpcIngest", "PortError"]

SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": LOGS,
}
THREADS: Final = 16
"""A call waits for its commit in a thread, and its message is read there: so many messages are in memory at most."""

WAITING: Final = 1_024
LONGEST: Final = 30.0
RETRY: Final = timedelta(seconds=1)
OK: Final = 200
CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.RESOURCE_EXHAUSTED,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
AGAIN: Final = frozenset({429, 503})


class PortError(Exception):
    """The port cannot be listened on."""


class _Told(NamedTuple):
    """How grpc takes the end of a call."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


class GrpcIngest:
    """Takes OTLP over gRPC.

    Attributes:
        port: it listens on, 0 before.

    Args:
        writer: takes telemetry.
        access: who may send.
        watch: counts calls.
        settings: of the server.
    """

    def __init__(self, writer: Writer, access: Access, watch: Watch, settings: Server) -> None:
        self.port = 0
        self._writer = writer
        self._access = access
        self._watch = watch
        self._settings = settings
        self._rates = Rates(settings.limits.writes)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ares-grpc")
        limit = settings.max_body_bytes
        options = (("grpc.max_receive_message_length", limit), ("grpc.so_reuseport", 0))
        self._server = grpc.server(self._pool, options=options, maximum_concurrent_rpcs=WAITING)
        for service, signal in SERVICES.items():
            export = grpc.unary_unary_rpc_method_handler(self._exporter(service, signal))
            handler = grpc.method_handlers_generic_handler(service, {"Export": export})
            self._server.add_generic_rpc_handlers((handler,))

    def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            PortError: it cannot be listened on.
        """
        settings = self._settings
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if settings.certificate is not None and settings.key is not None:
                pair = (Path(settings.key).read_bytes(), Path(settings.certificate).read_bytes())
                found = self._server.add_secure_port(place, grpc.ssl_server_credentials([pair]))
            else:
                found = self._server.add_insecure_port(place)
        except RuntimeError as error:
            raise PortError(f"cannot listen on {place} for gRPC; is the port taken?") from error
        self._server.start()
        self.port = int(found)

    def stop(self, timeout: float) -> None:
        """Let running calls end, at most for the timeout in seconds."""
        self._server.stop(timeout).wait(timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _exporter(self, service: str, signal: str) -> Any:
        route = f"/{service}/Export"

        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            started = time.perf_counter()
            answer = self._answer(body, signal, context)
            code = grpc.StatusCode.OK if answer.status == OK else CODES.get(answer.status, grpc.StatusCode.INTERNAL)
            self._watch.answered(route, "POST", code.name, time.perf_counter() - started)
            if answer.status != OK:
                context.abort_with_status(_told(code, answer))
            return success_body(PROTOBUF, answer.rejected, answer.reason)

        return export

    def _answer(self, body: bytes, signal: str, context: grpc.ServicerContext) -> Answer:
        try:
            self._admit(context)
        except Refusal as refusal:
            return Answer(refusal.status, refusal.reason)
        done, found = threading.Event(), list[Answer]()

        def answer(said: Answer) -> None:
            found.append(said)
            done.set()

        if not self._writer.submit(Job(body, PROTOBUF, False, answer, signal)):
            return Answer(503, "too many requests wait to be stored")
        left = context.time_remaining()
        done.wait(LONGEST if left is None else min(left, LONGEST))
        return found[0] if found else Answer(504, "it was not stored in time; it may be stored later, and then once")

    def _admit(self, context: grpc.ServicerContext) -> None:
        shown = next((value for key, value in context.invocation_metadata() if key == "authorization"), "")
        token = self._access.find(shown if isinstance(shown, str) else "")
        with self._lock:
            self._rates.take(token.name if token is not None else _address(context.peer()))
        self._access.check(token, Role.WRITE)


def _told(code: grpc.StatusCode, answer: Answer) -> _Told:
    details: list[Packed] = []
    if answer.status in AGAIN:
        # without this a sender takes "exhausted" for good and drops its data, as OTLP says
        info = Packed()
        info.Pack(RetryInfo(retry_delay=RETRY))
        details.append(info)
    status = Status(code=code.value[0], message=answer.reason, details=details)
    return _Told(code, answer.reason, (("grpc-status-details-bin", status.SerializeToString()),))


def _address(peer: str) -> str:
    """Return the address of `ipv4:127.0.0.1:1234`, without the port."""
    return peer.rpartition(":")[0]
