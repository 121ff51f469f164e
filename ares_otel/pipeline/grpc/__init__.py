"""OTLP/gRPC through the official exporter, for the `[grpc]` extra."""

from __future__ import annotations

from ares_otel.pipeline.grpc.transport import GrpcTransport

__all__ = ["GrpcTransport"]
