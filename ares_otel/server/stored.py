"""Spans as they are read back: plain Python, nothing of protobuf left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ares_otel.server.values import plain_map
from ares_otel.server.views import FullResource, SpanView

__all__ = ["Said", "StoredEvent", "StoredSpan", "read_spans"]

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


def read_spans(resource: bytes, content: bytes) -> Iterator[StoredSpan]:
    """Yield the spans of a frame's content after the resource that it belongs to."""
    whole = FullResource.FromString(resource + content)
    said = plain_map(whole.resource.attributes)
    for scope in whole.scope_spans:
        for span in scope.spans:
            yield _stored(span, scope.scope.name, said)


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
