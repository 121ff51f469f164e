"""Sends lines to InfluxDB: 1.x by `/write`, 2.x and later by `/api/v2/write`."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from ares_otel.config import Influx

__all__ = ["BusyError", "Client", "RefusedError", "SetupError"]

DONE: Final = frozenset({200, 204})
BAD: Final = frozenset({400, 422})
LARGE: Final = 413
SHOWN: Final = 300
SECRET_LIMIT: Final = 4_096


class SetupError(Exception):
    """The settings cannot work, said so that a user knows what to do."""


class BusyError(Exception):
    """It cannot take the points now; the same may be sent again.

    Attributes:
        after: seconds that it asks to wait, 0 if it does not.
    """

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class RefusedError(Exception):
    """It will never take these points as they are; `large`: because they are too many at once."""

    def __init__(self, reason: str, *, large: bool = False) -> None:
        super().__init__(reason)
        self.large = large


class Client:
    """Writes points; used by one thread.

    Args:
        settings: where to; secrets come from files or from `environ` alone.
        environ: environment variables.

    Raises:
        SetupError: a secret cannot be read.
    """

    def __init__(self, settings: Influx, environ: Mapping[str, str]) -> None:
        self._url = urlsplit(settings.url or "")
        self._timeout = settings.timeout
        query = {"precision": "ns"}
        if settings.version == "1":
            path, query = "/write", {"db": settings.database, **query}
            authorization = _basic(settings, environ)
        else:
            path, query = "/api/v2/write", {"org": settings.organization, "bucket": settings.bucket, **query}
            token = _secret(settings.token_file, environ.get("INFLUX_TOKEN"))
            authorization = f"Token {token}" if token else ""
        self._target = f"{self._url.path.rstrip('/')}{path}?{urlencode(query)}"
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._connection: http.client.HTTPConnection | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Send points in one request.

        Raises:
            BusyError: not now.
            RefusedError: not these.
        """
        try:
            status, headers, said = self._send(b"\n".join(lines))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise BusyError(f"{self._place}: {error or type(error).__name__}") from error
        if status in DONE:
            return
        reason = f"{self._place} answered {status}: {said.decode('utf-8', 'replace').strip()[:SHOWN]}"
        if status in BAD or status == LARGE:
            raise RefusedError(reason, large=status == LARGE)
        after = headers.get("retry-after", "")
        raise BusyError(reason, float(after) if after.isdigit() else 0.0)

    def interrupt(self) -> None:
        """End a request that another thread waits for."""
        waiting = self._connection
        sock = None if waiting is None else waiting.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _place(self) -> str:
        return f"InfluxDB at {self._url.hostname}:{self._port}"

    @property
    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    def _send(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = self._connection or self._connect()
        self._connection = connection
        connection.request("POST", self._target, body, self._headers)
        with connection.getresponse() as answer:
            said = answer.read(1 << 16)
            if not answer.isclosed():
                self.close()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, said

    def _connect(self) -> http.client.HTTPConnection:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(host, self._port, timeout=self._timeout)


def _basic(settings: Influx, environ: Mapping[str, str]) -> str:
    if settings.username is None:
        return ""
    password = _secret(settings.password_file, environ.get("INFLUX_PASSWORD"))
    return "Basic " + base64.b64encode(f"{settings.username}:{password}".encode()).decode()


def _secret(file: str | None, given: str | None) -> str:
    """Return the secret in a file, or the one of the environment; "" if there is neither."""
    if file is None:
        secret = (given or "").strip()
    else:
        try:
            with Path(file).open(encoding="utf-8") as opened:
                secret = opened.read(SECRET_LIMIT).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SetupError(f"the secret for InfluxDB cannot be read from {file}: {reason}") from error
    if not secret.isprintable() or not secret.isascii():
        raise SetupError("the secret for InfluxDB holds characters that no HTTP header can carry")
    return secret
