"""Client order ids that carry the trace id: an exchange's export, a restart or another process finds the trace by it.

The form is `ar-<26 characters>-<number>`: prefix, the 128 bits of the trace id in base 32, and which order of the trace
it is (two digits or more). 32 characters for the first 99 orders of a trace, never more than 36 (Binance's limit),
of lower-case letters, digits and hyphens, which all venues that we know accept.

The base-32 alphabet is Crockford's, as in ULIDs, not that of RFC 4648: its order is that of ASCII, so that ids of
traces that begin with their time sort by time in any list, and it has no letters that are taken for digits. Reading
ignores case, because some venues fold it. 26 characters hold 130 bits, so the first is 0 to 7.
"""

from __future__ import annotations

import re

__all__ = ["make_client_id", "trace_of"]

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
DIGITS = 26
LIMIT = 36
TRACE_LIMIT = 1 << 128
PREFIX = re.compile(r"[a-z0-9]{1,6}")
BODY = re.compile(r"-([0-7][0-9a-hjkmnp-tv-z]{25})-(?:[0-9]{2}|[1-9][0-9]{2,})", re.ASCII)


def make_client_id(trace_id: int, number: int, prefix: str = "ar") -> str:
    """Return the client order id of an order of a trace.

    Args:
        trace_id: 128 bits, not zero.
        number: which order of the trace it is, from 0.
        prefix: one to six lower-case letters or digits, that tell this bot's orders from others.

    Raises:
        ValueError: an argument is out of range, or the id would have more than 36 characters.
    """
    if not 0 < trace_id < TRACE_LIMIT:
        raise ValueError(f"trace_id: expected 1..2^128-1, got {trace_id}")
    if number < 0 or not PREFIX.fullmatch(prefix):
        raise ValueError(f"expected a number ≥ 0 and a prefix like 'ar', got {number} and {prefix!r}")
    body = "".join(ALPHABET[trace_id >> shift & 31] for shift in range(5 * (DIGITS - 1), -1, -5))
    client_id = f"{prefix}-{body}-{number:02d}"
    if len(client_id) > LIMIT:
        raise ValueError(f"{client_id}: more than {LIMIT} characters")
    return client_id


def trace_of(client_id: str, prefix: str = "ar") -> int | None:
    """Return the trace id that `make_client_id` put into a client order id; None for any other id."""
    if len(client_id) > LIMIT or not client_id.isascii():
        return None
    folded = client_id.lower()
    found = BODY.fullmatch(folded, len(prefix)) if folded.startswith(prefix) else None
    if found is None:
        return None
    trace_id = 0
    for letter in found[1]:
        trace_id = trace_id << 5 | VALUES[letter]
    return trace_id or None
