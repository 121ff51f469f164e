"""The protobuf wire format, as far as OTLP traces need it: varints, length-delimited fields, clamped numbers.

Source: https://protobuf.dev/programming-guides/encoding/ and opentelemetry-proto 1.x (`trace.proto`, `common.proto`).
"""

from __future__ import annotations

import operator
from typing import Any

from ares_otel.guard import GUARD

__all__ = [
    "FLAG_KNOWN",
    "KINDS",
    "MASK_32",
    "MASK_64",
    "PLACE",
    "STATUSES",
    "clamped",
    "field",
    "heads",
    "identifier",
    "name_text",
    "status_field",
    "utf8",
    "varint",
]

PLACE = "otlp"
KINDS = 6
STATUSES = 3
FLAG_KNOWN = 0x100
"""`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: the official encoder sets it on every span and link."""
MASK_32 = (1 << 32) - 1
MASK_64 = (1 << 64) - 1
TABLE_SIZE = 2_048


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:  # noqa: PLR2004  seven bits a byte
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


BYTES = tuple(bytes((byte,)) for byte in range(128))
VARINTS = tuple(map(_long_varint, range(TABLE_SIZE)))


def varint(number: int) -> bytes:
    """Return an unsigned number (0 … 2⁶⁴-1) as a base-128 varint."""
    return VARINTS[number] if number < TABLE_SIZE else _long_varint(number)


def field(tag: int, data: bytes) -> bytes:
    """Return a length-delimited field; `tag` is the whole tag byte (field number * 8 + 2)."""
    size = len(data)
    return BYTES[tag] + (VARINTS[size] if size < TABLE_SIZE else _long_varint(size)) + data


def heads(tag: int) -> tuple[bytes, ...]:
    """Return what precedes a length-delimited body, by the body's length, for the lengths that are common."""
    return tuple(b"%c%b" % (tag, length) for length in VARINTS)


def utf8(text: str) -> bytes:
    """Return text as UTF-8; a lone surrogate, which UTF-8 cannot hold and protobuf refuses, becomes "?"."""
    return str.encode(text, "utf-8", "replace")


def name_text(value: object) -> bytes:
    """Return a name or key as UTF-8, whatever its type; the name of its type when its `__str__` fails."""
    if isinstance(value, str):
        return str.encode(value, "utf-8", "replace")
    try:
        return utf8(str(value))
    except Exception as error:  # noqa: BLE001  a user's __str__ may raise anything
        GUARD.failed(PLACE, error)
        return utf8(type(value).__name__)


def clamped(value: Any, highest: int) -> int:
    """Return a number of 0 … `highest`; what is outside is clamped, what is no number is 0, and either is counted."""
    try:
        number = int(value)
    except Exception as error:  # noqa: BLE001  a user's __int__ may raise anything
        GUARD.failed(PLACE, error)
        return 0
    if 0 <= number <= highest:
        return number
    GUARD.complain(PLACE, "number out of range", f"a time, count or flag is outside 0 … {highest}; it is clamped")
    return min(max(number, 0), highest)


def identifier(value: Any, size: int) -> bytes:
    """Return an id as `size` bytes, big-endian; one too large keeps its lower bits, no id is 0; both are counted."""
    try:
        number = operator.index(value)
    except Exception as error:  # noqa: BLE001  a user's __index__ may raise anything
        GUARD.failed(PLACE, error)
        return bytes(size)
    if number < 0 or number >> 8 * size:
        GUARD.complain(PLACE, "id out of range", f"a trace or span id is no unsigned integer of {8 * size} bits")
    return (number & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def status_field(code: int, message: bytes = b"") -> bytes:
    """Return the status; as the official encoder does, it is there even when it is unset and says nothing."""
    if not message:
        return b"\x7a\x02\x18%c" % code if code else b"\x7a\x00"
    return field(0x7A, field(0x12, message) + (b"\x18%c" % code if code else b""))
