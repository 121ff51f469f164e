"""Beside Logfire, in the environment of the oldest versions: it caps OpenTelemetry, so it stays out of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from setup_kit import Bot, spans
from sink import Sink

CONFIGURE = "import logfire\nlogfire.configure(send_to_logfire=False, console=False)\n"
NEST = """
from opentelemetry import trace
theirs = trace.get_tracer("theirs")
with ares.decision(strategy="above"), logfire.span("logfire span"):
    logfire.info("logfire log")
    with theirs.start_as_current_span("their child"), ares.span("ours"):
        pass
with logfire.span("logfire root"), ares.decision(strategy="below"):
    pass
"""
QUIET = ("-W", "ignore")
SET_UP = "ares.setup(overrides={'exporter.enabled': True, 'exporter.traces_endpoint': sys.argv[1]})\n"
"""Not by variables of OpenTelemetry, which Logfire reads, too."""


def parents(sink: Sink) -> dict[str, str | None]:
    """Return the name of each span's parent by its own name, None for a root and for what did not come."""
    received = spans(sink)
    assert len({span["span_id"] for span in received}) == len(received), "a span came twice"
    names = {span["span_id"]: span["attributes"].get("ares.strategy", span["name"]) for span in received}
    return {names[span["span_id"]]: names.get(span["parent_id"]) for span in received}


@pytest.mark.parametrize("end", ["ares.shutdown(20.0)\nlogfire.shutdown()", "logfire.shutdown()\nares.shutdown(20.0)"])
def test_logfire_first(tmp_path: Path, end: str) -> None:
    """Its spans have our parents and ours have its; all come once, whoever is shut down first."""
    with Sink() as sink:
        ended = Bot(f"{CONFIGURE}{SET_UP}{NEST}{end}", tmp_path, None, sink.url, options=QUIET).end()
        assert ended.status == 0, ended.errors
        assert "unhashable" not in ended.errors
        assert parents(sink) == {
            "above": None,
            "logfire span": "above",
            "logfire log": "logfire span",
            "their child": "logfire span",
            "ours": "their child",
            "logfire root": None,
            "below": "logfire root",
        }


def test_logfire_afterwards(tmp_path: Path) -> None:
    """OpenTelemetry keeps our provider and says so: spans of Logfire's own stay with Logfire, in the same trace."""
    with Sink() as sink:
        ended = Bot(f"{SET_UP}{CONFIGURE}{NEST}ares.shutdown(20.0)", tmp_path, None, sink.url, options=QUIET).end()
        assert ended.status == 0, ended.errors
        assert "Overriding of current TracerProvider is not allowed" in ended.errors
        assert parents(sink) == {"above": None, "their child": None, "ours": "their child", "below": None}


def test_logfire_that_sends_to_our_receiver(tmp_path: Path) -> None:
    """Where the environment makes Logfire send there itself, its spans come from it alone, and once."""
    with Sink() as sink:
        script = f"{CONFIGURE}ares.setup()\n{NEST}logfire.shutdown()\nares.shutdown(20.0)"
        ended = Bot(script, tmp_path, sink, options=QUIET, OTEL_METRICS_EXPORTER="none").end()
        assert ended.status == 0, ended.errors
        assert {"above", "logfire span", "their child", "below"} <= parents(sink).keys()
