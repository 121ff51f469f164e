"""Beside an SDK that the application has set up itself: one trace, and nothing reaches one receiver twice."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from setup_kit import Bot, spans
from sink import Sink

from ares_otel.config.schema import Exporter
from ares_otel.guard import GUARD
from ares_otel.setup.elsewhere import Elsewhere, of_handlers, of_provider

OWN = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

def own_provider(address):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    trace.set_tracer_provider(provider)
    return provider

def nest():
    theirs = trace.get_tracer("theirs")
    with ares.decision(strategy="above"), theirs.start_as_current_span("their child"), ares.span("grandchild"):
        pass
    with theirs.start_as_current_span("their root"), ares.decision(strategy="below"):
        pass
"""
NESTED = {"grandchild": "their child", "their child": "decision above", "decision below": "their root"}


def parents(received: list[dict[str, Any]]) -> dict[str, str]:
    """Return the name of each span's parent by its own name; decisions are told apart by their strategy."""
    names = {
        span["span_id"]: " ".join([span["name"], span["attributes"].get("ares.strategy", "")]).strip()
        for span in received
    }
    traces = {span["span_id"]: span["trace_id"] for span in received}
    assert all(traces[span["parent_id"]] == span["trace_id"] for span in received if span["parent_id"])
    return {names[span["span_id"]]: names[span["parent_id"]] for span in received if span["parent_id"]}


@pytest.mark.parametrize(("first", "same"), [("theirs", True), ("ours", False)], ids=["one receiver", "two receivers"])
def test_an_own_provider(tmp_path: Path, sink: Sink, first: str, *, same: bool) -> None:
    """Their spans have our parents and ours theirs; each reaches each receiver once, whoever is shut down first."""
    ends = ["provider.shutdown()", "say(ares.shutdown(20.0))"]
    end = "\n".join(ends if first == "theirs" else reversed(ends))
    script = f"{OWN}\nprovider = own_provider(sys.argv[1])\nares.setup()\nnest()\n{end}"
    with Sink() as other:
        address = sink.url if same else other.url
        assert Bot(script, tmp_path, sink, address).end().well == [[True]]
        assert parents(spans(sink)) == NESTED
        assert set(Counter(span["span_id"] for span in spans(sink)).values()) == {1}
        theirs = sorted(span["name"] for span in spans(other))
        assert theirs == ([] if same else ["their child", "their root"])


def test_a_processor_that_comes_later(tmp_path: Path, sink: Sink) -> None:
    """An application may add its exporter after `setup()`, to our provider too: from then on it sends its spans."""
    script = f"""{OWN}
ares.setup()
trace.get_tracer("theirs").start_span("before").end()
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=sys.argv[1])))
trace.get_tracer("theirs").start_span("after").end()
trace.get_tracer_provider().shutdown()
say(ares.shutdown(20.0))"""
    assert Bot(script, tmp_path, sink, sink.url).end().well == [[True]]
    assert sorted(span["name"] for span in spans(sink)) == ["after", "before"]


def test_a_provider_that_comes_later(tmp_path: Path, sink: Sink) -> None:
    """OpenTelemetry takes the first only, and says so; what goes through the second is its own."""
    script = f"{OWN}\nares.setup()\nprovider = own_provider(sys.argv[1])\nnest()\nprovider.shutdown()"
    ended = Bot(script, tmp_path, sink, sink.url).end()
    assert "Overriding of current TracerProvider is not allowed" in ended.errors
    assert parents(spans(sink)) == NESTED
    assert set(Counter(span["span_id"] for span in spans(sink)).values()) == {1}


LOGGING = """
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=sys.argv[1])))
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
ares.setup()
with ares.decision(strategy="s1"):
    logging.getLogger("bot").warning("spread too wide")
say(ares.shutdown(20.0))
provider.shutdown()
"""


@pytest.mark.parametrize("same", [True, False], ids=["one receiver", "two receivers"])
def test_an_own_logger_provider(tmp_path: Path, sink: Sink, *, same: bool) -> None:
    """A log record reaches each receiver once, in the trace of the decision."""
    with Sink() as other:
        logs = sink.url.replace("traces", "logs")
        theirs = logs if same else other.url.replace("traces", "logs")
        environ = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": logs}
        bot = Bot(LOGGING, tmp_path, sink, theirs, options=("-W", "ignore::DeprecationWarning"), **environ)
        assert bot.end().well == [[True]]
        (decision,) = spans(sink)
        for receiver in {id(one): one for one in ([sink] if same else [sink, other])}.values():
            (record,) = [
                record
                for request in receiver.requests
                if request.target.endswith("/v1/logs")
                for part in ExportLogsServiceRequest.FromString(request.body).resource_logs
                for scope in part.scope_logs
                for record in scope.log_records
            ]
            assert record.body.string_value == "spread too wide"
            assert record.trace_id.hex() == decision["trace_id"]


@pytest.mark.parametrize(
    ("address", "ours", "found"),
    [
        ("http://localhost:4318/v1/traces", "http://127.0.0.1:4318", True),
        ("localhost:4317", "http://localhost:4318", True),
        ("http://collector:4318/v1/traces", "http://localhost:4318", False),
        ("https://user@host/otlp/v1/traces", "https://host/otlp", True),
        ("https://host/other", "https://host/otlp", False),
    ],
)
def test_which_receiver_is_the_same(address: str, ours: str, *, found: bool) -> None:
    """Both ports of OTLP are one receiver's; a name and the number of this host are one."""
    exporter = OTLPSpanExporter(endpoint=address)
    assert Elsewhere(Exporter(endpoint=ours), lambda: (SimpleNamespace(exporter=exporter),))() is found


def test_exporters_that_others_have_wrapped() -> None:
    """Found below wrappers and proxies, looked for again after a change; what is no OTLP exporter does not count."""
    made = TracerProvider(shutdown_on_exit=False)
    proxy = SimpleNamespace(provider=made)
    elsewhere = Elsewhere(Exporter(), of_provider(proxy))
    assert not elsewhere()
    made.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    made.add_span_processor(SimpleNamespace(processor=None, exporter=SimpleNamespace(_endpoint=Exporter().url)))  # type: ignore[arg-type]
    assert not elsewhere()
    wrapped = SimpleNamespace(wrapped_exporter=OTLPSpanExporter(endpoint=Exporter().url))
    batching = BatchSpanProcessor(wrapped)  # type: ignore[arg-type]
    made.add_span_processor(batching)
    assert elsewhere()
    assert elsewhere()
    assert not Elsewhere(Exporter(), of_provider(object()))()
    wrapped.shutdown = wrapped.wrapped_exporter.shutdown
    batching.shutdown()  # type: ignore[no-untyped-call]


class Circle:
    """Holds itself, and raises when it is asked for an address."""

    def __init__(self) -> None:
        self.provider = [self, self]

    @property
    def _endpoint(self) -> str:
        raise KeyError("address")


def test_an_application_that_cannot_be_walked() -> None:
    """It is counted, and we send: twice is better than never."""
    assert not Elsewhere(Exporter(), lambda: (Circle(),))()
    assert GUARD.counts() == {"elsewhere": 1}
    assert of_handlers() == tuple(logging.getLogger().handlers)
