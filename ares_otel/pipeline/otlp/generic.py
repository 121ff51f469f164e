"""The encoder that takes everything: spans that have no compiled shape, odd values, and the rare parts of a span.

What cannot be encoded is left out and counted; the span itself is never lost.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, SpanData
from ares_otel.pipeline.otlp.attributes import Attributes, Pool
from ares_otel.pipeline.otlp.shapes import EVENT, Shapes
from ares_otel.pipeline.otlp.values import PACK_DOUBLE, Values
from ares_otel.pipeline.otlp.wire import (
    FLAG_KNOWN,
    KINDS,
    MASK_32,
    MASK_64,
    PLACE,
    STATUSES,
    clamped,
    field,
    identifier,
    name_text,
    status_field,
    varint,
)

__all__ = ["Generic", "count", "put_attributes"]

REST = slice(SpanData._fields.index("events"), None)
PACK_FIXED = struct.Struct("<2s16s2s8scBcQcQ2sI").pack
PACK_TIMES = struct.Struct("<cQcQ").pack
PACK_TIME = struct.Struct("<cQ").pack
PACK_SPAN_FLAGS = struct.Struct("<2sI").pack
PACK_FLAGS = struct.Struct("<cI").pack

T = TypeVar("T")


def count(tag: int, value: Any, lost: int) -> bytes:
    """Return a count of what was dropped before and what was `lost` here, as a field; nothing for zero."""
    number = min(clamped(value, MASK_32) + lost, MASK_32) if value else lost
    return b"%c%b" % (tag, varint(number)) if number else b""


def _one_of(value: Any, size: int) -> int:
    if type(value) is int and 0 <= value < size:
        return value
    number = clamped(value, MASK_32)
    if number < size:
        return number
    GUARD.complain(PLACE, "unknown enum value", "a span kind or status that OTLP does not have is sent as 0")
    return 0


def _fixed(data: SpanData) -> bytes:
    """Return ids, kind, times and flags; the long way for those out of their range."""
    trace_id, span_id, parent_id, start, end = data.trace_id, data.span_id, data.parent_id, data.start, data.end
    kind, flags = _one_of(data.kind, KINDS), data.flags
    try:
        trace, span, known = trace_id.to_bytes(16), span_id.to_bytes(8), flags | FLAG_KNOWN
        fixed = PACK_FIXED(
            b"\x0a\x10", trace, b"\x12\x08", span, b"0", kind, b"9", start, b"A", end, b"\x85\x01", known
        )
        return fixed + b'"\x08' + parent_id.to_bytes(8) if parent_id else fixed
    except (AttributeError, OverflowError, TypeError, struct.error):
        return b"\x0a\x10%b\x12\x08%b0%c%b%b%b" % (
            identifier(trace_id, 16),
            identifier(span_id, 8),
            kind,
            PACK_TIMES(b"9", clamped(start, MASK_64), b"A", clamped(end, MASK_64)),
            PACK_SPAN_FLAGS(b"\x85\x01", clamped(flags, MASK_32) | FLAG_KNOWN),
            b'"\x08' + identifier(parent_id, 8) if parent_id else b"",
        )


def _listed(values: Iterable[T]) -> Sequence[T]:
    """Return what can be iterated as a sequence that the bot's thread cannot change meanwhile."""
    if type(values) is tuple:
        return values
    with GUARD.shield(PLACE):
        return list(values)
    return ()


def _items(attributes: Mapping[str, object]) -> Sequence[tuple[object, object]]:
    try:
        return list(attributes.items())
    except Exception as error:  # noqa: BLE001  a mapping of the user's may raise anything
        GUARD.failed(PLACE, error)
        return ()


class Generic:
    """Encodes whole spans and, for the compiled shapes, what is rare in a span.

    Attributes:
        values: the values' encoder.
        spans, events, links: attribute encoders of the three messages.
    """

    def __init__(self, limit: int | None) -> None:
        pool = Pool()
        self.values = Values(limit)
        self.spans = Attributes(0x4A, self.values, pool)
        self.events = Attributes(0x1A, self.values, pool)
        self.links = Attributes(0x22, self.values, pool)
        self._event_shapes = Shapes(EVENT, self.events)
        self._known_event = self._event_shapes.get

    def span(self, data: SpanData, more: bytes = b"") -> bytes:
        """Return a `Span` as a field of `ScopeSpans`; `more`: fields of it that are encoded already."""
        parts = [field(0x2A, name_text(data.name)), _fixed(data), more]
        dropped = put_attributes(self.spans, data.attributes, parts)
        row: Any = data
        events, links, status, message, trace_state, _, lost_attributes, lost_events, lost_links = row[REST]
        if not message:
            parts.append(status_field(_one_of(status, STATUSES)))
        if events or links or message or trace_state or dropped or lost_attributes or lost_events or lost_links:
            parts.append(self.rest(data, dropped))
        return field(0x12, b"".join(parts))

    def rest(self, data: SpanData, dropped: int = 0) -> bytes:
        """Return the fields of a span that most spans lack; `dropped`: attributes that could not be encoded."""
        parts: list[bytes] = []
        lost_events = _each(self.event, data.events, parts)
        lost_links = _each(self.link, data.links, parts)
        if data.message:
            parts.append(status_field(_one_of(data.status, STATUSES), name_text(data.message)))
        if data.trace_state:
            parts.append(field(0x1A, name_text(data.trace_state)))
        parts.append(count(0x50, data.dropped_attributes, dropped))
        parts.append(count(0x60, data.dropped_events, lost_events))
        parts.append(count(0x70, data.dropped_links, lost_links))
        return b"".join(parts)

    def event(self, event: EventData) -> bytes:
        """Return an event as a field of its span."""
        try:
            name, time, attributes, *lost = event
            if any(lost):
                return self._event(event)
            key = (name, *attributes)
            encode = self._known_event(key)
            found = encode(time, attributes.values()) if encode is not None else None
            if found is None:
                encode = self._event_shapes.learn(key, attributes)
                found = encode(time, attributes.values()) if encode is not None else None
            return found or self._event(event)
        except Exception:  # noqa: BLE001  odd names, times or values: the other way takes them, and counts what it loses
            return self._event(event)

    def _event(self, event: EventData) -> bytes:
        name, time, attributes = event[:3]
        parts = [PACK_TIME(b"\x09", clamped(time, MASK_64)), field(0x12, name_text(name))]
        lost = put_attributes(self.events, attributes, parts)
        parts.append(count(0x20, getattr(event, "dropped_attributes", 0), lost))
        return field(0x5A, b"".join(parts))

    def link(self, link: LinkData) -> bytes:
        """Return a link as a field of its span."""
        trace_id, span_id, attributes = link[:3]
        parts = [b"\x0a\x10%b\x12\x08%b" % (identifier(trace_id, 16), identifier(span_id, 8))]
        lost = put_attributes(self.links, attributes, parts)
        parts.append(count(0x28, getattr(link, "dropped_attributes", 0), lost))
        parts.append(PACK_FLAGS(b"5", clamped(getattr(link, "flags", 0), MASK_32) | FLAG_KNOWN))
        return field(0x6A, b"".join(parts))


def put_attributes(table: Attributes, attributes: Mapping[str, object], parts: list[bytes]) -> int:
    """Append attributes as fields; return how many could not be encoded."""
    lost = 0
    get, append = table.get, parts.append
    for key, value in _items(attributes):
        try:
            attribute = get(key) or table.of(key)
            if type(value) is float:
                append(attribute.double + PACK_DOUBLE(value))
            elif type(value) is str or isinstance(value, StrEnum):
                append(attribute.text(value))
            elif type(value) is int:
                append(attribute.number(value))
            else:
                append(attribute.encode(value))
        except Exception as error:  # noqa: BLE001  a user's object may raise anything
            GUARD.failed(PLACE, error)
            lost += 1
    return lost


def _each(encode: Callable[[T], bytes], values: Iterable[T], parts: list[bytes]) -> int:
    """Append events or links as fields; return how many could not be encoded."""
    lost = 0
    for value in _listed(values):
        try:
            parts.append(encode(value))
        except Exception as error:  # noqa: BLE001  a user's object may raise anything
            GUARD.failed(PLACE, error)
            lost += 1
    return lost
