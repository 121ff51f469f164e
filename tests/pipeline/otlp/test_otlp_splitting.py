"""Halves of a request hold what it held, in its order, under the same resources and scopes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ares_otel.pipeline.model import Batch, Scope, Signal, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.otlp.splitting import halves

SIZES = st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=3)


def request_of(sizes: list[list[int]], signal: Signal) -> Batch:
    """Return a request with so many items in each scope of each resource."""
    request: Any = ExportLogsServiceRequest() if signal is Signal.LOGS else ExportTraceServiceRequest()
    count = 0
    for number, scopes in enumerate(sizes):
        resource = (request.resource_logs if signal is Signal.LOGS else request.resource_spans).add()
        resource.schema_url = f"schema {number}"
        resource.resource.attributes.add(key="number").value.int_value = number
        for at, size in enumerate(scopes):
            scope = (resource.scope_logs if signal is Signal.LOGS else resource.scope_spans).add(schema_url="s" * 200)
            scope.scope.name = f"scope {at}"
            for _ in range(size):
                if signal is Signal.LOGS:
                    scope.log_records.add(event_name=str(count), time_unix_nano=count)
                else:
                    scope.spans.add(name=str(count), span_id=count.to_bytes(8, "big"))
                count += 1
    return Batch(request.SerializeToString(), count, signal)


def told(batch: Batch) -> list[tuple[str, ...]]:
    """Return the items of a request with all that is around them."""
    if batch.signal is Signal.LOGS:
        return [
            (str(part.resource), part.schema_url, str(scope.scope), scope.schema_url, str(item))
            for part in ExportLogsServiceRequest.FromString(batch.body).resource_logs
            for scope in part.scope_logs
            for item in scope.log_records
        ]
    return [
        (str(part.resource), part.schema_url, str(scope.scope), scope.schema_url, str(item))
        for part in ExportTraceServiceRequest.FromString(batch.body).resource_spans
        for scope in part.scope_spans
        for item in scope.spans
    ]


@given(SIZES, st.sampled_from(Signal))
def test_halves(sizes: list[list[int]], signal: Signal) -> None:
    """Nothing is lost, doubled, or put under another resource or scope; each half says how much it holds."""
    batch = request_of(sizes, signal)
    found = halves(batch)
    if batch.spans < 2:
        assert found is None
        return
    assert found is not None
    first, second = found
    assert (first.spans, second.spans) == (batch.spans // 2, batch.spans - batch.spans // 2)
    assert (first.signal, second.signal) == (signal, signal)
    assert told(first) + told(second) == told(batch)
    assert len(told(first)) == first.spans


def test_our_own_requests() -> None:
    """What the encoder makes can be split down to single spans."""
    encoder = Encoder({"service.name": "bot"})
    made = [encoder.span(SpanData(1, number, 0, f"span {number}", 1, 1, 2, {"a": "b"})) for number in range(1, 10)]
    (whole,) = encoder.batches({Scope("one"): made[:5], Scope("two"): made[5:]})
    waiting, single = [whole], []
    while waiting:
        batch = waiting.pop(0)
        found = halves(batch)
        if found is None:
            single.append(batch)
        else:
            waiting = [*found, *waiting]
    assert [batch.spans for batch in single] == [1] * 9
    assert [item for batch in single for item in told(batch)] == told(whole)


@pytest.mark.parametrize(
    "body",
    [b"garbage", b"\x08\x01", b"\x82\x01\x00", b"\x0a\x04\x12\x02\x08\x01", b""],
    ids=["no message", "number", "long tag", "number inside", "empty"],
)
def test_what_is_no_request_stays_whole(body: bytes) -> None:
    """Nobody guesses; nor where the count is another one."""
    assert halves(Batch(body, 4)) is None
    assert halves(request_of([[3]], Signal.TRACES)._replace(spans=4)) is None
