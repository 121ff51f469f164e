"""From the bytes of an OTLP log request to records that a table can hold.

`ResourceLogs` and `ScopeLogs` have the field numbers of `ResourceSpans` and `ScopeSpans`, so the same narrow view reads
them, and a resource is the same bytes in both.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import Any, Final, NamedTuple

import msgspec
from google.protobuf.message import DecodeError

from ares_otel.semconv import attributes as a
from ares_otel.server.otlp.decode import LATEST, Decoded, resource_header
from ares_otel.server.otlp.values import plain, text
from ares_otel.server.otlp.views import AttributeMap, FullLog, FullScope, LogView, RawRequest
from ares_otel.server.otlp.wire import RequestError

__all__ = ["LogRecord", "decode_logs"]

BODY_LIMIT: Final = 8_192
TEXT_LIMIT: Final = 1_024
COUNT_LIMIT: Final = 64
NAME_LIMIT: Final = 256
TRACE_BYTES, SPAN_BYTES = 16, 8
CORRELATIONS: Final = (a.CORRELATION_ID.key, "correlation_id", "correlation.id")
CUT: Final = "ares.cut"


class LogRecord(NamedTuple):
    """A log record, bounded; what is unknown is None.

    Attributes:
        time: Unix ns.
        digest: 64 bits of all that it says, by which it is known when it comes again.
        severity: OTLP's number, 1 to 24.
        logger: name of the scope, which is that of the logger.
        body: text, or JSON of what is no text.
        trace: 16 bytes.
        span: 8 bytes.
        correlation: id of the decision it belongs to.
        resource: as `Source.resource`.
        attributes: JSON object.
    """

    time: int
    digest: int
    severity: int | None
    logger: str | None
    body: str | None
    trace: bytes | None
    span: bytes | None
    correlation: str | None
    resource: bytes
    attributes: str | None


def decode_logs(body: bytes) -> Decoded:
    """Return the records of an `ExportLogsServiceRequest`.

    Raises:
        RequestError: 400 for bytes that are none.
    """
    try:
        request = RawRequest.FromString(body)
        found: list[LogRecord] = []
        problems: Counter[str] = Counter()
        for part in request.resource_spans:
            resource = resource_header(part.resource, part.schema_url)
            for scope in part.scope_spans:
                logger = FullScope.FromString(scope.scope).name[:NAME_LIMIT] or None
                for raw in scope.spans:
                    record = _record(raw, FullLog.FromString(raw), logger, resource)
                    if record is None:
                        problems["a time out of range"] += 1
                    else:
                        found.append(record)
    except DecodeError as error:
        raise RequestError(400, f"the body is no ExportLogsServiceRequest: {error}") from error
    reason = "; ".join(f"{number} with {problem}" for problem, number in problems.items())
    return Decoded({}, problems.total(), reason, tuple(found))


def _record(raw: bytes, log: LogView, logger: str | None, resource: bytes) -> LogRecord | None:
    # a record that has neither time is taken as new, so it cannot be known when it comes again
    moment = log.time_unix_nano or log.observed_time_unix_nano or time.time_ns()
    if moment >= LATEST:
        return None
    facts = log.attributes
    digest = hashlib.blake2b(raw, digest_size=8, key=hashlib.blake2b(resource, digest_size=32).digest()).digest()
    return LogRecord(
        time=moment,
        digest=int.from_bytes(digest, "big", signed=True),
        severity=log.severity_number if 0 < log.severity_number < 25 else None,  # noqa: PLR2004  OTLP's numbers
        logger=logger,
        body=_body(log),
        trace=log.trace_id if len(log.trace_id) == TRACE_BYTES and any(log.trace_id) else None,
        span=log.span_id if len(log.span_id) == SPAN_BYTES and any(log.span_id) else None,
        correlation=next((found[:NAME_LIMIT] for key in CORRELATIONS if (found := text(facts, key))), None),
        resource=resource,
        attributes=_json(facts) if facts else None,
    )


def _body(log: LogView) -> str | None:
    said = plain(log.body)
    if said is None:
        return log.event_name[:NAME_LIMIT] or None
    found = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    return found if len(found) <= BODY_LIMIT else f"{found[: BODY_LIMIT - 1]}…"


def _json(facts: AttributeMap) -> str:
    """Return attributes as JSON; `ares.cut` counts those that were left out or shortened."""
    cut = max(len(facts) - COUNT_LIMIT, 0)
    said: dict[str, Any] = {}
    for key in sorted(facts)[:COUNT_LIMIT]:
        value = plain(facts[key])
        large = len(value if isinstance(value, str) else msgspec.json.encode(value)) > TEXT_LIMIT
        cut += large
        if not large:
            said[key[:NAME_LIMIT]] = value
        elif isinstance(value, str):
            said[key[:NAME_LIMIT]] = value[:TEXT_LIMIT]
    return msgspec.json.encode(said | {CUT: cut} if cut else said).decode()
