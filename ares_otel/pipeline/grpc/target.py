"""Where a receiver of OTLP/gRPC is, and by which certificates it is known: read once, for spans and log records."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

__all__ = ["MISSING", "Target"]

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
        url = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        secure = url.scheme != "http" if insecure is None else not insecure
        files = (certificate, client_key, client_certificate)
        return cls(
            url.netloc.rpartition("@")[2] or endpoint,
            url.hostname or "",
            url.port or DEFAULT_PORT,
            tuple(Path(file).read_bytes() if file else None for file in files) if secure else None,
        )
