"""Spans of other people's instrumentations, by the official instrumentation of `requests` against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

import ares_otel as ares
from ares_otel.correlation import context as ctx
from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, Scope, SpanData
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.pipeline.sdk import AresProcessor, AresSampler, to_span_data
from ares_otel.testing import Capture

STATE = TraceState([("vendor", "x")])
ABOVE = SpanContext(1 << 100, 5, is_remote=True, trace_flags=TraceFlags(1), trace_state=STATE)

BOT = """
import json, os, sys
import requests
import ares_otel as ares
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor

own = None
if "own" in sys.argv:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    own = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
    provider.add_span_processor(SimpleSpanProcessor(own))
    trace.set_tracer_provider(provider)

from ares_otel.setup import api

RequestsInstrumentor().instrument()
url, sampler = sys.argv[1:3]
handle = ares.setup(overrides={"exporter.enabled": False, "metrics.enabled": False, "ledger.enabled": False,
                               "recorder.drain_interval": 60, "sampling.sampler": sampler})
finished = []
telemetry = api.active()
telemetry.desk.out.put = lambda scope, spans: finished.extend((scope.name, span) for span in spans)

def call(path):
    requests.get(url + path, timeout=20)

call("/outside")
with ares.decision(symbol="BTC", strategy="plain") as plain:
    call("/plain")
    with plain.stage("analyst"):
        call("/stage")
with ares.decision(symbol="BTC", strategy="order") as order:
    call("/order")
    order.order("c1", side="buy", type="market", quantity=1)
ares.flush(20.0)
print(json.dumps({
    "spans": [
        {"scope": scope, "name": span.name, "kind": span.kind, "trace": f"{span.trace_id:032x}",
         "id": f"{span.span_id:016x}", "parent": f"{span.parent_id:016x}" if span.parent_id else None,
         "correlation": span.attributes.get("ares.correlation.id"), "decision": span.attributes.get("ares.decision.id"),
         "strategy": span.attributes.get("ares.strategy"),
         "path": str(span.attributes.get("http.url") or span.attributes.get("url.full") or "").removeprefix(url)}
        for scope, span in finished
    ],
    "theirs": sorted(str(span.attributes.get("http.url") or span.attributes.get("url.full")).removeprefix(url)
                     for span in (own.get_finished_spans() if own else ())),
    "provider": type(trace.get_tracer_provider()).__module__,
}))
"""


class Server(ThreadingHTTPServer):
    """Keeps the headers of each request by its path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: dict[str, dict[str, str]] = {}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        """Keep the headers."""
        self.server.headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class calls it
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a running server."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def run(server: Server, sampler: str, *options: str) -> dict[str, Any]:
    """Run the bot and return what it tells, its spans by path or strategy."""
    url = f"http://127.0.0.1:{server.server_port}"
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-c", BOT, url, sampler, *options]
    made = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=90)
    assert made.returncode == 0, made.stderr
    told: dict[str, Any] = json.loads(made.stdout)
    told["by"] = {
        span["path"] or (span["strategy"] if span["name"] == "decision" else span["name"]): span
        for span in told["spans"]
    }
    return told


@pytest.mark.parametrize("own", [(), ("own",)], ids=["ours", "the application's"])
def test_requests_inside_a_decision(server: Server, own: tuple[str, ...]) -> None:
    """Same trace, right parent, correlation id; the server gets context and baggage; with either provider."""
    told = run(server, "always_on", *own)
    by = told["by"]
    plain, analyst, order = by["plain"], by["analyst"], by["order"]
    for path, decision, parent in (("/plain", plain, plain), ("/stage", plain, analyst), ("/order", order, order)):
        span = by[path]
        assert (span["trace"], span["parent"]) == (decision["trace"], parent["id"])
        assert (span["correlation"], span["decision"]) == (decision["correlation"], decision["decision"])
        assert span["kind"] == 3
        assert span["scope"] == "opentelemetry.instrumentation.requests"
        headers = server.headers[path]
        assert headers["traceparent"] == f"00-{span['trace']}-{span['id']}-01"
        assert f"ares.correlation.id={span['correlation']}" in headers["baggage"]
    assert plain["trace"] != order["trace"]

    outside = by["/outside"]
    assert (outside["parent"], outside["correlation"]) == (None, None)
    assert "baggage" not in server.headers["/outside"]
    assert len(told["spans"]) == 4 + 3 + 1
    assert told["theirs"] == (["/order", "/outside", "/plain", "/stage"] if own else [])


def test_requests_in_decisions_that_are_not_sampled(server: Server) -> None:
    """Foreign spans share the fate of their decision: gone with a plain one, kept with one that orders."""
    told = run(server, "always_off")
    assert sorted(span["path"] or span["name"] for span in told["spans"]) == ["/order", "decision", "order submit"]
    assert told["by"]["/order"]["trace"] == told["by"]["order"]["trace"]
    assert {int(headers["traceparent"][-2:], 16) & 1 for headers in server.headers.values()} == {0}


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """Return a provider with our processor and our sampler, as `setup()` makes it."""
    made = TracerProvider(sampler=AresSampler(RECORDER.sampled), shutdown_on_exit=False)
    made.add_span_processor(AresProcessor(lambda _: True))
    yield made
    made.shutdown()


def test_everything_of_a_span_is_carried_over(ares_capture: Capture) -> None:
    """Name, kind, times, attributes, events, links, status, state, flags, and what the SDK has dropped."""
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1)
    made = TracerProvider(sampler=ALWAYS_ON, span_limits=limits, shutdown_on_exit=False)
    made.add_span_processor(AresProcessor(lambda _: True))
    tracer = made.get_tracer("theirs", "1.2", "https://schema")
    link = SpanContext(9, 8, is_remote=False, trace_flags=TraceFlags(1))
    span = tracer.start_span(
        "call",
        Context({ctx.SPAN_KEY: NonRecordingSpan(ABOVE)}),
        SpanKind.PRODUCER,
        {"a": 1, "b": [1.5, 2.5], "c": "third"},
        [Link(link, {"l": "first"}), Link(link)],
        start_time=1_000,
    )
    span.add_event("first", {"x": 1}, timestamp=1_500)
    span.add_event("second", {"y": 2}, timestamp=1_600)
    span.set_status(StatusCode.ERROR, "broken")
    span.end(2_000)

    ares_capture.drain()
    (found,) = ares_capture.finished
    own = span.get_span_context()
    assert found[0] == Scope("theirs", "1.2", "https://schema")
    data = found[1]
    assert data._replace(attributes={}, events=(), links=()) == SpanData(
        trace_id=1 << 100,
        span_id=own.span_id,
        parent_id=5,
        name="call",
        kind=4,
        start=1_000,
        end=2_000,
        attributes={},
        status=2,
        message="broken",
        trace_state="vendor=x",
        flags=0x301,
        dropped_attributes=1,
        dropped_events=1,
        dropped_links=1,
    )
    assert dict(data.attributes) == {"b": (1.5, 2.5), "c": "third"}
    assert data.events == [EventData("second", 1_600, {"y": 2})]
    assert [(each.trace_id, each.span_id, dict(each.attributes)) for each in data.links] == [(9, 8, {})]
    assert (data.links[0].flags, data.links[0].dropped_attributes) == (0x101, 0)
    made.shutdown()


def test_a_span_below_carried_baggage(ares_capture: Capture, provider: TracerProvider) -> None:
    """Without a decision here, the correlation id that arrived is put on the span, which goes out on its own."""
    tracer = provider.get_tracer("theirs")
    with ares.extract({"X-Correlation-ID": "w1"}):
        tracer.start_span("consume").end()
    tracer.start_span("alone").end()

    consume, alone = ares_capture.spans()
    assert consume["attributes"] == {"ares.correlation.id": "w1"}
    assert alone["attributes"] == {}


def test_an_explicit_context_counts(ares_capture: Capture, provider: TracerProvider) -> None:
    """A span started with a context of its own belongs to the decision there, not to the current one."""
    tracer = provider.get_tracer("theirs")
    with ares.decision(strategy="one"):
        inside = Context(ctx.get())
    with ares.decision(strategy="two") as two:
        tracer.start_span("there", inside).end()
        tracer.start_span("here").end()

    first, second = ares_capture.spans("decision")
    there, here = ares_capture.spans("there")[0], ares_capture.spans("here")[0]
    assert (there["trace_id"], here["trace_id"]) == (first["trace_id"], second["trace_id"])
    assert here["attributes"]["ares.correlation.id"] == two.correlation_id


def test_a_span_that_outlives_its_decision(ares_capture: Capture, provider: TracerProvider) -> None:
    """It joins the trace all the same."""
    with ares.decision(strategy="s") as d:
        late = provider.get_tracer("theirs").start_span("late")
    ares_capture.drain()
    late.end()

    decision, span = ares_capture.spans()
    assert (span["name"], span["trace_id"], span["parent_id"]) == ("late", decision["trace_id"], decision["span_id"])
    assert span["attributes"]["ares.correlation.id"] == d.correlation_id


def test_spans_that_never_end_are_not_kept(ares_capture: Capture, provider: TracerProvider) -> None:
    """An instrumentation that forgets its spans costs no memory of ours."""
    processor = provider._active_span_processor._span_processors[0]
    assert isinstance(processor, AresProcessor)
    tracer = provider.get_tracer("theirs")
    with ares.decision(strategy="s"):
        for _ in range(100):
            tracer.start_span("forgotten")
        kept = tracer.start_span("kept")
        assert len(processor._watches) == 1
        kept.end()
    assert not processor._watches
    assert [span["name"] for span in ares_capture.spans()] == ["decision", "kept"]


def test_trace_state_is_passed_on(provider: TracerProvider) -> None:
    """What a vendor has put into the trace goes along, sampled or not."""
    around = Context({ctx.SPAN_KEY: NonRecordingSpan(ABOVE)})
    span = provider.get_tracer("theirs").start_span("call", around)
    assert span.get_span_context().trace_state == STATE
    span.end()
    assert "Ares" in AresSampler(RECORDER.sampled).get_description()


def test_flushing_the_provider(provider: TracerProvider) -> None:
    """It flushes ours, within the time that is left, and passes the answer on."""
    asked: list[float] = []

    def flush(timeout: float) -> bool:
        asked.append(timeout)
        return False

    provider.add_span_processor(AresProcessor(flush))
    assert not provider.force_flush(500)
    assert 0 < asked[0] <= 0.5


class Hostile:
    """Stands for a decision that fails."""

    correlation_id = "x"

    @property
    def decision_id(self) -> str:
        """Fail."""
        raise RuntimeError("no")


def test_what_fails_stays_with_us(provider: TracerProvider) -> None:
    """An instrumentation never sees an error of ours."""
    token = ctx.set_({ctx.DECISION_KEY: Hostile()})
    provider.get_tracer("theirs").start_span("call").end()
    ctx.reset(token)
    AresProcessor(lambda _: True).on_end(ReadableSpan("no context"))
    assert GUARD.counts() == {"sdk processor": 1}


def test_what_is_no_span_is_none() -> None:
    """Something else in the queue is not taken for a span; a span may lack scope, times and attributes."""
    assert to_span_data("x") is None
    assert to_span_data(ReadableSpan("no context")) is None
    bare = to_span_data(ReadableSpan("bare", context=ABOVE))
    assert bare is not None
    assert (bare[0], bare[1].start, bare[1].end, bare[1].attributes) == (Scope(""), 0, 0, {})
    scoped = to_span_data(ReadableSpan("s", context=ABOVE, instrumentation_scope=InstrumentationScope("theirs")))
    assert scoped is not None
    assert scoped[0] == Scope("theirs")
