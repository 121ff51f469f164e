"""OTLP over gRPC, through the official packages of the extra `grpc`, which are imported when needed."""

from __future__ import annotations

from ares_otel.pipeline.grpc.logs import GrpcLogTransport
from ares_otel.pipeline.grpc.transport import GrpcTransport

__all__ = ["GrpcLogTransport", "GrpcTransport"]
