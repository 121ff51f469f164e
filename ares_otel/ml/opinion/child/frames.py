"""Messages between a bot and the process of its second opinion: a JSON header and a table of numbers, no pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any, Final

__all__ = ["GarbageError", "read", "write"]

MARK: Final = b"ARES"
HEAD: Final = struct.Struct("<4sII")
LONGEST_HEADER: Final = 1 << 24
LONGEST_BODY: Final = 1 << 30


class GarbageError(ValueError):
    """What came through the pipe is no message."""


def write(stream: IO[bytes], header: Mapping[str, Any], body: bytes = b"") -> None:
    """Write a message and flush it."""
    text = json.dumps(header, allow_nan=False).encode()
    left = memoryview(HEAD.pack(MARK, len(text), len(body)) + text + body)
    while left:  # a pipe without a buffer takes what has room
        left = left[stream.write(left) :]
    stream.flush()


def read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Return the next message, None at the end of the stream.

    Raises:
        GarbageError: what came is no message.
    """
    head = _up_to(stream, HEAD.size)
    if not head:
        return None
    if len(head) < HEAD.size:
        raise GarbageError(f"ended within a message: {head!r}")
    mark, header, body = HEAD.unpack(head)
    if mark != MARK or header > LONGEST_HEADER or body > LONGEST_BODY:
        raise GarbageError(f"no message begins with {head!r}")
    return _parsed(_whole(stream, header)), _whole(stream, body)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise GarbageError(f"no JSON: {text[:60]!r}") from error
    if not isinstance(found, dict):
        raise GarbageError(f"no object: {text[:60]!r}")
    return found


def _whole(stream: IO[bytes], size: int) -> bytes:
    found = _up_to(stream, size)
    if len(found) < size:
        raise GarbageError(f"ended {size - len(found)} bytes early")
    return found


def _up_to(stream: IO[bytes], size: int) -> bytes:
    """Return so many bytes, fewer only at the end: a pipe without a buffer gives what is there."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
