"""Where a receiver of OTLP/gRPC is, and by which certificates it is known: read once, for spans and log records."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

__all__ = ["MISSING", "Target", "host_and_port"]

MISSING: Final = "OTLP/gRPC needs an extra: pip install 'ares-otel[grpc]'"
DEFAULT_PORT: Final = 4317


class Target(NamedTuple):
    """A receiver: its address as gRPC takes it, host and port, and PEM bytes (roots, key, chain); None without TLS."""

    address: str
    host: str
    port: int
    certificates: tuple[bytes | None, ...] | None

    @classmethod
    def read(
        cls,
        endpoint: str,
        *,
        insecure: bool | None,
        certificate: str | None,
        client_certificate: str | None,
        client_key: str | None,
    ) -> Target:
        """Read an endpoint and its files; `insecure` of None: decided by the scheme, TLS without one.

        Raises:
            OSError: a certificate cannot be read.
        """
        url = _split(endpoint)
        secure = url.scheme != "http" if insecure is None else not insecure
        files = (certificate, client_key, client_certificate)
        return cls(
            url.netloc.rpartition("@")[2] or endpoint,
            *host_and_port(endpoint),
            tuple(Path(file).read_bytes() if file else None for file in files) if secure else None,
        )


def host_and_port(endpoint: str) -> tuple[str, int]:
    """Return where a receiver listens; host "" and the port of OTLP/gRPC where the endpoint names none."""
    url = _split(endpoint)
    return url.hostname or "", url.port or DEFAULT_PORT


def _split(endpoint: str) -> SplitResult:
    return urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
