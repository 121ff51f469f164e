"""Our encoding of log records, decoded, is the official encoder's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import LogData, Scope, Signal
from ares_otel.pipeline.otlp.logs import LogEncoder

HIGHEST = (1 << 64) - 1
TEXT = st.text(max_size=12) | st.sampled_from(["filled", "é" * 70, "x" * 3_000, "\x00", "𝄞"])
SCALARS = (TEXT, st.integers(-(1 << 63), (1 << 63) - 1), st.floats(), st.booleans(), st.binary(max_size=8))
VALUES = st.recursive(
    st.one_of(SCALARS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TIMES = st.integers(0, HIGHEST) | st.sampled_from([0, HIGHEST, 1_790_000_000_000_000_000])
SCOPES = (Scope("bot.orders"), Scope("root", "2.32", "https://opentelemetry.io/schemas/1.37.0"), Scope(""))
RECORDS = st.builds(
    LogData,
    time=TIMES,
    observed=TIMES,
    severity=st.integers(1, 24),
    level=TEXT,
    body=VALUES,
    attributes=st.dictionaries(TEXT, VALUES, max_size=6),
    trace_id=st.integers(1, (1 << 128) - 1),
    span_id=st.integers(1, HIGHEST),
    event=TEXT,
    flags=st.sampled_from([0, 1]),
    dropped_attributes=st.sampled_from([0, 1, 300, (1 << 32) - 1]),
)


class Official(ReadableLogRecord):
    """A record of the SDK whose dropped count is given."""

    dropped_attributes = property(lambda self: self.log_record.lost)


class Record(LogRecord):
    """A record that also knows how many attributes were lost."""

    lost = 0


def official(data: LogData, scope: Scope, resource: Resource) -> ReadableLogRecord:
    """Return the same record as the SDK holds it."""
    where = SpanContext(data.trace_id, data.span_id, is_remote=False, trace_flags=TraceFlags(data.flags))
    record = Record(
        timestamp=data.time,
        observed_timestamp=data.observed,
        context=set_span_in_context(NonRecordingSpan(where)),
        severity_number=SeverityNumber(data.severity),
        severity_text=data.level,
        body=data.body,
        attributes=data.attributes,
        event_name=data.event,
    )
    record.lost = data.dropped_attributes
    return Official(record, resource, InstrumentationScope(scope.name, scope.version, scope.schema_url))


def decoded(encoder: LogEncoder, *records: LogData) -> Any:
    """Return records after encoding and decoding."""
    (batch,) = encoder.batches({Scope("bot"): [encoder.record(record) for record in records]})
    return ExportLogsServiceRequest.FromString(batch.body).resource_logs[0].scope_logs[0].log_records


def test_generated_records_equal_the_official_encoding() -> None:
    """Requests of generated records decode to what the official encoder's requests decode to."""
    compared = 0

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(records=st.lists(RECORDS, min_size=1, max_size=4), scope=st.sampled_from(SCOPES))
    def law(records: list[LogData], scope: Scope) -> None:
        nonlocal compared
        resource = Resource({"service.name": "bot", "host.cpus": 2})
        encoder = LogEncoder(resource.attributes)
        (batch,) = encoder.batches({scope: [encoder.record(record) for record in records]})
        expected = encode_logs([official(record, scope, resource) for record in records])
        assert (batch.spans, batch.signal) == (len(records), Signal.LOGS)
        ours = ExportLogsServiceRequest.FromString(batch.body)
        # in a form in which NaN equals itself
        assert ours.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
        compared += len(records)

    law()
    assert compared >= 150
    assert GUARD.counts() == {}


class Odd:
    """Nothing can be had of it."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_odd_records_are_not_lost() -> None:
    """Numbers out of range, absent ids and values that raise: the record arrives, and what was lost is counted."""
    attributes: Mapping[str, Any] = {"fine": 1, "odd": Odd()}
    odd = LogData(-1, 1 << 70, 99, "", None, attributes, dropped_attributes=3)

    (found,) = decoded(LogEncoder({}), odd)

    assert (found.time_unix_nano, found.observed_time_unix_nano, found.severity_number) == (0, HIGHEST, 0)
    assert not found.HasField("body")
    assert (found.trace_id, found.span_id, found.event_name) == (b"", b"", "")
    assert found.dropped_attributes_count == 3
    assert {each.key for each in found.attributes} == {"fine", "odd"}


def test_no_record_at_all() -> None:
    """What is no record is counted and left out of the request."""
    encoder = LogEncoder({})

    assert encoder.record(None) == b""  # type: ignore[arg-type]
    assert GUARD.counts() == {"otlp": 1}


@pytest.mark.parametrize(("limit", "expected"), [(3, "abc"), (None, "abcdef")])
def test_attributes_are_bounded(limit: int | None, expected: str) -> None:
    """Texts of attributes are cut at the limit; the body has a limit of its own before."""
    (found,) = decoded(LogEncoder({}, limit), LogData(1, 1, 9, "INFO", "abcdef", {"said": "abcdef"}))

    assert (found.body.string_value, found.attributes[0].value.string_value) == ("abcdef", expected)
