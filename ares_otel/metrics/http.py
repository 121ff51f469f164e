"""The few words of HTTP/1.1 that a scrape needs: parse a request head, choose format and coding, build a response."""

from __future__ import annotations

import gzip
from email.utils import formatdate
from typing import Final, NamedTuple

__all__ = [
    "HEAD_LIMIT",
    "OPENMETRICS_TYPE",
    "PLAIN_TYPE",
    "Request",
    "accepts_gzip",
    "parse",
    "respond",
    "wants_openmetrics",
]

HEAD_LIMIT: Final = 8_192
GZIP_FROM: Final = 1_024
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}


class Request(NamedTuple):
    """A request head. `keep` tells whether the connection may serve another one."""

    method: str
    path: str
    headers: dict[str, str]
    keep: bool


def parse(head: bytes) -> Request | None:
    """Return the request of a head (without the empty line), or None if it is no HTTP/1 request."""
    first, *lines = head.decode("latin-1").split("\n")
    words = first.split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004  method, target, version
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return None
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if words[2] != "HTTP/1.0" else "keep-alive" in connection
    # a body is of no use to us and is not read, so nothing can follow it on this connection
    bodiless = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return Request(words[0], words[1].partition("?")[0], headers, keep and bodiless)


def respond(
    status: int, kind: str, body: bytes, request: Request | None, extra: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """Return a whole response, compressed if the client takes it, without body for HEAD."""
    headers = [("Content-Type", kind), *extra]
    if request is not None and len(body) >= GZIP_FROM and accepts_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    keep = request is not None and request.keep
    headers += [("Content-Length", str(len(body))), ("Vary", "Accept, Accept-Encoding")]
    headers += [("Date", formatdate(usegmt=True)), ("Connection", "keep-alive" if keep else "close")]
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    return head if request is not None and request.method == "HEAD" else head + body


def wants_openmetrics(accept: str) -> bool:
    """Tell whether a client prefers OpenMetrics to the text format, by its `Accept` header."""
    weights = _weights(accept)
    plain = max((weights.get(kind, 0.0) for kind in ("text/plain", "text/*", "*/*")), default=0.0)
    return weights.get("application/openmetrics-text", 0.0) >= max(plain, 1e-9)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether a client takes gzip, by its `Accept-Encoding` header."""
    weights = _weights(accept_encoding)
    return weights.get("gzip", weights.get("*", 0.0)) > 0.0


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        weights[name] = max(weights.get(name, 0.0), _quality(quality))
    return weights


def _quality(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0
