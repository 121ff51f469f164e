"""OTLP/HTTP: a POST of protobuf per batch, and what the receiver's answer means."""

from __future__ import annotations

import base64
import email.utils
import http.client
import importlib.metadata
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ares_otel.guard import GUARD
from ares_otel.pipeline.link import Answer, Link, Tls, TlsSettingsError
from ares_otel.pipeline.model import Batch, Verdict
from ares_otel.pipeline.otlp.response import parse_response

__all__ = ["HttpTransport", "ParseResponse"]

ParseResponse: TypeAlias = Callable[[bytes], tuple[int, str]]
"""Takes the body of an `ExportTraceServiceResponse`; returns the spans rejected and the receiver's message."""

PROTOBUF = "application/x-protobuf"
RETRYABLE = frozenset({429, 502, 503, 504})
OURS = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
UNSHOWN = re.compile(r"[^\x21-\x7e]+")
KEPT = "/%:@!$&'()*+,;=~"
DETAIL_LIMIT = 200
OWN_NAME = "ares-otel"
SECRET_LENGTH = 4
LONGEST = 86_400.0
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (socket.gaierror, "dns"),
    (TlsSettingsError, "tls"),
    (ssl.SSLEOFError, "connection"),
    (ssl.SSLZeroReturnError, "connection"),
    (ssl.SSLError, "tls"),
    (OSError, "connection"),
    (http.client.IncompleteRead, "connection"),
    (http.client.HTTPException, "protocol"),
)


class HttpTransport:
    """Delivers batches by OTLP/HTTP; never raises for what the network or the receiver does.

    Args:
        endpoint_url: the full address, path included (`https://host:4318/v1/traces`); user and password in it become
            basic authorization.
        headers: sent with each request; they may replace User-Agent and Host. Their values are never logged.
        compression: "gzip" or "none".
        certificate: PEM file of the authorities to trust instead of the system's.
        client_certificate: PEM file that shows who we are.
        client_key: PEM file of its key, where that is not in the same file.
        parse_response: reads partial success from an answer.

    Raises:
        ValueError: the address, a header or the compression is none; the message holds no secret.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        compression: Literal["none", "gzip"] = "none",
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
        parse_response: ParseResponse = parse_response,
    ) -> None:
        url = _split(endpoint_url)
        secure = url.scheme == "https"
        host = (url.hostname or "").encode("idna").decode("ascii")
        port = url.port or (443 if secure else 80)
        if compression not in ("none", "gzip"):
            raise ValueError(f"compression: expected 'gzip' or 'none', got {compression!r}")
        self._shown = f"{url.scheme}://{host}:{port}"
        self._target = _target(url)
        self._gzip = compression == "gzip"
        self._headers = _headers(headers or {}, url, gzip=self._gzip)
        secrets = [*(headers or {}).values(), unquote(url.password or "")]
        self._secrets = [secret.strip() for secret in secrets if len(secret) >= SECRET_LENGTH]
        self._link = Link(host, port, Tls(certificate, client_certificate, client_key) if secure else None)
        self._parse = parse_response

    def send(self, batch: Batch, timeout: float) -> Verdict:
        """Deliver a batch; only a name's look-up can take longer than `timeout` seconds."""
        deadline = time.monotonic() + min(timeout, LONGEST)
        body = _gzipped(batch.body) if self._gzip else batch.body
        try:
            answer = self._link.post(self._target, self._headers, body, deadline)
        except (OSError, http.client.HTTPException, TlsSettingsError) as error:
            reason = next(reason for kind, reason in REASONS if isinstance(error, kind))
            return Verdict("retry", reason, f"{self._shown}: {self._text(f'{type(error).__name__}: {error}')}")
        return self._judge(answer)

    def close(self) -> None:
        """Close the connection; breaks off a `send` in another thread."""
        self._link.close()

    def _judge(self, answer: Answer) -> Verdict:
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return self._accepted(answer)
        text = self._text(answer.body.decode("utf-8", "replace"))
        detail = f"{self._shown} answered {answer.status} {text}".rstrip()
        if answer.status in RETRYABLE:
            wait = _retry_after(answer.retry_after, time.time())
            return Verdict("retry", _reason(answer.status), detail, retry_after=wait, answered=True)
        return Verdict("refused", _reason(answer.status), detail)

    def _accepted(self, answer: Answer) -> Verdict:
        kind = answer.content_type.partition(";")[0].strip().lower()
        if kind == "text/html":
            # A login page or a captive portal says 200 to anything; the spans would be gone.
            return Verdict("retry", "not_otlp", f"{self._shown} answered {answer.status} with a web page")
        if answer.body and kind not in ("", PROTOBUF):
            unreadable = f"{self._shown} answers {self._text(kind)}: whether it rejected spans is unknown"
            GUARD.complain("sender", "content type", unreadable)
            return Verdict("delivered")
        rejected, message = self._parse(answer.body)
        if message and not rejected:
            GUARD.complain("sender", "warning", f"{self._shown} says: {self._text(message)}")
        return Verdict("delivered", detail=self._text(message), rejected=max(0, rejected))

    def _text(self, text: str) -> str:
        """Return what a log may show: printable, short, without the values of headers."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return UNSHOWN.sub(" ", text).strip()[:DETAIL_LIMIT]


def _split(endpoint_url: str) -> SplitResult:
    try:
        url = urlsplit(endpoint_url.strip())
        sound = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        sound = None
    if not sound:
        # The address itself may hold a password.
        raise ValueError("endpoint: expected an address like 'http://host:4318/v1/traces'")
    return url


def _target(url: SplitResult) -> str:
    path = quote(url.path or "/", safe=KEPT)
    return f"{path}?{quote(url.query, safe=KEPT + '?')}" if url.query else path


def _headers(given: Mapping[str, str], url: SplitResult, *, gzip: bool) -> dict[str, str | bytes]:
    headers: dict[str, str | bytes] = {"user-agent": _user_agent()}
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    for name, value in given.items():
        if not TOKEN.fullmatch(name) or CONTROL.search(value):
            raise ValueError(f"headers: expected name=value, got another thing in header {len(headers)}")
        if name.lower() in OURS:
            GUARD.complain("sender", f"header {name.lower()}", f"the header {name} cannot be set")
        else:
            headers[name.lower()] = value.strip().encode()
    headers["content-type"] = PROTOBUF
    if gzip:
        headers["content-encoding"] = "gzip"
    return headers


def _user_agent() -> str:
    try:
        own = importlib.metadata.version(OWN_NAME)
    except importlib.metadata.PackageNotFoundError:
        own = "unknown"
    return f"OTel-OTLP-Exporter-Python/{importlib.metadata.version('opentelemetry-api')} ares-otel/{own}"


def _gzipped(body: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, 31)
    return deflate.compress(body) + deflate.flush()


def _reason(status: int) -> str:
    try:
        return f"http_{HTTPStatus(status).value}"
    except ValueError:
        return f"http_{status // 100}xx"


def _retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a Retry-After header: a number, or a date."""
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)
