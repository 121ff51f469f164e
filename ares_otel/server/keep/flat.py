"""A span as one row: its own fields as columns, attributes, events, links, scope and resource as OTLP/JSON in texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from ares_otel.server.keep.columns import Kind, rfc3339
from ares_otel.server.keep.spans_json import to_json

__all__ = ["SPAN_SHAPE", "flat_rows", "span_request"]

SPAN_SHAPE: Final[tuple[tuple[str, Kind], ...]] = (
    ("trace_id", "text"),
    ("span_id", "text"),
    ("parent_span_id", "text"),
    ("name", "text"),
    ("kind", "integer"),
    ("time", "time"),
    ("time_ns", "integer"),
    ("end", "time"),
    ("end_ns", "integer"),
    ("status", "text"),
    ("attributes", "text"),
    ("events", "text"),
    ("links", "text"),
    ("more", "text"),
    ("scope", "text"),
    ("resource", "text"),
)
"""Columns of a span; `status`, `attributes`, `events`, `links`, `more`, `scope`, `resource` are OTLP/JSON."""

PLAIN: Final = {
    "trace_id": "traceId",
    "span_id": "spanId",
    "parent_span_id": "parentSpanId",
    "name": "name",
    "kind": "kind",
}
JSON: Final = ("status", "attributes", "events", "links")
KNOWN: Final = {*PLAIN.values(), *JSON, "startTimeUnixNano", "endTimeUnixNano"}


def flat_rows(messages: Iterable[ResourceSpans]) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each span."""
    for message in messages:
        told = to_json(message)
        resource = _text({key: told[key] for key in ("resource", "schemaUrl") if key in told})
        for scope in told.get("scopeSpans", ()):
            said = _text({key: scope[key] for key in ("scope", "schemaUrl") if key in scope})
            for span in scope.get("spans", ()):
                yield (*_row(span), said, resource)


def _row(span: dict[str, Any]) -> Iterator[Any]:
    for key in PLAIN.values():
        yield span.get(key)
    for key in ("startTimeUnixNano", "endTimeUnixNano"):
        time = int(span.get(key, 0))
        yield from (rfc3339(time), time)
    for key in JSON:
        yield _text(span.get(key))
    yield _text({key: value for key, value in span.items() if key not in KNOWN})


def _text(told: Any) -> str | None:
    return msgspec.json.encode(told).decode() if told else None


def span_request(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as an OTLP/JSON request of one span.

    Raises:
        ValueError: a text is no JSON; the message begins with the name of the column.
    """
    span = {key: row[name] for name, key in PLAIN.items() if row.get(name) not in {None, ""}}
    span |= {"startTimeUnixNano": str(row["time_ns"]), "endTimeUnixNano": str(row.get("end_ns") or row["time_ns"])}
    span |= {key: found for key in JSON if (found := _json(row, key)) is not None}
    span |= _json(row, "more") or {}
    scope = {**(_json(row, "scope") or {}), "spans": [span]}
    return {"resourceSpans": [{**(_json(row, "resource") or {}), "scopeSpans": [scope]}]}


def _json(row: dict[str, Any], name: str) -> Any:
    text = row.get(name)
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(f"{name}: expected OTLP/JSON, got {text!r:.60}: {error}") from error
