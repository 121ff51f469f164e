"""Ids and keys of the store: 64-bit keys of longer ids, row ids that begin with the time."""

from __future__ import annotations

import hashlib

from ares_otel.correlation.ids import correlation_of

__all__ = [
    "TEXT_LIMIT",
    "bounded",
    "canonical",
    "correlation_meant",
    "correlation_told",
    "decision_id",
    "lookup_key",
    "moment_key",
    "span_meant",
    "span_told",
    "text_key",
    "time_id",
    "trace_key",
    "uuid_digits",
    "zeros_back",
]

TEXT_LIMIT = 256
"""Longest name or client order id in a column, in characters; a longer one is kept as its beginning and its hash."""

UUID_DIGITS, UUID_BYTES = 32, 16
HALF = 8
DIGITS = 8
DECISION_DIGITS = 28
MOMENT_DIGITS = 12
UNSORTED_BITS = 16
SLOT = 1_023
HEX = frozenset("0123456789abcdefABCDEF")


def trace_key(trace: bytes) -> int:
    """Return the first 64 bits of an id as a signed number, so that ids that begin with the time stay neighbours."""
    return int.from_bytes(trace[:8], "big", signed=True)


def uuid_digits(text: str) -> str | None:
    """Return the 32 lower-case digits of an id of 128 hexadecimal bits, with dashes or without; None for another."""
    found = _uuid(text)
    return None if found is None else found.hex()


def _uuid(text: str) -> bytes | None:
    digits = text.replace("-", "")
    if len(digits) != UUID_DIGITS:
        return None
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    # spaces between digits are none
    return found if len(found) == UUID_BYTES else None


def zeros_back(text: str) -> str | None:
    """Return the trace id that lost the zeros it began with, as Tempo writes ids; None for what can be no such id."""
    short = DECISION_DIGITS < len(text) < UUID_DIGITS and _is_hex(text)
    return text.zfill(UUID_DIGITS) if short else None


def canonical(text: str) -> str:
    """Return an id as it is compared: 128 hexadecimal bits without dashes in lower case, anything else unchanged."""
    return uuid_digits(text) or text


def text_key(text: str) -> int:
    """Return 64 bits of a textual id; those of 128 hexadecimal bits keep their order."""
    found = _uuid(text)
    if found is not None:
        return trace_key(found)
    return trace_key(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def decision_id(trace: bytes, span: bytes) -> str:
    """Return the decision id that the library makes: the trace's 48 bits of time and the span's 64 bits.

    Args:
        trace: id of its trace.
        span: id of its span, or none where the trace's implies it.
    """
    return trace[:6].hex() + span_meant(trace, span).hex()


def span_told(trace: bytes, span: bytes) -> bytes:
    """Return a decision's span id as it is kept: nothing where it is the right half of the trace id."""
    return b"" if span == trace[HALF:] else span


def span_meant(trace: bytes, span: bytes) -> bytes:
    """Return the span id that is meant by a kept one."""
    return span or trace[HALF:]


def correlation_told(trace: bytes, correlation: str) -> str:
    """Return a decision's correlation id as it is kept: "" where it is the one that the trace id belongs to."""
    if correlation[:DIGITS] != trace[: DIGITS // 2].hex():
        return bounded(correlation)
    return "" if correlation == correlation_of(int.from_bytes(trace, "big")) else bounded(correlation)


def correlation_meant(trace: bytes, correlation: str | None) -> str | None:
    """Return the correlation id that is meant by a kept one."""
    return correlation_of(int.from_bytes(trace, "big")) if correlation == "" else correlation


def lookup_key(key: int) -> int:
    """Return the first 48 bits of a key, which are those of the time in an id that begins with it.

    What was recorded in one millisecond is found under one key: a decision's trace, its correlation id and all that
    the bot said beside it need one row instead of one each.
    """
    return key >> UNSORTED_BITS


def moment_key(decision: str) -> int | None:
    """Return the look-up key of the traces that a decision id of the library can belong to, or None."""
    if len(decision) != DECISION_DIGITS or not _is_hex(decision):
        return None
    return lookup_key(trace_key(bytes.fromhex(decision[:MOMENT_DIGITS]) + b"\0\0"))


def time_id(start_ns: int, low: int) -> int:
    """Return a row id: the time in steps of 1,024 ns, then ten bits that tell rows of one step apart.

    Newest first, time ranges, cursors and retention all use the primary key, and an index on `x` is one on `(x, time)`.
    """
    return start_ns & ~SLOT | low & SLOT


def bounded(text: str) -> str:
    """Return a text that fits a column of every database: at most `TEXT_LIMIT` characters, no NUL."""
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - 33] + "…" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return text.replace("\0", "�") if "\0" in text else text


def _is_hex(digits: str) -> bool:
    return HEX.issuperset(digits)
