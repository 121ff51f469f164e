"""Attributes as OTLP `KeyValue` fields: one encoder per key, with bounded caches of what looks like labels.

A short string and an int are kept as finished bytes by key and value. A key of high cardinality cannot displace the
labels of another key: each key has its own cache, emptied when it is full; the pool bounds the sum of all of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from ares_otel.pipeline.otlp.values import KEY_LENGTH, Values
from ares_otel.pipeline.otlp.wire import field, name_text, varint
from ares_otel.semconv import attributes as a

__all__ = [
    "KEY_ENTRIES",
    "LABEL_LENGTH",
    "NUMBER_BITS",
    "POOL_ENTRIES",
    "TABLE_KEYS",
    "Attribute",
    "Attributes",
    "Cache",
    "KeyValue",
    "Pool",
]

KEY_ENTRIES = 256
LABEL_LENGTH = 64
NUMBER_BITS = 63
POOL_ENTRIES = 16_384
TABLE_KEYS = 1_024


IDS = frozenset(
    each.key for each in (a.CORRELATION_ID, a.DECISION_ID, a.CAUSATION_ID, a.CLIENT_ID, a.FILL_ID, a.VENUE_ID)
)
"""What is seen in one decision only: to keep it would cost more than to encode it, and displace labels."""


class Pool:
    """Bounds the entries of all caches together: at the bound they all start again.

    Attributes:
        used: entries in use; too high by those of encoders that are gone, until the next start.
    """

    def __init__(self, limit: int = POOL_ENTRIES) -> None:
        self.limit = limit
        self.used = 0
        self._members: weakref.WeakSet[Attribute] = weakref.WeakSet()

    def join(self, member: Attribute) -> None:
        """Make the caches of an encoder subject to the common bound."""
        self._members.add(member)

    def clear(self) -> None:
        """Empty all caches."""
        for member in self._members:
            member.texts.clear()
            member.numbers.clear()
        self.used = 0


class Cache(dict[Any, bytes]):
    """Finished fields by value; a missing one is made, of whatever type the value is, and kept if `fits` says so."""

    __slots__ = ("_fits", "_make", "_pool")

    def __init__(self, make: Callable[[Any], bytes], fits: Callable[[Any], bool], pool: Pool) -> None:
        super().__init__()
        self._make = make
        self._fits = fits
        self._pool = pool

    def __missing__(self, value: Any) -> bytes:
        encoded = self._make(value)
        if self._fits(value):
            self._keep(value, encoded)
        return encoded

    def _keep(self, value: Any, encoded: bytes) -> None:
        pool = self._pool
        if len(self) >= KEY_ENTRIES:
            pool.used -= len(self)
            self.clear()
        self[value] = encoded
        pool.used += 1
        if pool.used > pool.limit:
            pool.clear()


def _is_label(value: object) -> bool:
    return (type(value) is str or isinstance(value, StrEnum)) and len(value) <= LABEL_LENGTH


def _is_number(value: object) -> bool:
    return type(value) is int and value.bit_length() <= NUMBER_BITS  # by type, because True and 1 are the same key


class KeyValue:
    """Encodes values under one key as fields of `tag`."""

    __slots__ = ("_key", "_tag", "_values")

    def __init__(self, tag: int, key: object, values: Values) -> None:
        self._tag = b"%c" % tag
        self._key = field(0x0A, name_text(key)) + b"\x12"
        self._values = values

    def encode(self, value: object) -> bytes:
        """Return the field that holds any value."""
        return self.wrap(self._values.any_value(value))

    def wrap(self, value: bytes) -> bytes:
        """Return the field that holds the body of an `AnyValue`."""
        length = varint(len(value))
        return b"%b%b%b%b%b" % (self._tag, varint(len(self._key) + len(length) + len(value)), self._key, length, value)


class Attribute:
    """Encodes the values of one attribute key as `KeyValue` fields.

    Attributes:
        double: what precedes the eight bytes of a double.
        texts, numbers: finished fields of short strings and of ints.
        text, number: field of a string or an int, by way of the caches (faster than to subscribe them); ids have none.
        encode: field of any value.
    """

    __slots__ = (
        "__weakref__",
        "_heads",
        "_limit",
        "_pair",
        "double",
        "encode",
        "number",
        "numbers",
        "text",
        "texts",
    )

    def __init__(self, tag: int, key: object, values: Values, pool: Pool) -> None:
        pair = KeyValue(tag, key, values)
        self.encode = pair.encode
        self._heads: dict[int, bytes] = {}
        self._pair = pair
        self._limit = LABEL_LENGTH if values.limit is None else min(LABEL_LENGTH, values.limit)
        self.double = pair.wrap(b"\x21" + bytes(8))[:-8]
        self.texts = Cache(self._text, _is_label, pool)
        self.numbers = Cache(pair.encode, _is_number, pool)
        self.text: Callable[[Any], bytes] = self._text if key in IDS else self.texts.__getitem__
        self.number = self.numbers.__getitem__
        pool.join(self)

    def _text(self, value: Any) -> bytes:
        """Encode what the cache of texts does not have, or is not to have."""
        if type(value) is not str or len(value) > self._limit or not value.isascii():
            return self.encode(value)
        head = self._heads.get(len(value))
        if head is None:
            text = field(0x0A, bytes(len(value)))
            head = self._heads[len(value)] = self._pair.wrap(text)[: -len(value) or None]
        return head + value.encode()


class Attributes:
    """The attribute encoders of one message type, by key; bounded.

    Attributes:
        get: looks a key up among the encoders that exist.
    """

    def __init__(self, tag: int, values: Values, pool: Pool) -> None:
        self._tag = tag
        self._values = values
        self._pool = pool
        self._by_key: dict[object, Attribute] = {}
        self.get = self._by_key.get

    def of(self, key: object) -> Attribute:
        """Return the encoder of a key, and keep it unless the key is no `str` or long."""
        known = self._by_key.get(key) if type(key) is str else None
        if known is not None:
            return known
        made = Attribute(self._tag, key, self._values, self._pool)
        if type(key) is str and len(key) <= KEY_LENGTH:
            if len(self._by_key) >= TABLE_KEYS:
                self._by_key.clear()
            self._by_key[key] = made
        return made
