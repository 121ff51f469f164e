"""OTLP/JSON to OTLP/protobuf by the official runtime.

OTLP leaves protobuf's JSON in one place that the runtime does not know: ids are hexadecimal, not base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ares_otel.server.otlp.wire import RequestError

__all__ = ["logs_to_protobuf", "to_protobuf"]

IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def logs_to_protobuf(body: bytes) -> bytes:
    """Return an OTLP/JSON log request as protobuf bytes, as `to_protobuf` does.

    Raises:
        RequestError: 400 for what is no such request.
    """
    return _converted(body, _logs, ExportLogsServiceRequest(), "log")


def to_protobuf(body: bytes) -> bytes:
    """Return an OTLP/JSON trace request as protobuf bytes; unknown fields are left out, as OTLP asks.

    An id that is no hexadecimal text becomes an empty one, which is refused with its span and not with the request.

    Raises:
        RequestError: 400 for what is no such request.
    """
    return _converted(body, _spans, ExportTraceServiceRequest(), "trace")


def _converted(body: bytes, holders: Callable[[Any], Iterable[dict[str, Any]]], into: Message, what: str) -> bytes:
    try:
        given = msgspec.json.decode(body)
        for holder in holders(given):
            _translate_ids(holder)
            for link in _objects(holder, "links"):
                _translate_ids(link)
        return json_format.ParseDict(given, into, ignore_unknown_fields=True).SerializeToString()
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error, msgspec.MsgspecError) as error:
        raise RequestError(400, f"the body is no OTLP/JSON {what} request: {error}") from error


def _logs(request: Any) -> Iterator[dict[str, Any]]:
    for resource in _objects(request, "resourceLogs", "resource_logs"):
        for scope in _objects(resource, "scopeLogs", "scope_logs"):
            yield from _objects(scope, "logRecords", "log_records")


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
