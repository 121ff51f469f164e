"""Encoders compiled for the shapes that recur: same name, same attribute keys, same types of values.

A compiled function holds all constant bytes; ids, times and the first run of doubles go through one `struct.pack`, for
a message's fields may come in any order, only the attributes among themselves may not. No name or key ever becomes
source text: the text consists of generated identifiers, everything else is bound as a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from ares_otel.guard import GUARD
from ares_otel.pipeline.otlp.attributes import Attribute, Attributes
from ares_otel.pipeline.otlp.values import KEY_LENGTH
from ares_otel.pipeline.otlp.wire import (
    FLAG_KNOWN,
    KINDS,
    MASK_32,
    PLACE,
    STATUSES,
    field,
    heads,
    status_field,
    utf8,
    varint,
)

__all__ = [
    "ADMISSION",
    "ATTRIBUTES_LIMIT",
    "EVENT",
    "INNER",
    "MESSAGE",
    "NAMES_LIMIT",
    "REPLACEMENT",
    "SEEN_LIMIT",
    "SHAPES_LIMIT",
    "SPAN",
    "Compiled",
    "Frame",
    "Key",
    "Packed",
    "Rows",
    "Shapes",
    "compiled",
    "event_fields",
    "span_fields",
]

SHAPES_LIMIT = 512
SEEN_LIMIT = 2_048
ATTRIBUTES_LIMIT = 32
NAMES_LIMIT = 4_096
ADMISSION = 3
REPLACEMENT = 1_000
NEVER = -(1 << 62)
SAMPLED = 0x101
MESSAGE = None
"""Stands for the status of a span whose status has a message and is therefore encoded apart."""

Packed: TypeAlias = bytes | tuple[str, str]
"""A constant, or the struct format and the expression of what varies."""
Key: TypeAlias = tuple[Any, ...]
Fields: TypeAlias = Callable[[Key], Sequence[Packed] | None]
"""Gives the fields besides attributes for a key without the attributes' keys, or `None` if it can have no shape."""
Compiled: TypeAlias = Callable[..., bytes | None]
"""Takes the parameters of its frame, gives the field, or `None` if the values are of other types."""


class Frame:
    """A message type that shapes are compiled for.

    Attributes:
        tag: tag byte of the field that holds the message.
        parameters: signature of the compiled function; `values` are the attributes' values.
        others: expressions of parts of the body before the attributes.
        tail: expression of a part of the body after the attributes.
        fields: gives the fields besides attributes.
        heads: tag and length of common lengths.
    """

    def __init__(self, tag: int, parameters: str, others: str, fields: Fields, tail: str = "") -> None:
        self.tag = tag
        self.parameters = parameters
        self.others = others
        self.tail = tail
        self.fields = fields
        self.heads = heads(tag)

    def head(self, size: int) -> bytes:
        """Return tag and length for any length."""
        return b"%c%b" % (self.tag, varint(size))


def span_fields(head: Key) -> list[Packed] | None:
    """Return the fields besides attributes and the ids of the context, or `None` if they are no constants of OTLP.

    `head` is name, kind, status (`MESSAGE` or a code of OTLP) and flags.
    """
    name, kind, status, flags = head
    if type(name) is not str or not isinstance(kind, int) or not isinstance(flags, int):
        return None
    if kind not in range(KINDS) or flags not in range(MASK_32 + 1) or status not in (MESSAGE, *range(STATUSES)):
        return None
    known = struct.pack("<2sI", b"\x85\x01", flags | FLAG_KNOWN)
    constant = field(0x2A, utf8(name)) + b"0%c" % kind + known + (b"" if status is MESSAGE else status_field(status))
    return [constant + b"\x12\x08", ("8s", "span_id.to_bytes(8)"), b"9", ("Q", "start"), b"A", ("Q", "end")]


def _inner_fields(head: Key) -> list[Packed] | None:
    return span_fields((*head, 0, SAMPLED))


def event_fields(head: Key) -> list[Packed] | None:
    """Return the fields besides attributes that every event has; `head` is its name."""
    (name,) = head
    return [field(0x12, utf8(name)) + b"\x09", ("Q", "time")] if type(name) is str else None


SPAN = Frame(0x12, "span_id, start, end, values, others", "others, ", span_fields)
INNER = Frame(0x12, "span_id, start, end, values, others, tail", "others, ", _inner_fields, "tail")
"""A span of a decision, whose name and kind are its head; `others` and `tail` hold attributes, too."""
EVENT = Frame(0x5A, "time, values", "", event_fields)


class _Source:
    """Collects one generated function; only identifiers and numbers made here reach its text."""

    def __init__(self, fixed: Sequence[Packed]) -> None:
        self.names: dict[str, Any] = {"__builtins__": {}, "IndexError": IndexError, "type": type, "len": len}
        self.names |= {"float": float, "int": int, "bool": bool}
        self.conditions: list[str] = []
        self.parts: list[str | list[Packed]] = []
        self.fixed = list(fixed)

    def bind(self, value: object) -> str:
        """Make a value known to the function and return its identifier."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def add(self, name: str, attribute: Attribute, kind: type) -> None:
        """Add an attribute whose value is in a local variable."""
        if kind in {float, int, bool}:  # 1, 1.0 and True are equal, so that a cache cannot tell them apart
            self.conditions.append(f"type({name}) is {kind.__name__}")
        if kind is not float:
            self.parts.append(self.expression(name, attribute, kind))
        elif self.parts and isinstance(run := self.parts[-1], list):
            run += [attribute.double, ("d", name)]
        else:
            self.parts.append([attribute.double, ("d", name)])

    def expression(self, name: str, attribute: Attribute, kind: type) -> str:
        """Return the expression that makes the field of an attribute other than a double."""
        if kind is str or issubclass(kind, StrEnum):
            return f"{self.bind(attribute.text)}({name})"
        if kind is int:
            return f"{self.bind(attribute.number)}({name})"
        if kind is bool:
            return f"({self.bind(attribute.encode(True))} if {name} else {self.bind(attribute.encode(False))})"
        if kind is type(None):
            self.conditions.append(f"{name} is None")
        return f"{self.bind(attribute.encode)}({name})"

    def body(self) -> str:
        """Return the expressions of the parts of the body: the fixed fields join the first run of doubles."""
        runs = [part for part in self.parts if isinstance(part, list)]
        if runs:
            runs[0] += self.fixed
        else:
            self.parts.append(self.fixed)
        return ", ".join(part if isinstance(part, str) else self.packed(part) for part in self.parts)

    def packed(self, run: list[Packed]) -> str:
        """Return the call that packs a run of constants and numbers."""
        formats, arguments, constant = "<", [], b""
        for item in [*run, ("", "")]:
            if isinstance(item, bytes):
                constant += item
                continue
            if constant:
                formats += f"{len(constant)}s"
                arguments.append(self.bind(constant))
            formats += item[0]
            arguments.append(item[1])
            constant = b""
        return f"{self.bind(struct.Struct(formats).pack)}({', '.join(filter(None, arguments))})"


def compiled(frame: Frame, fixed: Sequence[Packed], attributes: Sequence[Attribute], kinds: Sequence[type]) -> Compiled:
    """Return the function that encodes messages of one shape as fields of their parent."""
    source = _Source(fixed)
    names = [f"a{index}" for index in range(len(attributes))]
    for name, attribute, kind in zip(names, attributes, kinds, strict=True):
        source.add(name, attribute, kind)
    if frame.tail:
        source.parts.append(frame.tail)
    body = source.body()
    heads, head, join = source.bind(frame.heads), source.bind(frame.head), source.bind(b"".join)
    lines = [
        f"def encode({frame.parameters}):",
        f" [{', '.join(names)}] = values",
        f" if not ({' and '.join(source.conditions) or True}): return None",
        f" body = {join}(({frame.others}{body},))",
        f" try: return {join}(({heads}[len(body)], body))",
        f" except IndexError: return {head}(len(body)) + body",
    ]
    # a text instead of code would make CPython forget that Ctrl-C ends the program
    exec(compile("\n".join(lines), __file__, "exec"), source.names)  # noqa: S102  no name, key or value of the user is in the text
    made: Compiled = source.names["encode"]
    return made


class Rows:
    """Events of one name that differ in a few words and two doubles, as the votes of an ensemble do.

    An event is `head(words) + pack(first, second_key, second, fixed, time)`: what comes of the words is made once for
    each set of them, and the rest has always the same length.

    Args:
        attributes: encoders of the attributes of events.
        name: of the events.
        words: keys of the words, which come first.
        doubles: keys of the two doubles.
    """

    def __init__(self, attributes: Attributes, name: str, words: Sequence[str], doubles: Sequence[str]) -> None:
        first, second = (attributes.of(key).double for key in doubles)
        self.second_key = second
        self.fixed = field(0x12, utf8(name)) + b"\x09"
        packed = struct.Struct(f"<d{len(second)}sd{len(self.fixed)}sQ")
        self.pack: Callable[..., bytes] = packed.pack
        self._first = first
        self._words = [attributes.of(key) for key in words]
        self._size = len(first) + packed.size

    def head(self, *words: object) -> bytes:
        """Return what precedes the first double of an event with these words."""
        said = b"".join([key.text(word) for key, word in zip(self._words, words, strict=True)])
        return EVENT.head(len(said) + self._size) + said + self._first


class Shapes:
    """The compiled functions by shape, bounded.

    A shape is compiled when it was seen a few times, so that names that never recur cost no compilation; when the table
    is full it takes very many sightings to replace the oldest function, so that too many shapes cost little more than
    the generic encoder does.

    Args:
        frame: the message type.
        attributes: encoders of its attributes.
        limit: how many functions are kept.
        most: attributes that a shape may have.
        reserved: keys that no shape may have, because the caller adds them.

    Attributes:
        get: looks a shape up by name (with all else that is constant) and attribute keys.
    """

    def __init__(
        self,
        frame: Frame,
        attributes: Attributes,
        limit: int = SHAPES_LIMIT,
        *,
        most: int = ATTRIBUTES_LIMIT,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self._frame = frame
        self._attributes = attributes
        self._limit = limit
        self._most = min(most, ATTRIBUTES_LIMIT)
        self._reserved = reserved
        self._compiled: dict[Key, Compiled] = {}
        self._seen: dict[int, int] = {}
        self.get = self._compiled.get

    def learn(self, key: Key, values: Mapping[str, object]) -> Compiled | None:
        """Count a shape that `get` does not know; return its function once there is one.

        Args:
            key: name, other constants, attribute keys.
            values: the attributes.
        """
        return self._make(key, key, values) if self._admitted(key) else None

    def other(self, key: Key, values: Mapping[str, object]) -> Compiled | None:
        """Do the same for a shape whose function does not take the values' types."""
        typed = (*key, *map(type, values.values()))
        known = self._compiled.get(typed)
        return self._make(key, typed, values) if known is None and self._admitted(typed) else known

    def _admitted(self, key: Key) -> bool:
        if len(self._seen) >= SEEN_LIMIT:
            self._seen.clear()
        identity = hash(key)  # not the key: it may hold long names
        count = self._seen.get(identity, 0) + 1
        self._seen[identity] = count
        return count >= (ADMISSION if len(self._compiled) < self._limit else REPLACEMENT)

    def _make(self, key: Key, full_key: Key, values: Mapping[str, object]) -> Compiled | None:
        self._seen[hash(full_key)] = NEVER
        made = self._compile(key, values)
        if made is not None:
            del self._seen[hash(full_key)]
            if len(self._compiled) >= self._limit:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[full_key] = made
        return made

    def _compile(self, key: Key, values: Mapping[str, object]) -> Compiled | None:
        with GUARD.shield(PLACE):
            fields = self._frame.fields(key[: len(key) - len(values)])
            if fields is None or len(values) > self._most or len(key[0]) + sum(map(len, values)) > NAMES_LIMIT:
                return None
            if not self._reserved.isdisjoint(values):
                return None
            if not all(type(name) is str and len(name) <= KEY_LENGTH for name in values):
                return None
            attributes = [self._attributes.of(name) for name in values]
            return compiled(self._frame, fields, attributes, [type(value) for value in values.values()])
        return None
