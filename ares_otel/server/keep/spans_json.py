"""Spans as OTLP/JSON, one `ResourceSpans` a line: what OpenTelemetry's file exporters write and receivers read."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from ares_otel.server.story.reading import SpanReader

__all__ = ["resource_spans", "to_json", "to_line"]

IDS: Final = ("traceId", "spanId", "parentSpanId")
ENCODER: Final = msgspec.json.Encoder()


def resource_spans(reader: SpanReader, since: int, until: int) -> Iterator[ResourceSpans]:
    """Yield the spans that began in [since, until) Unix ns, in the order in which they came."""
    for resource, content in reader.segments():
        message = ResourceSpans.FromString(resource + content)
        for scope in message.scope_spans:
            wanted = [span for span in scope.spans if since <= span.start_time_unix_nano < until]
            if len(wanted) < len(scope.spans):
                kept = [type(span).FromString(span.SerializeToString()) for span in wanted]
                del scope.spans[:]
                scope.spans.extend(kept)
        if any(scope.spans for scope in message.scope_spans):
            yield message


def to_line(message: ResourceSpans) -> bytes:
    """Return a message as a line of an export: an OTLP/JSON request."""
    return ENCODER.encode({"resourceSpans": [to_json(message)]}) + b"\n"


def to_json(message: ResourceSpans) -> dict[str, Any]:
    """Return a message as OTLP/JSON: ids in hexadecimal, enumerations as numbers."""
    found: dict[str, Any] = json_format.MessageToDict(message, use_integers_for_enums=True)
    for scope in found.get("scopeSpans", ()):
        for span in scope.get("spans", ()):
            _translate(span)
            for link in span.get("links", ()):
                _translate(link)
    return found


def _translate(holder: dict[str, Any]) -> None:
    for name in IDS:
        if name in holder:
            holder[name] = base64.b64decode(holder[name]).hex()
