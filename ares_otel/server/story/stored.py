"""Spans as they are read back: plain Python, nothing of protobuf left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from ares_otel.server.otlp.values import plain_map
from ares_otel.server.otlp.views import FullResource, FullScope, FullSpan, HeadResource, RawResource, SpanView

__all__ = ["Frame", "Said", "StoredEvent", "StoredSpan", "Wanted"]

FAILED = 2


class Said(msgspec.Struct, frozen=True):
    """What has a name and attributes."""

    name: str
    attributes: dict[str, Any]

    def text(self, key: str) -> str | None:
        """Return an attribute that is a text and not empty, or None."""
        found = self.attributes.get(key)
        return found if isinstance(found, str) and found else None


class StoredEvent(Said, frozen=True):
    """A span event; `time` in Unix ns."""

    time: int


class StoredSpan(Said, frozen=True):
    """A span; ids in hexadecimal (`parent` "": none), `start` and `end` in Unix ns, `resource` what sent it."""

    trace: str
    span: str
    parent: str
    start: int
    end: int
    events: tuple[StoredEvent, ...]
    failed: bool
    message: str
    scope: str
    resource: dict[str, Any]


Wanted: TypeAlias = Callable[[bytes, bytes], bool]
"""Tells from the trace id and the bytes of a span whether it is wanted."""


class Frame:
    """The spans of a frame, each decoded once, when it is first wanted.

    Attributes:
        resource: what sent them.

    Args:
        source: the resource that the frame belongs to, as it is stored.
        content: of the frame.
        resource: the source decoded, if it was.
    """

    def __init__(self, source: bytes, content: bytes, resource: dict[str, Any] | None = None) -> None:
        if resource is None:
            resource = plain_map(FullResource.FromString(source).resource.attributes)
        self.resource = resource
        self._raw = tuple(_raw(content))
        self._decoded: dict[int, StoredSpan] = {}

    def spans(self, wanted: Wanted) -> Iterator[StoredSpan]:
        """Yield the wanted spans."""
        for place, (trace, scope, data) in enumerate(self._raw):
            if wanted(trace, data):
                found = self._decoded.get(place)
                if found is None:
                    found = self._decoded[place] = _stored(FullSpan.FromString(data), scope, self.resource)
                yield found


def _raw(content: bytes) -> Iterator[tuple[bytes, str, bytes]]:
    """Yield trace id, name of the scope and bytes of each span."""
    heads = HeadResource.FromString(content)
    for raw, head in zip(RawResource.FromString(content).scope_spans, heads.scope_spans, strict=True):
        scope = FullScope.FromString(raw.scope).name
        for data, ids in zip(raw.spans, head.spans, strict=True):
            yield ids.trace_id, scope, data


def _stored(span: SpanView, scope: str, resource: dict[str, Any]) -> StoredSpan:
    events = (StoredEvent(event.name, plain_map(event.attributes), event.time_unix_nano) for event in span.events)
    return StoredSpan(
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=plain_map(span.attributes),
        events=tuple(events),
        failed=span.status.code == FAILED,
        message=span.status.message,
        scope=scope,
        resource=resource,
    )
