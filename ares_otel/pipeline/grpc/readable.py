"""OTLP back to spans of the SDK, for the official exporter; needs the `[grpc]` extra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from ares_otel.pipeline.model import Value

__all__ = ["readable_spans"]

TRACE_FLAGS, IS_REMOTE = 0xFF, 0x200
T = TypeVar("T")


def readable_spans(body: bytes) -> list[ReadableSpan]:
    """Return the spans of an `ExportTraceServiceRequest`; of the flags, the official exporter keeps only "remote".

    Raises:
        google.protobuf.message.DecodeError: the bytes are no such request.
    """
    request = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in _scope(resource_spans, scope_spans)
    ]


def _scope(resource_spans: ResourceSpans, scope_spans: ScopeSpans) -> Iterator[ReadableSpan]:
    resource = Resource(_mapping(resource_spans.resource.attributes), resource_spans.schema_url)
    scope = scope_spans.scope
    library = InstrumentationScope(scope.name, scope.version, scope_spans.schema_url, _mapping(scope.attributes))
    return (_span(span, resource, library) for span in scope_spans.spans)


def _span(span: Span, resource: Resource, library: InstrumentationScope) -> ReadableSpan:
    status = StatusCode(span.status.code)
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, span.flags, span.trace_state),
        parent=_context(span.trace_id, span.parent_span_id, span.flags) if span.parent_span_id else None,
        resource=resource,
        attributes=_bounded(span.attributes, span.dropped_attributes_count),
        events=_list((_event(event) for event in span.events), span.dropped_events_count),
        links=_list((_link(link) for link in span.links), span.dropped_links_count),
        kind=SpanKind(max(0, span.kind - 1)),
        status=Status(status, span.status.message if status is StatusCode.ERROR else None),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=library,
    )


def _event(event: Span.Event) -> Event:
    return Event(event.name, _bounded(event.attributes, event.dropped_attributes_count), event.time_unix_nano)


def _link(link: Span.Link) -> Link:
    context = _context(link.trace_id, link.span_id, link.flags, link.trace_state)
    return Link(context, _bounded(link.attributes, link.dropped_attributes_count))


def _context(trace_id: bytes, span_id: bytes, flags: int, state: str = "") -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        bool(flags & IS_REMOTE),
        TraceFlags(flags & TRACE_FLAGS),
        TraceState.from_header([state]) if state else None,
    )


def _list(items: Iterable[T], dropped: int) -> Sequence[T]:
    """Return what the SDK counts dropped items with; it calls the list a sequence."""
    found = list(items)
    bounded: BoundedList[T] = BoundedList.from_seq(max(1, len(found)), found)
    bounded.dropped = dropped
    return bounded


def _bounded(pairs: Iterable[KeyValue], dropped: int) -> Mapping[str, Value]:
    """Return the attributes in what the SDK counts dropped ones with, where there are any."""
    attributes = _mapping(pairs)
    if not dropped:
        return attributes
    bounded = BoundedAttributes(attributes=attributes)
    bounded.dropped += dropped
    return bounded


def _mapping(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _mapping(value.kvlist_value.values)
    scalar: Value = getattr(value, kind)
    return scalar
