"""Bytes on the wire: compression with a limit, the two small messages that answer, errors with their status."""

from __future__ import annotations

import json
import zlib

__all__ = [
    "JSON",
    "PROTOBUF",
    "RequestError",
    "attribute",
    "failure_body",
    "inflate",
    "length_delimited",
    "success_body",
    "varint",
]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
GRPC_CODES = {400: 3, 401: 16, 403: 7, 405: 12, 408: 4, 413: 3, 415: 3, 421: 9, 429: 8, 503: 14}
INTERNAL = 13
SHORT = 120
"""Longest key and value together whose lengths, those of what holds them too, are one byte each."""

ATTRIBUTE = b"\x4a%c\x0a%c%b\x12%c\x0a%c%b"
"""Field 9 of a span: key (1) and value (2), which is a text (1); each field with its length."""

MESSAGE_LIMIT = 500
WINDOW = 31
"""zlib's window bits for a gzip header."""


class RequestError(Exception):
    """A request that is not taken.

    Attributes:
        status: HTTP status: 400 for bytes that are wrong, 413 too large, 503 try again later, …
        reason: what was wrong, for the sender's log.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason[:MESSAGE_LIMIT]


def inflate(body: bytes, limit: int) -> bytes:
    """Return gzip content (one member or several) of at most `limit` bytes.

    Raises:
        RequestError: 413 beyond the limit (nothing beyond it is ever unpacked), 400 for what is no gzip.
    """
    parts: list[bytes] = []
    left = limit
    while body:
        stream = zlib.decompressobj(WINDOW)
        try:
            parts.append(stream.decompress(body, left + 1))
        except zlib.error as error:
            raise RequestError(400, f"the body is no gzip: {error}") from error
        left -= len(parts[-1])
        if left < 0:
            raise RequestError(413, f"the body has more than {limit:,} bytes once unpacked")
        if not stream.eof:
            raise RequestError(400, "the gzip body is cut off")
        body = stream.unused_data
    return b"".join(parts)


def varint(number: int) -> bytes:
    """Return a number ≥ 0 as protobuf's base-128 varint."""
    out = bytearray()
    while number > 127:  # noqa: PLR2004  seven bits a byte
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def length_delimited(number: int, data: bytes) -> bytes:
    """Return a protobuf field of bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(key: bytes, value: str) -> bytes:
    """Return a short attribute of a span as encoders write it, b"" for a longer one.

    To look for it among a span's bytes takes a third of the time of asking the decoded span; where it is not found, the
    span may still have the attribute, written in another way.
    """
    said = value.encode()
    first, second = len(key), len(said)
    if first + second > SHORT:
        return b""
    return ATTRIBUTE % (first + second + 6, first, key, second + 2, second, said)


def success_body(encoding: str, rejected: int = 0, reason: str = "", counted: str = "rejectedSpans") -> bytes:
    """Return an `ExportTraceServiceResponse`; with a partial success if spans were rejected.

    That of logs is the same on the wire; in JSON `counted` names what was rejected.
    """
    reason = _utf8(reason)
    if encoding == JSON:
        said = {"partialSuccess": {counted: str(rejected), "errorMessage": reason}} if rejected else {}
        return json.dumps(said).encode()
    if not rejected:
        return b""
    return length_delimited(1, b"\x08" + varint(rejected) + length_delimited(2, reason.encode()))


def failure_body(encoding: str, status: int, reason: str) -> bytes:
    """Return a `google.rpc.Status` as OTLP/HTTP asks for errors."""
    code, reason = GRPC_CODES.get(status, INTERNAL), _utf8(reason)
    if encoding == JSON:
        return json.dumps({"code": code, "message": reason}).encode()
    return b"\x08" + varint(code) + length_delimited(2, reason.encode())


def _utf8(reason: str) -> str:
    """Return a text that can be encoded: it may quote what could not."""
    return reason.encode("utf-8", "replace").decode()
