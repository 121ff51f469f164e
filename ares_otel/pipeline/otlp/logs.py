"""Log records to bytes; equal to the official encoder after decoding.

`ResourceLogs` and `ScopeLogs` have the field numbers of `ResourceSpans` and `ScopeSpans`, so that encoded records are
put into requests as encoded spans are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import Batch, LogData, Scope, Signal, Value
from ares_otel.pipeline.otlp.attributes import Attributes, Pool
from ares_otel.pipeline.otlp.encoder import LENGTH_LIMIT, MAX_BYTES, MAX_SPANS, Encoder
from ares_otel.pipeline.otlp.generic import count, put_attributes
from ares_otel.pipeline.otlp.values import Values
from ares_otel.pipeline.otlp.wire import MASK_32, MASK_64, PLACE, clamped, field, identifier, name_text

__all__ = ["LogEncoder"]

SEVERITIES = 25
PACK_TIMES = struct.Struct("<cQcQ").pack
PACK_FLAGS = struct.Struct("<cI").pack


class LogEncoder:
    """Encodes log records as OTLP.

    Not for use by several threads at a time. No method raises for what a record holds.

    Args:
        resource: attributes of the resource; not cut.
        attribute_length_limit: strings are cut to as many characters, bytes to as many bytes; `None`: not at all.
    """

    def __init__(self, resource: Mapping[str, Value], attribute_length_limit: int | None = LENGTH_LIMIT) -> None:
        limit = None if attribute_length_limit is None else max(attribute_length_limit, 0)
        self._requests = Encoder(resource)
        self._bodies = Values(None)
        self._attributes = Attributes(0x32, Values(limit), Pool())

    def record(self, data: LogData) -> bytes:
        """Return a record as a field of `ScopeLogs`: tag, length and body; empty if it is no `LogData` at all."""
        try:
            return field(0x12, self._record(data))
        except Exception as error:  # noqa: BLE001  what a bot logs may raise anything
            GUARD.failed(PLACE, error)
            return b""

    def _record(self, data: LogData) -> bytes:
        parts = [PACK_TIMES(b"\x09", clamped(data.time, MASK_64), b"\x59", clamped(data.observed, MASK_64))]
        severity = clamped(data.severity, MASK_32)
        if 0 < severity < SEVERITIES:
            parts.append(b"\x10%c" % severity)
        if data.level:
            parts.append(field(0x1A, name_text(data.level)))
        if data.body is not None:
            parts.append(field(0x2A, self._bodies.any_value(data.body)))
        lost = put_attributes(self._attributes, data.attributes, parts)
        parts.append(count(0x38, data.dropped_attributes, lost))
        if data.flags:
            parts.append(PACK_FLAGS(b"\x45", clamped(data.flags, MASK_32)))
        if data.trace_id:
            parts.append(b"\x4a\x10" + identifier(data.trace_id, 16))
        if data.span_id:
            parts.append(b"\x52\x08" + identifier(data.span_id, 8))
        if data.event:
            parts.append(field(0x62, name_text(data.event)))
        return b"".join(parts)

    def batches(
        self, groups: Mapping[Scope, Sequence[bytes]], max_bytes: int = MAX_BYTES, max_records: int = MAX_SPANS
    ) -> Iterator[Batch]:
        """Yield as few requests of at most `max_bytes` and `max_records` records as keep the order of each logger."""
        for batch in self._requests.batches(groups, max_bytes, max_records):
            yield batch._replace(signal=Signal.LOGS)
