"""From the bytes of a request to spans by trace, checked so far that the store can take every one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from ares_otel.server.otlp.views import FullRequest, RawRequest, SpanView
from ares_otel.server.otlp.wire import RequestError, length_delimited

__all__ = ["LATEST", "Decoded", "Entry", "Source", "Traces", "decode", "resource_header"]

TRACE_BYTES, SPAN_BYTES = 16, 8
NO_TRACE, NO_SPAN = bytes(TRACE_BYTES), bytes(SPAN_BYTES)
LATEST = (1 << 63) - (1 << 30)
"""Times have to fit a signed 64-bit row id with room for rows that move apart."""

RESOURCE, SCOPE, SCHEMA = 1, 1, 3


class Source(NamedTuple):
    """Where spans came from, as protobuf fields in front of the spans in `ResourceSpans` and `ScopeSpans`."""

    resource: bytes
    scope: bytes


Entry: TypeAlias = tuple[SpanView, bytes, Source]
"""A span as it is looked at, as it came, and its source."""

Traces: TypeAlias = dict[bytes, dict[bytes, Entry]]
"""Spans by trace id and span id."""


class Decoded(NamedTuple):
    """A request's spans or log records (`logs.LogRecord`); how many were refused, and why; bytes it came in."""

    traces: Traces
    rejected: int
    reason: str
    logs: tuple[Any, ...] = ()
    size: int = 0


def decode(body: bytes) -> Decoded:
    """Return the spans of an `ExportTraceServiceRequest`; of a span that comes twice the first.

    Raises:
        RequestError: 400 for bytes that are none.
    """
    try:
        raw, full = RawRequest.FromString(body), FullRequest.FromString(body)
    except DecodeError as error:
        raise RequestError(400, f"the body is no ExportTraceServiceRequest: {error}") from error
    traces: Traces = {}
    problems: Counter[str] = Counter()
    for raw_resource, full_resource in zip(raw.resource_spans, full.resource_spans, strict=True):
        resource = resource_header(raw_resource.resource, raw_resource.schema_url)
        for raw_scope, full_scope in zip(raw_resource.scope_spans, full_resource.scope_spans, strict=True):
            source = Source(resource, _header(SCOPE, raw_scope.scope, raw_scope.schema_url))
            _take(traces, zip(full_scope.spans, raw_scope.spans, strict=True), source, problems)
    reason = "; ".join(f"{number} with {problem}" for problem, number in problems.most_common())
    return Decoded(traces, problems.total(), reason, size=len(body))


def _take(traces: Traces, spans: Iterable[tuple[SpanView, bytes]], source: Source, problems: Counter[str]) -> None:
    last, known = b"", dict[bytes, Entry]()
    for span, raw in spans:
        trace, span_id, start = span.trace_id, span.span_id, span.start_time_unix_nano
        if (
            (trace == last or (len(trace) == TRACE_BYTES and trace != NO_TRACE))
            and len(span_id) == SPAN_BYTES
            and 0 < start < LATEST > span.end_time_unix_nano
            and span_id != NO_SPAN
        ):
            # the spans of a trace mostly come together
            if trace != last:
                last, known = trace, traces.setdefault(trace, {})
            known.setdefault(span_id, (span, raw, source))
        else:
            problems[_problem(span)] += 1


def _problem(span: SpanView) -> str:
    if len(span.trace_id) != TRACE_BYTES or span.trace_id == NO_TRACE:
        return "a trace id that is not 16 bytes or all zero"
    if len(span.span_id) != SPAN_BYTES or span.span_id == NO_SPAN:
        return "a span id that is not 8 bytes or all zero"
    return "a time out of range"


def resource_header(message: bytes, schema_url: bytes) -> bytes:
    """Return a resource as the fields that stand in front of the spans of a `ResourceSpans`."""
    return _header(RESOURCE, message, schema_url)


def _header(number: int, message: bytes, schema_url: bytes) -> bytes:
    header = length_delimited(number, message) if message else b""
    return header + length_delimited(SCHEMA, schema_url) if schema_url else header
