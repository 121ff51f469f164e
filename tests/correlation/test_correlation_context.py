"""The place of a decision in OpenTelemetry's context, with its own context variable and with anybody's context."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from opentelemetry import baggage
from opentelemetry.context import Context, get_current

import ares_otel as ares
from ares_otel.correlation import context as ctx
from ares_otel.testing import Capture

RUNTIME = '''
from threading import local
from opentelemetry.context.context import Context, _RuntimeContext


class Stack(_RuntimeContext):
    """A context that is no context variable: a stack for each thread."""

    def __init__(self):
        self.here = local()

    def attach(self, context):
        before = self.get_current()
        self.here.now = context
        return before

    def get_current(self):
        return getattr(self.here, "now", Context())

    def detach(self, token):
        self.here.now = token
'''
STORY = """
import threading
from opentelemetry import baggage, context, trace
import ares_otel as ares
from ares_otel.correlation import context as ctx
from ares_otel.testing import Capture

assert type(context._RUNTIME_CONTEXT).__name__ == "Stack"
with Capture() as capture:
    with ares.decision(strategy="s") as d:
        with d.stage("analyst"), ares.span("inner"):
            ares.record(ares.Prediction("deep", "up"))
            thread = threading.Thread(target=ares.record, args=(ares.Prediction("thread", "up"),))
            thread.start()
            thread.join()
        assert trace.get_current_span() is d
        assert baggage.get_baggage("ares.correlation.id") == d.correlation_id
        carrier = {}
        ares.inject(carrier)
    assert ares.correlation_id() is None and not ctx.get()
    with ares.extract(carrier), ares.decision(strategy="later") as later:
        assert later.correlation_id == d.correlation_id
    print(*capture.tree(), len(capture.spans("decision")[0]["events"]), sep="|")
"""


def test_a_context_that_is_no_context_variable(tmp_path: Path) -> None:
    """An application may bring its own context implementation: all goes the long way and means the same."""
    installed = tmp_path / "stacked-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: stacked\nVersion: 1\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text(
        "[opentelemetry_context]\nstacked = stacked_context:Stack\n", encoding="utf-8"
    )
    (tmp_path / "stacked_context.py").write_text(RUNTIME, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "OTEL_PYTHON_CONTEXT": "stacked"}

    told = subprocess.run([sys.executable, "-c", STORY], env=environ, check=False, capture_output=True, text=True)

    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "decision|  analyst|    inner|  decision|2"


def test_without_a_decision_there_is_no_id() -> None:
    """Nothing is made up."""
    assert ares.correlation_id() is None
    assert ctx.owner() is None
    assert ctx.owner({}) is None


def test_the_id_of_the_decision_wins_over_baggage(ares_capture: Capture) -> None:
    """Inside a decision it is its id, also for an explicit context; outside it is what baggage carries."""
    with ares.decision() as d:
        inside = get_current()
        assert ctx.owner() is d
        assert ares.correlation_id() == d.correlation_id

    assert ctx.correlation_id(inside) == d.correlation_id
    assert ctx.owner(inside) is d
    assert ctx.correlation_id(baggage.set_baggage(ctx.CORRELATION, "carried", Context())) == "carried"
    assert ctx.correlation_id(baggage.set_baggage("other", "x", Context())) is None
    assert ctx.correlation_id({ctx.BAGGAGE_KEY: "no mapping"}) is None
    assert len(ares_capture.spans()) == 1


def test_outside_of_everything(ares_capture: Capture) -> None:
    """What begins there belongs to nobody; afterwards all is as before."""
    with ares.decision() as d:
        with ctx.outside():
            assert ares.correlation_id() is None
            ares.record(ares.Prediction("m", "up"))
        assert ares.correlation_id() == d.correlation_id

    assert sorted(ares_capture.tree()) == ["decision", "prediction"]
