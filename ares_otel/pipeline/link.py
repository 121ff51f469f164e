"""A kept HTTP/1.1 connection to one receiver: opened when needed, opened again when the receiver closed it."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import NamedTuple, cast

from ares_otel.pipeline.dial import Wire, dial

__all__ = ["Answer", "Link", "Tls", "TlsSettingsError"]

RESPONSE_LIMIT = 65_536
LOST = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class TlsSettingsError(Exception):
    """A certificate or key cannot be used; the message names the reason."""


class Answer(NamedTuple):
    """A receiver's answer; the body is cut at 64 KiB, a header that was not sent is empty."""

    status: int
    body: bytes
    content_type: str
    retry_after: str


class Tls(NamedTuple):
    """Files in PEM form: whom to trust (None: the system's list), and who we are."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            TlsSettingsError: one is missing, unreadable or no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=self.certificate)
            if self.client_certificate:
                # With no password at all, OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.client_certificate, self.client_key, password="")
        except OSError as error:
            raise TlsSettingsError(f"{type(error).__name__}: {error}") from error
        context.set_alpn_protocols(["http/1.1"])
        return context


class Link:
    """Posts bodies one at a time to one host; `close` may be called from another thread and breaks off a post.

    Args:
        host: name or address.
        port: TCP port.
        tls: certificates; None for plain HTTP.
    """

    def __init__(self, host: str, port: int, tls: Tls | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._wire: Wire | None = None
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._busy = False
        self._severed = False

    def post(self, target: str, headers: Mapping[str, str | bytes], body: bytes, deadline: float) -> Answer:
        """Send a body and return the answer; once more at once if a kept connection turns out to be closed.

        Args:
            target: path and query.
            headers: without Host and Content-Length.
            body: as it goes over the wire.
            deadline: monotonic time in seconds.

        Raises:
            OSError: network or TLS; `TimeoutError`: the deadline.
            http.client.HTTPException: no HTTP was spoken, or the answer was cut off.
            TlsSettingsError: as `Tls.context`.
        """
        self._follow_fork()
        with self._lock:
            self._busy, self._severed = True, False
        try:
            return self._post(target, headers, body, deadline)
        except BaseException as error:
            self._drop()
            if isinstance(error, ssl.SSLError):
                # Certificates may have been renewed meanwhile.
                self._context = None
            raise
        finally:
            with self._lock:
                self._busy = False
            if self._severed:
                self._drop()

    def close(self) -> None:
        """Close the connection, or break off the post that another thread is busy with; a later post reopens."""
        self._follow_fork()
        with self._lock:
            self._severed = self._busy
            if not self._busy:
                self._drop()
            elif self._wire is not None:
                # Only its user may close the socket: the number could be another file's before it notices.
                self._wire.sever()

    def _follow_fork(self) -> None:
        if self._pid != os.getpid():
            # The descriptor is a copy: closing it leaves the parent's connection as it is.
            self._drop()
            self._reset()

    def _post(self, target: str, headers: Mapping[str, str | bytes], body: bytes, deadline: float) -> Answer:
        if self._connection is None:
            return self._exchange(target, headers, body, deadline)
        try:
            return self._exchange(target, headers, body, deadline)
        except LOST:
            self._drop()
            return self._exchange(target, headers, body, deadline)

    def _exchange(self, target: str, headers: Mapping[str, str | bytes], body: bytes, deadline: float) -> Answer:
        connection = self._connection or self._open(deadline)
        assert self._wire is not None
        self._wire.deadline = deadline
        early = False
        try:
            connection.request("POST", target, body, headers)
        except LOST:
            # A receiver may refuse a body before it has read all of it and close; its answer can be read still.
            early = True
        response = connection.getresponse()
        if self._wire.ended:
            # For http.client, headers that break off are complete.
            raise http.client.IncompleteRead(b"")
        content_type, retry_after = (response.getheader(name, "") for name in ("Content-Type", "Retry-After"))
        answer = Answer(response.status, _read(response), content_type, retry_after)
        if early or response.will_close or not response.isclosed():
            self._drop()
        return answer

    def _open(self, deadline: float) -> http.client.HTTPConnection:
        if self._tls is not None and self._context is None:
            self._context = self._tls.context()
        wire = dial(self._host, self._port, deadline, self._expose)
        if self._context is not None:
            wire.secure(self._context, self._host)
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.default_port = 80 if self._tls is None else 443  # decides whether the Host header names the port
        connection.auto_open = 0  # a lost TLS connection must not be replaced by a plain one
        connection.sock = cast("socket.socket", wire)
        self._connection = connection
        return connection

    def _expose(self, wire: Wire) -> None:
        with self._lock:
            if self._severed:
                raise ConnectionAbortedError("closed by this process")
            self._wire = wire

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        wire, self._wire = self._wire, None
        if connection is not None:
            connection.close()
        if wire is not None:
            wire.end()


def _read(response: http.client.HTTPResponse) -> bytes:
    body = response.read(RESPONSE_LIMIT + 1)
    if len(body) > RESPONSE_LIMIT:
        return body[:RESPONSE_LIMIT]
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return body
