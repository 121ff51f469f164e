"""Opens the port for gRPC, where it is wanted and installed."""

from __future__ import annotations

from typing import Protocol

from ares_otel.config import Server
from ares_otel.server.http.access import Access
from ares_otel.server.http.problems import StartError
from ares_otel.server.http.watch import Watch
from ares_otel.server.store.writer import Writer

__all__ = ["GrpcServing", "open_grpc"]


class GrpcServing(Protocol):
    """What the server needs of it."""

    port: int

    def stop(self, timeout: float) -> None:
        """Let running calls end, at most for the timeout in seconds."""


def open_grpc(writer: Writer, access: Access, watch: Watch, settings: Server) -> GrpcServing:
    """Listen for gRPC.

    Raises:
        StartError: the extra is not installed, or the port cannot be listened on.
    """
    try:
        from ares_otel.server.rpc.service import GrpcIngest, PortError  # noqa: PLC0415  needs the extra "grpc"
    except ImportError as error:
        raise StartError(f"{error.name or error}: gRPC needs `pip install 'ares-otel[grpc]'`") from error
    made = GrpcIngest(writer, access, watch, settings)
    try:
        made.start(settings.host, settings.grpc_port or 0)
    except PortError as error:
        raise StartError(str(error)) from error
    return made
