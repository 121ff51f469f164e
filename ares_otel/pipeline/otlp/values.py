"""Any Python value as the body of an OTLP `AnyValue`: never raises for what a value is, never unbounded.

| Python | OTLP |
| --- | --- |
| `str` | string; a lone surrogate becomes "?" |
| `bool`, `float`, `bytes` | bool, double (NaN and infinity too), bytes |
| `int` | int; outside of 64 bits a string of its digits |
| `None` | a value that holds nothing |
| lists, tuples, sets and other sequences | array |
| mappings | key-value list; its keys through `str()` |
| enum members | their value |
| `bytearray`, `memoryview` | bytes |
| `Decimal` | double |
| dates, times | string, ISO 8601 |
| numpy scalars, small arrays | what `.item()`, `.tolist()` make of them; numpy dates and large arrays as `str()` |
| anything else | `str()`; the name of its type when `__str__` fails |

Strings and bytes are cut at the length limit, `str()` of an object at `TEXT_LIMIT` in any case. Containers eight deep
become their abbreviated `repr`, and one attribute holds at most `ELEMENTS_LIMIT` values; the rest is left out, counted.
"""

from __future__ import annotations

import datetime as dt
import reprlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from itertools import islice
from operator import attrgetter, methodcaller
from typing import Any, TypeAlias

from ares_otel.guard import GUARD
from ares_otel.pipeline.otlp.wire import MASK_64, PLACE, field, name_text, utf8, varint

__all__ = ["DEPTH_LIMIT", "ELEMENTS_LIMIT", "KEYS_LIMIT", "KEY_LENGTH", "PACK_DOUBLE", "TEXT_LIMIT", "Values"]

DEPTH_LIMIT = 8
ELEMENTS_LIMIT = 65_536
TEXT_LIMIT = 65_536
KEYS_LIMIT = 4_096
KEY_LENGTH = 256
INT_LIMIT = 1 << 63
PACK_DOUBLE = struct.Struct("<d").pack
ELEMENT_DOUBLE = b"\x0a\x09\x21"  # ArrayValue.values, nine bytes, AnyValue.double_value

Encode: TypeAlias = Callable[[Any, int], bytes]


def _buffer(value: Any) -> bytes:
    return bytes(memoryview(value))


def _elements(value: Iterable[Any]) -> list[Any]:
    return list(islice(value, ELEMENTS_LIMIT + 1))


def _items(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return dict(islice(value.items(), ELEMENTS_LIMIT + 1))


CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (Enum, attrgetter("value")),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    ((bytes, bytearray, memoryview), _buffer),
    (Decimal, float),
    ((dt.date, dt.time), methodcaller("isoformat")),
    (Mapping, _items),
    ((Sequence, AbstractSet), _elements),
)


def _foreign(value: Any) -> object:
    """Return what a foreign object holds: a scalar's item, a small array's elements, else text.

    Told by their attributes, because numpy and its like are never imported here.
    """
    dimensions, size = getattr(value, "ndim", None), getattr(value, "size", None)
    convert = getattr(value, "item" if dimensions == 0 else "tolist", None)
    small = dimensions == 0 or (isinstance(size, int) and size <= ELEMENTS_LIMIT)
    if type(dimensions) is int and small and callable(convert) and not _is_date(value):
        plain: object = convert()
        if type(plain) is not type(value):  # a numpy longdouble gives itself
            return plain
    return str(value)[:TEXT_LIMIT]


def _is_date(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") in {"m", "M"}


def _plain(value: object) -> object:
    """Return a value as one of OTLP's own types: a subclass without its methods, anything else converted."""
    for kinds, convert in CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return _foreign(value)


class Values:
    """Encodes values as `AnyValue` bodies.

    Attributes:
        limit: strings are cut to as many characters, bytes to as many bytes; `None`: not at all.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._left = ELEMENTS_LIMIT
        self._doubles: dict[str, bytes] = {}
        self._by_type: dict[type, Encode] = {
            str: self._text,
            bool: self._bool,
            int: self._int,
            float: self._float,
            bytes: self._bytes,
            type(None): self._none,
            list: self._array,
            tuple: self._array,
            dict: self._map,
        }

    def any_value(self, value: object) -> bytes:
        """Return the body of an `AnyValue`."""
        self._left = ELEMENTS_LIMIT
        return self._any(value, 0)

    def _any(self, value: object, depth: int) -> bytes:
        encode = self._by_type.get(type(value))
        return self._converted(value, depth) if encode is None else encode(value, depth)

    def _converted(self, value: object, depth: int) -> bytes:
        try:
            plain = _plain(value)
            if type(plain) not in self._by_type:  # an enum member's value may itself need it
                plain = _plain(plain)
            return self._any(plain if type(plain) in self._by_type else str(plain)[:TEXT_LIMIT], depth)
        except Exception as error:  # noqa: BLE001  a user's __str__, __iter__, tolist… may raise anything
            GUARD.failed(PLACE, error)
            return self._text(type(value).__name__)

    def _text(self, value: str, _: int = 0) -> bytes:
        if self.limit is not None and len(value) > self.limit:
            _complain(self.limit)
            value = value[: self.limit]
        return field(0x0A, utf8(value))

    def _bool(self, value: object, _: int) -> bytes:
        return b"\x10\x01" if value else b"\x10\x00"

    def _int(self, value: int, _: int) -> bytes:
        if -INT_LIMIT <= value < INT_LIMIT:
            return b"\x18" + varint(value & MASK_64)
        try:
            return self._text(str(value))
        except ValueError:  # longer than sys.get_int_max_str_digits()
            return self._text(hex(value)[:TEXT_LIMIT])

    def _float(self, value: float, _: int) -> bytes:
        return b"\x21" + PACK_DOUBLE(value)

    def _bytes(self, value: bytes, _: int) -> bytes:
        if self.limit is not None and len(value) > self.limit:
            _complain(self.limit)
            value = value[: self.limit]
        return field(0x3A, value)

    def _none(self, _value: None, _: int) -> bytes:
        return b""

    def _array(self, value: list[Any] | tuple[Any, ...], depth: int) -> bytes:
        if depth >= DEPTH_LIMIT:
            return self._text(reprlib.repr(value))
        values = self._taken(value)
        if set(map(type, values)) == {float}:
            return field(0x2A, _packed(values))
        return field(0x2A, b"".join([field(0x0A, self._any(element, depth + 1)) for element in values]))

    def _map(self, value: dict[Any, Any], depth: int) -> bytes:
        if depth >= DEPTH_LIMIT:
            return self._text(reprlib.repr(value))
        pairs = self._taken(list(value.items()))
        return field(0x32, b"".join([self._pair(key, item, depth + 1) for key, item in pairs]))

    def _pair(self, key: object, value: object, depth: int) -> bytes:
        if type(value) is float and type(key) is str:
            return (self._doubles.get(key) or self._double(key)) + PACK_DOUBLE(value)
        return field(0x0A, field(0x0A, name_text(key)) + field(0x12, self._any(value, depth)))

    def _double(self, key: str) -> bytes:
        """Return what precedes the eight bytes of a double in a key-value list; feature vectors repeat their keys."""
        pair = field(0x0A, utf8(key)) + b"\x12\x09\x21"
        prefix = b"\x0a" + varint(len(pair) + 8) + pair
        if len(key) <= KEY_LENGTH:
            if len(self._doubles) >= KEYS_LIMIT:
                self._doubles.clear()
            self._doubles[key] = prefix
        return prefix

    def _taken(self, values: Sequence[Any]) -> Sequence[Any]:
        taken = values[: self._left]
        if len(taken) < len(values):
            GUARD.complain(
                PLACE, "too many values", f"an attribute holds over {ELEMENTS_LIMIT} values; the rest is left out"
            )
        self._left -= len(taken)
        return taken


def _complain(limit: int) -> None:
    GUARD.complain(PLACE, "too long", f"a value of an attribute is longer than {limit}; the rest of it is left out")


def _packed(values: Sequence[float]) -> bytes:
    packed = struct.pack(f"<{len(values)}d", *values)
    return ELEMENT_DOUBLE + ELEMENT_DOUBLE.join([packed[i : i + 8] for i in range(0, len(packed), 8)])
