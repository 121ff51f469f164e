"""Spans to bytes, and encoded spans to requests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import Batch, EventData, Scope, SpanData, Value
from ares_otel.pipeline.otlp.attributes import Attributes, Pool
from ares_otel.pipeline.otlp.generic import Generic, count, put_attributes
from ares_otel.pipeline.otlp.shapes import INNER, MESSAGE, SPAN, Rows, Shapes
from ares_otel.pipeline.otlp.values import Values
from ares_otel.pipeline.otlp.wire import PLACE, field, name_text, varint

__all__ = ["LENGTH_LIMIT", "MAX_BYTES", "MAX_SPANS", "Encoder"]

LENGTH_LIMIT = 65_536
MAX_BYTES = 1 << 20
MAX_SPANS = 8_192
SCOPES_LIMIT = 1_024
WHOLE = slice(None)  # a plain tuple is unpacked faster than a named one, and a constant is faster than [:]
LENGTHS = 16
"""More than the tags and lengths of two nested messages take."""


class Encoder:
    """Encodes spans as OTLP; equal to the official encoder after decoding.

    Not for use by several threads at a time. No method raises for what a span holds.

    Args:
        resource: attributes of the resource; not cut.
        schema_url: of the resource.
        attribute_length_limit: strings are cut to as many characters, bytes to as many bytes; `None`: not at all.
    """

    def __init__(
        self,
        resource: Mapping[str, Value],
        schema_url: str = "",
        attribute_length_limit: int | None = LENGTH_LIMIT,
    ) -> None:
        limit = attribute_length_limit
        self._generic = Generic(None if limit is None else max(limit, 0))
        self._shapes = Shapes(SPAN, self._generic.spans)
        self._known = self._shapes.get
        self._trace_id: object = self  # equal to no id
        self._parent_id: object = self
        self._context = b""
        self._resource = field(0x0A, _resource(resource))
        self._schema = field(0x1A, name_text(schema_url)) if schema_url else b""
        self._scopes: dict[Scope, tuple[bytes, bytes]] = {}

    def span(self, data: SpanData, more: bytes = b"") -> bytes:
        """Return a span as a field of `ScopeSpans`: tag, length and body; empty if it is no `SpanData` at all.

        Args:
            data: the span.
            more: fields of it that are encoded already.
        """
        try:
            row: Any = data
            (
                trace_id, span_id, parent_id, name, kind, start, end, attributes, events, links, status, message,
                trace_state, flags, lost_attributes, lost_events, lost_links,
            ) = row[WHOLE]  # fmt: skip
            key = (name, kind, MESSAGE if message else status, flags, *attributes)
            encode = self._known(key) or self._shapes.learn(key, attributes)
            if encode is None:
                return self._generic.span(data, more)
            if trace_id is not self._trace_id or parent_id is not self._parent_id:
                self._enter(trace_id, parent_id)
            others = self._context + more
            if links or message or trace_state or lost_attributes or lost_events or lost_links:
                others += self._generic.rest(data)
            elif events:
                others += b"".join(map(self._generic.event, events))
            encoded = encode(span_id, start, end, attributes.values(), others)
            if encoded is not None:
                return encoded
            encode = self._shapes.other(key, attributes)
            encoded = encode and encode(span_id, start, end, attributes.values(), others)
            return encoded or self._generic.span(data, more)
        except Exception:  # noqa: BLE001  odd ids, times or values: the generic encoder takes them, counts what it loses
            return self._any(data, more)

    def _enter(self, trace_id: int, parent_id: int) -> None:
        """Encode trace and parent id as fields; kept, because the spans of a decision share them."""
        parent = b'"\x08' + parent_id.to_bytes(8) if parent_id else b""
        self._context = b"\x0a\x10" + trace_id.to_bytes(16) + parent
        self._trace_id, self._parent_id = trace_id, parent_id

    def _any(self, data: SpanData, more: bytes) -> bytes:
        try:
            return self._generic.span(data, more)
        except Exception as error:  # noqa: BLE001  no span at all
            GUARD.failed(PLACE, error)
            return b""

    def event(self, event: EventData) -> bytes:
        """Return an event as a field of its span."""
        return self._generic.event(event)

    def text(self, key: str) -> Callable[[Any], bytes]:
        """Return what encodes texts under one key as a field of a span."""
        return self._generic.spans.of(key).text

    def inner(self, most: int, reserved: frozenset[str]) -> Shapes:
        """Return functions for the spans of a decision; see `Shapes` and `INNER`."""
        return Shapes(INNER, self._generic.spans, most=most, reserved=reserved)

    def rows(self, name: str, words: Sequence[str], doubles: Sequence[str]) -> Rows:
        """Return what encodes events that differ in some words and some doubles only."""
        return Rows(self._generic.events, name, words, doubles)

    def batch(self, groups: Mapping[Scope, Sequence[bytes]]) -> Batch:
        """Return one request that holds encoded spans by their scope."""
        body: list[bytes] = []
        number = size = 0
        for scope, spans in groups.items():
            kept = spans if all(spans) else [span for span in spans if span]
            if kept:
                name, schema = self._scope(scope)
                length = len(name) + len(schema) + sum(map(len, kept))
                head = b"\x12" + varint(length)
                body += [head, name, *kept, schema]
                size += len(head) + length
                number += len(kept)
        size += len(self._resource) + len(self._schema)
        return Batch(b"".join([b"\x0a", varint(size), self._resource, *body, self._schema]), number)

    def batches(
        self, groups: Mapping[Scope, Sequence[bytes]], max_bytes: int = MAX_BYTES, max_spans: int = MAX_SPANS
    ) -> Iterator[Batch]:
        """Yield as few requests of at most `max_bytes` and `max_spans` spans as keep the order of the spans.

        A span that alone exceeds `max_bytes` makes a request of its own.
        """
        part: dict[Scope, Sequence[bytes]] = {}
        fixed = len(self._resource) + len(self._schema) + LENGTHS
        size, number = fixed, 0
        for scope, given in groups.items():
            spans = given if all(given) else list(filter(None, given))
            overhead = sum(map(len, self._scope(scope))) + LENGTHS
            sizes = list(accumulate(map(len, spans), initial=0))
            first = 0
            while first < len(spans):
                room = sizes[first] + max_bytes - size - overhead
                last = min(bisect_right(sizes, room) - 1, first + max_spans - number)
                if last <= first and number:
                    yield self.batch(part)
                    part, size, number = {}, fixed, 0
                    continue
                last = max(last, first + 1)  # one that is too large alone
                part[scope] = spans[first:last]
                size += overhead + sizes[last] - sizes[first]
                number += last - first
                first = last
        if number:
            yield self.batch(part)

    def _scope(self, scope: Scope) -> tuple[bytes, bytes]:
        """Return the scope and its schema as fields of `ScopeSpans`."""
        known = self._scopes.get(scope)
        if known is None:
            version = field(0x12, name_text(scope.version)) if scope.version else b""
            schema = field(0x1A, name_text(scope.schema_url)) if scope.schema_url else b""
            known = field(0x0A, field(0x0A, name_text(scope.name)) + version), schema
            if len(self._scopes) >= SCOPES_LIMIT:
                self._scopes.clear()
            self._scopes[scope] = known
        return known


def _resource(attributes: Mapping[str, Value]) -> bytes:
    parts: list[bytes] = []
    lost = put_attributes(Attributes(0x0A, Values(None), Pool()), attributes, parts)
    return b"".join([*parts, count(0x10, 0, lost)])
