"""OTLP/JSON to OTLP/protobuf by the official runtime.

OTLP leaves protobuf's JSON in one place that the runtime does not know: ids are hexadecimal, not base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ares_otel.server.otlp.wire import RequestError

__all__ = ["to_protobuf"]

IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def to_protobuf(body: bytes) -> bytes:
    """Return an OTLP/JSON trace request as protobuf bytes; unknown fields are left out, as OTLP asks.

    An id that is no hexadecimal text becomes an empty one, which is refused with its span and not with the request.

    Raises:
        RequestError: 400 for what is no such request.
    """
    try:
        given = msgspec.json.decode(body)
        for span in _spans(given):
            _translate_ids(span)
            for link in _objects(span, "links"):
                _translate_ids(link)
        request = json_format.ParseDict(given, ExportTraceServiceRequest(), ignore_unknown_fields=True)
        return request.SerializeToString()
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error, msgspec.MsgspecError) as error:
        raise RequestError(400, f"the body is no OTLP/JSON trace request: {error}") from error


def _spans(request: Any) -> Iterator[dict[str, Any]]:
    for resource in _objects(request, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            yield from _objects(scope, "spans")


def _objects(parent: Any, *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        found = parent.get(name)
        for each in found if isinstance(found, list) else ():
            if isinstance(each, dict):
                yield each


def _translate_ids(holder: dict[str, Any]) -> None:
    for name in IDS:
        if name in holder:
            holder[name] = base64.b64encode(_unhex(holder[name])).decode()


def _unhex(digits: object) -> bytes:
    try:
        return bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        return b""
