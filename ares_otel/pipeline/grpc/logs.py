"""Log records over gRPC: the encoded request as it is, by a call of the channel, so that the status codes are known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal

from ares_otel.pipeline.grpc.target import MISSING, Target
from ares_otel.pipeline.model import Batch, Verdict
from ares_otel.pipeline.otlp.response import parse_response

__all__ = ["GrpcLogTransport"]

EXPORT: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
RETRYABLE: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED"}
)
DETAIL: Final = 200


class GrpcLogTransport:
    """Delivers batches of log records by OTLP/gRPC; never raises for what the network or the receiver does.

    Args:
        endpoint: "https://host:4317", "http://host:4317" or "host:4317".
        headers: sent as metadata, names in lower case.
        compression: "gzip" or "none".
        certificate: PEM file of the authorities to trust instead of the system's.
        client_certificate: PEM file that shows who we are.
        client_key: PEM file of its key.

    Raises:
        ImportError: the extra is not installed.
        OSError: a certificate cannot be read.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        compression: Literal["none", "gzip"] = "none",
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
    ) -> None:
        self._grpc = _library()
        self._target = Target.read(
            endpoint,
            insecure=None,
            certificate=certificate,
            client_certificate=client_certificate,
            client_key=client_key,
        )
        self._metadata = [(name.lower(), value) for name, value in (headers or {}).items()]
        kinds = self._grpc.Compression
        self._compression = kinds.Gzip if compression == "gzip" else kinds.NoCompression
        self._channel: Any = None
        self._pid = 0

    def send(self, batch: Batch, timeout: float) -> Verdict:
        """Deliver a batch within about `timeout` seconds."""
        try:
            call = self._open().unary_unary(EXPORT)
            answer = call(batch.body, timeout=timeout, metadata=self._metadata, compression=self._compression)
        except self._grpc.RpcError as error:
            name = error.code().name
            state = "retry" if name in RETRYABLE else "refused"
            return Verdict(state, f"grpc_{name.lower()}", f"{self._target.address}: {(error.details() or '')[:DETAIL]}")
        except ValueError:
            return Verdict("retry", "closed", "the channel was closed meanwhile")
        rejected, message = parse_response(answer)
        return Verdict("delivered", detail=message[:DETAIL], rejected=rejected)

    def close(self) -> None:
        """Close the channel; a later `send` opens it again."""
        channel, self._channel = self._channel, None
        if channel is not None and self._pid == os.getpid():
            channel.close()

    def _open(self) -> Any:
        """Return the channel of this process; that of a parent cannot be used, nor closed."""
        if self._channel is None or self._pid != os.getpid():
            self._pid = os.getpid()
            if self._target.certificates is None:
                self._channel = self._grpc.insecure_channel(self._target.address)
            else:
                credentials = self._grpc.ssl_channel_credentials(*self._target.certificates)
                self._channel = self._grpc.secure_channel(self._target.address, credentials)
        return self._channel


def _library() -> Any:
    try:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  optional
    except ImportError as error:
        raise ImportError(MISSING) from error
    return grpc
