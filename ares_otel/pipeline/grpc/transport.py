"""The transport over the official gRPC exporter; all that needs the extra is imported when it is used."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ares_otel.pipeline.grpc.target import MISSING, Target
from ares_otel.pipeline.model import Batch, Verdict

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

__all__ = ["GrpcTransport"]

ATTEMPTS = 5
PROBE_SECONDS = 1.0
HUNG = 0.95
SUCCESS = 0
INHERITED: list[OTLPSpanExporter] = []
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY")


class GrpcTransport:
    """Delivers batches by the official gRPC exporter, which takes SDK spans and says no more than success or failure.

    It does not say whether a failure may be retried. So a failure is retried without end while the receiver is out
    of reach (no TCP connection, or no answer within the time), and else up to 5 times, after which the batch counts
    as refused: a batch that the receiver will never take must not hold up all that follow. Prefer OTLP/HTTP, where
    the receiver's answers are known; gRPC's threads do not survive a fork either.

    Args:
        endpoint: "https://host:4317", "http://host:4317" or "host:4317".
        headers: sent as metadata, names in lower case.
        insecure: no TLS; None: decided by the scheme, TLS without one.
        compression: "gzip" or "none".
        certificate: PEM file of the authorities to trust instead of the system's.
        client_certificate: PEM file that shows who we are.
        client_key: PEM file of its key.

    Raises:
        ImportError: the extra is not installed.
        OSError: a certificate cannot be read.
        ValueError: the compression is none.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        insecure: bool | None = None,
        compression: Literal["none", "gzip"] = "none",
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
    ) -> None:
        if compression not in ("none", "gzip"):
            raise ValueError(f"compression: expected 'gzip' or 'none', got {compression!r}")
        _require()
        self._target = Target.read(
            endpoint,
            insecure=insecure,
            certificate=certificate,
            client_certificate=client_certificate,
            client_key=client_key,
        )
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._gzip = compression == "gzip"
        self._exporter: OTLPSpanExporter | None = None
        self._made_for: tuple[int, float] | None = None
        self._failures = 0

    def send(self, batch: Batch, timeout: float) -> Verdict:
        """Deliver a batch within about `timeout` seconds."""
        from ares_otel.pipeline.grpc.readable import readable_spans  # noqa: PLC0415  # needs the extra

        spans = readable_spans(batch.body)
        started = time.monotonic()
        try:
            delivered = self._open(timeout).export(spans).value == SUCCESS
        except ValueError as error:
            return Verdict("retry", "closed", str(error))
        if delivered:
            self._failures = 0
            return Verdict("delivered")
        if self._exporter is None:
            return Verdict("retry", "closed", "the channel was closed meanwhile")
        if time.monotonic() - started >= HUNG * timeout:
            return Verdict("retry", "timeout", f"no success within {timeout:g} s")
        if not self._reachable():
            return Verdict("retry", "connection", f"{self._target.address} accepts no connection")
        return self._count()

    def close(self) -> None:
        """Close the channel; breaks off a `send` in another thread, and a later one opens it again."""
        exporter, self._exporter = self._exporter, None
        if exporter is None or self._made_for is None:
            return
        if self._made_for[0] == os.getpid():
            exporter.shutdown()
        else:
            # The parent's channel: its threads are not here, and destroying it could wait for them.
            INHERITED.append(exporter)

    def _count(self) -> Verdict:
        self._failures += 1
        if self._failures < ATTEMPTS:
            return Verdict("retry", "grpc", "the official exporter reports failure and logs why", answered=True)
        self._failures = 0
        return Verdict("refused", "grpc", f"the official exporter reported failure {ATTEMPTS} times and logs why")

    def _open(self, timeout: float) -> OTLPSpanExporter:
        """Return an exporter made in this process for this timeout, which it takes at construction only."""
        made_for = (os.getpid(), timeout)
        if self._exporter is None or self._made_for != made_for:
            self.close()
            self._exporter = self._make(timeout)
            self._made_for = made_for
        return self._exporter

    def _make(self, timeout: float) -> OTLPSpanExporter:
        from grpc import Compression, ssl_channel_credentials  # type: ignore[import-untyped]  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # optional

        secure = self._target.certificates is not None
        return OTLPSpanExporter(
            endpoint=self._target.address,
            insecure=not secure,
            credentials=ssl_channel_credentials(*self._target.certificates) if self._target.certificates else None,
            headers=tuple(self._headers.items()),
            timeout=timeout,
            compression=Compression.Gzip if self._gzip else Compression.NoCompression,
        )

    def _reachable(self) -> bool:
        """Tell whether the receiver accepts connections, as far as can be known: a proxy would answer for it."""
        if not self._target.host or any(os.environ.get(name) for name in PROXIES):
            return True
        try:
            socket.create_connection((self._target.host, self._target.port), PROBE_SECONDS).close()
        except OSError:
            return False
        return True


def _require() -> None:
    try:
        import opentelemetry.exporter.otlp.proto.grpc.trace_exporter  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise ImportError(MISSING) from error
