"""The public test kit: what it captures, that it leaves nothing behind, and that a bot's own `main()` can be tested."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider

import ares_otel as ares
from ares_otel import testing
from ares_otel.correlation import context as ctx
from ares_otel.correlation import threads
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER, Recorder
from ares_otel.pipeline.sdk import AresProcessor
from ares_otel.setup import active
from ares_otel.setup.api import STAND_INS
from ares_otel.testing import Capture, OpenDecisionError, UndeclaredError


def state() -> dict[str, Any]:
    """Return everything global that a capture touches."""
    names = [name for name in Recorder.__slots__ if name != "_lock"]
    return {
        **{name: getattr(RECORDER, name) for name in names},
        "guard": GUARD.strict,
        "threads": (threading.Thread.start, threads.active()),
        "context": otel_context.get_current(),
        "stand-ins": list(STAND_INS),
    }


@pytest.fixture
def _unusual() -> Iterator[None]:
    """Leave the globals in a state that is not the usual one."""
    RECORDER.strict, RECORDER.max_items, RECORDER.sampled = True, 7, lambda _, parent: bool(parent)
    yield
    RECORDER.reset()


@pytest.mark.usefixtures("_unusual")
def test_globals_are_as_before() -> None:
    """After a capture, also one that failed, nothing tells that it was there."""
    GUARD.strict = True
    token = ctx.set_({"mine": 1})
    before = state()
    with Capture(strict=False):
        assert state() != before
        assert ctx.get() == {}
    assert state() == before
    with pytest.raises(ZeroDivisionError), Capture():
        raise ZeroDivisionError
    with pytest.raises(OpenDecisionError), Capture():
        ares.decision().__enter__()
    assert state() == before
    assert GUARD.counts() == {}
    ctx.reset(token)


def test_a_capture_in_a_capture() -> None:
    """The inner one takes what is said within it, the outer one the rest; threads stay patched until the last."""
    with Capture() as outer:
        with ares.decision(strategy="first"):
            pass
        with Capture(strict=False) as inner:
            with ares.decision(strategy="second", price=-1):
                pass
            assert [span["attributes"]["ares.strategy"] for span in inner.spans()] == ["second"]
        assert threads.active()
        with ares.decision(strategy="third"):
            pass
        assert [span["attributes"]["ares.strategy"] for span in outer.spans()] == ["first", "third"]
    assert not threads.active()


def test_every_run_is_the_same() -> None:
    """Ids, times, everything: two runs of one story are equal, whole."""

    def story() -> list[dict[str, Any]]:
        with Capture() as capture:
            with ares.decision(symbol="BTC", strategy="s") as d:
                with d.stage("analyst"):
                    pass
                d.votes([ares.Vote("m", "buy", 0.5)])
                d.order("c1", side="buy", type="market", quantity=1)
            ares.record(ares.OrderUpdate("c1", "filled", quantity=1, price=10))
            return capture.spans()

    first = story()
    assert story() == first
    assert json.loads(json.dumps(first)) == json.loads(json.dumps(story()))
    assert first[0]["start_ms"] == 0.0


def test_what_can_be_asked(ares_capture: Capture) -> None:
    """Spans by name, the tree, samples by name and labels, the page as it would be scraped."""
    with ares.decision(symbol="BTC", strategy="s") as d, d.stage("analyst"), ares.span("inner", {"a": 1}):
        d.resolve("buy")
    assert ares_capture.tree() == ["decision", "  analyst", "    inner"]
    assert [span["name"] for span in ares_capture.spans("inner")] == ["inner"]
    assert ares_capture.spans("nothing") == []
    assert ares_capture.value("ares_decisions_total", strategy="s", symbol="BTC", action="buy") == 1
    assert ares_capture.value("ares_decisions_total", strategy="s") is None
    assert ares_capture.value("ares_nothing") is None
    text = ares_capture.text()
    assert 'ares_decisions_total{action="buy",strategy="s",symbol="BTC"} 1.0' in text
    assert text.endswith("# EOF\n")


def test_links_and_errors_are_shown(ares_capture: Capture) -> None:
    """They are there when there are any."""
    with pytest.raises(KeyError), ares.decision(strategy="s"):
        ares.record(ares.OrderUpdate("c9", "new"))
        raise KeyError("x")
    decision = ares_capture.spans("decision")[0]
    assert decision["status"] == (2, "KeyError: 'x'")
    assert "links" not in decision
    assert ares_capture.spans("order update")[0]["attributes"]["ares.order.client_id"] == "c9"


def test_a_bots_main_can_be_tested(ares_capture: Capture) -> None:
    """`setup()` starts nothing and sends nothing; flush and shutdown come back at once; what it said is captured."""

    def main() -> None:
        before = threading.active_count()
        with ares.setup(overrides={"exporter.endpoint": "http://192.0.2.1:4318"}) as handle:
            assert handle.metrics_url is None
            with ares.decision(symbol="BTC", strategy="s") as d:
                d.resolve("hold")
            assert ares.flush(60.0)
        assert ares.shutdown(60.0)
        assert threading.active_count() == before
        with ares.decision(strategy="after"):
            pass

    main()
    assert active() is None
    assert [span["attributes"]["ares.strategy"] for span in ares_capture.spans()] == ["s", "after"]


def test_telemetry_that_runs_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    """A set-up of the program under test does not mix with the capture."""
    quiet = {"exporter.enabled": False, "metrics.enabled": False, "ledger.enabled": False}
    ares.setup(overrides=quiet)
    with caplog.at_level(logging.WARNING), Capture() as capture:
        assert active() is None
        with ares.decision(strategy="s"):
            pass
        assert len(capture.spans()) == 1
    assert caplog.records == []
    assert not RECORDER.queue


def test_spans_of_others_are_captured_and_not_judged() -> None:
    """What an instrumentation puts on its spans is its author's business, also under our prefix."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(AresProcessor(lambda _: True))
    with Capture() as capture:
        with ares.decision(), provider.get_tracer("theirs").start_as_current_span("call", attributes={"ares.odd": 1}):
            pass
        assert capture.tree() == ["decision", "  call"]


def test_undeclared_is_found_and_can_be_allowed() -> None:
    """By default it fails the test; a bot that experiments may say otherwise."""
    said = r"span 'x': attribute 'ares\.odd' is not declared"
    with pytest.raises(UndeclaredError, match=said), Capture(), ares.span("x", {"ares.odd": 1, "own": 2}):
        pass
    with Capture(check=False), ares.span("x", {"ares.odd": 1}):
        pass


def test_an_open_decision_is_named() -> None:
    """The message says which."""
    with pytest.raises(OpenDecisionError, match="left_open"), Capture():
        ares.decision(strategy="left_open").__enter__()


def test_names_of_the_kit() -> None:
    """All that is listed is there; what is not, is not."""
    assert {name: getattr(testing, name).__name__ for name in testing.__all__} == {
        name: name for name in testing.__all__
    }
    with pytest.raises(AttributeError, match="nothing"):
        testing.nothing  # noqa: B018  asked for on purpose


def test_the_plugin_is_light() -> None:
    """Every pytest run of a project loads it: neither the SDK nor Prometheus come along."""
    heavy = {"ares_otel.testing.capture", "opentelemetry.sdk", "prometheus_client", "psutil"}
    code = f"import sys, ares_otel.testing.plugin\nprint(*sorted({heavy!r} & {{*sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == ""
