"""`record(x)` joins the current decision wherever it is called: call tree, tasks, threads, executors, queues."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage, trace
from opentelemetry.trace import SpanContext, TraceFlags

import ares_otel as ares
from ares_otel import Prediction, Vote
from ares_otel.correlation import carriers
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.testing import Capture


def say(model: str = "deep") -> None:
    """An ensemble deep inside, without a handle."""
    ares.record(Prediction(model, "up"))


def predictions(capture: Capture) -> dict[str, list[str]]:
    """Return by span name the models that predicted, as events."""
    found: dict[str, list[str]] = {}
    for span in capture.spans():
        for name, _, attributes in span.get("events", ()):
            if name == "prediction":
                found.setdefault(span["name"], []).append(attributes["ares.model.name"])
    return found


def test_deep_in_the_call_tree(ares_capture: Capture) -> None:
    """No handle is passed down, stages and spans in between do not matter."""
    with ares.decision(strategy="s") as d, d.stage("analyst"), ares.span("inner"):
        say()

    assert predictions(ares_capture) == {"decision": ["deep"]}
    assert ares_capture.tree() == ["decision", "  analyst", "    inner"]


def test_in_threads_and_executors(ares_capture: Capture) -> None:
    """Threads started and jobs submitted inside the decision belong to it."""
    with ares.decision(strategy="s"), ThreadPoolExecutor(2) as pool:
        thread = threading.Thread(target=say, args=("thread",))
        thread.start()
        thread.join()
        pool.submit(say, "executor").result()
        timer = threading.Timer(0, say, args=("timer",))
        timer.start()
        timer.join()

    assert predictions(ares_capture) == {"decision": ["thread", "executor", "timer"]}


def test_a_pooled_thread_does_not_keep_the_decision(ares_capture: Capture) -> None:
    """A worker thread that was started inside a decision serves others later without joining it."""
    with ThreadPoolExecutor(1) as pool:
        with ares.decision(strategy="first"):
            pool.submit(say, "inside").result()
        pool.submit(say, "outside").result()

    spans = ares_capture.spans()
    assert predictions(ares_capture) == {"decision": ["inside"]}
    assert [span["name"] for span in spans] == ["decision", "prediction"]
    assert spans[0]["trace_id"] != spans[1]["trace_id"]


def test_in_tasks(ares_capture: Capture) -> None:
    """Concurrent decisions in one loop do not mix, nor do their stages; executors of the loop join, too."""

    async def decide(name: str) -> None:
        with ares.decision(strategy=name) as d:
            with d.stage("analyst"):
                await asyncio.sleep(0)
                say(name)
                await asyncio.gather(asyncio.to_thread(say, name), asyncio.create_task(deeper(name)))
            await asyncio.get_running_loop().run_in_executor(None, say, name)

    async def deeper(name: str) -> None:
        await asyncio.sleep(0)
        say(name)

    async def main() -> None:
        await asyncio.gather(*(decide(f"s{number}") for number in range(20)))

    asyncio.run(main())

    decisions = ares_capture.spans("decision")
    assert len(decisions) == 20
    for span in decisions:
        names = {attributes["ares.model.name"] for _, _, attributes in span["events"]}
        assert (names, len(span["events"])) == ({span["attributes"]["ares.strategy"]}, 4)
    parents = {span["span_id"]: span["trace_id"] for span in decisions}
    assert all(parents[stage["parent_id"]] == stage["trace_id"] for stage in ares_capture.spans("analyst"))


def test_concurrent_stages_of_one_decision(ares_capture: Capture) -> None:
    """Spans below stages that run at the same time have the right parents."""

    async def main() -> None:
        with ares.decision(strategy="s") as d:
            await asyncio.gather(stage(d, "analyst"), stage(d, "strategist"))

    async def stage(d: ares.LiveDecision, name: str) -> None:
        with d.stage(name):
            await asyncio.sleep(0)
            with ares.span(f"below {name}"):
                await asyncio.sleep(0)

    asyncio.run(main())

    assert ares_capture.tree() == ["decision", "  analyst", "    below analyst", "  strategist", "    below strategist"]


def test_after_the_decision_has_ended(ares_capture: Capture) -> None:
    """A task that outlives its decision still joins its trace, as a span of its own."""

    async def main() -> None:
        with ares.decision(strategy="s"):
            late = asyncio.create_task(after())
        await late

    async def after() -> None:
        await asyncio.sleep(0)
        say("late")
        with ares.span("late span"):
            pass

    asyncio.run(main())

    decision, prediction, late = ares_capture.spans()
    assert (prediction["name"], late["name"]) == ("prediction", "late span")
    assert prediction["trace_id"] == late["trace_id"] == decision["trace_id"]
    assert prediction["parent_id"] == decision["span_id"]
    assert prediction["attributes"]["ares.correlation.id"] == decision["attributes"]["ares.correlation.id"]


def test_nested_decisions_share_trace_and_correlation(ares_capture: Capture) -> None:
    """The inner one is caused by the outer one and is its child."""
    with ares.decision(strategy="outer") as outer, outer.stage("tactician"), ares.decision(strategy="inner") as inner:
        assert inner.correlation_id == outer.correlation_id
        assert inner.causation_id == outer.decision_id != inner.decision_id

    assert ares_capture.tree() == ["decision", "  tactician", "    decision"]


def test_a_decision_begun_in_a_stale_context_is_a_new_one(ares_capture: Capture) -> None:
    """A context that outlived its decision does not capture the next."""

    async def main() -> None:
        with ares.decision(strategy="first") as first:
            later = asyncio.create_task(second(first))
        await later

    async def second(first: ares.LiveDecision) -> None:
        await asyncio.sleep(0)
        with ares.decision(strategy="second") as d:
            assert d.correlation_id != first.correlation_id
            assert d.trace_id != first.trace_id

    asyncio.run(main())
    assert len(ares_capture.spans("decision")) == 2


def test_through_a_queue(ares_capture: Capture) -> None:
    """A carrier in the message takes trace and correlation id to a consumer without any context."""
    messages: queue.Queue[dict[str, str]] = queue.Queue()
    with ares.decision(strategy="producer") as d:
        message: dict[str, str] = {"payload": "x"}
        ares.inject(message)
        messages.put(message)

    def consume() -> None:
        with ares.extract(messages.get()), ares.decision(strategy="consumer") as taken:
            assert taken.correlation_id == d.correlation_id
            with ares.extract({}):
                say()

    thread = threading.Thread(target=consume)
    thread.start()
    thread.join()

    producer, consumer = ares_capture.spans("decision")
    assert message["X-Correlation-ID"] == message["X-Request-ID"] == d.correlation_id
    assert consumer["trace_id"] == producer["trace_id"]
    assert consumer["parent_id"] == producer["span_id"]


def test_a_carrier_in_a_stale_context(ares_capture: Capture) -> None:
    """What outlived its decision, or was forked in it, joins the workflow again by the carrier, and not by chance."""
    message: dict[str, str] = {}
    with ares.decision(strategy="first") as first:
        ares.inject(message)
        stale = contextvars.copy_context()

    def later(carrier: dict[str, str]) -> ares.LiveDecision:
        with ares.extract(carrier), ares.decision(strategy="later") as d:
            return d

    assert stale.run(later, message).correlation_id == first.correlation_id
    assert stale.run(later, {}).correlation_id != first.correlation_id
    first_span, joined, alone = ares_capture.spans("decision")
    assert joined["trace_id"] == first_span["trace_id"] != alone["trace_id"]
    assert joined["parent_id"] == first_span["span_id"]


@pytest.mark.parametrize("header", ["X-Correlation-ID", "x-request-id"])
def test_a_foreign_correlation_id_is_taken(ares_capture: Capture, header: str) -> None:
    """A gateway that knows no OpenTelemetry sends its header; ours follows it."""
    with ares.extract({header: "gateway-7", "Accept": "*/*"}):
        assert ares.correlation_id() == "gateway-7"
        with ares.decision(strategy="s") as d:
            assert d.correlation_id == "gateway-7"
    assert ares_capture.spans()[0]["attributes"]["ares.correlation.id"] == "gateway-7"


@pytest.mark.parametrize("header", ["", "x" * 200, "a\nb", None])
def test_an_unusable_correlation_id_is_not_taken(ares_capture: Capture, header: str | None) -> None:
    """Empty, endless and unprintable ids are not carried on."""
    with ares.extract({"X-Correlation-ID": header}), ares.decision(strategy="s") as d:  # type: ignore[dict-item]
        assert len(d.correlation_id) == 36
    assert len(ares_capture.spans()) == 1


def test_a_given_correlation_id_is_used(ares_capture: Capture) -> None:
    """The bot's own workflow id wins over everything."""
    with ares.decision(strategy="s", correlation_id="mine", causation_id="message 4"):
        pass

    attributes = ares_capture.spans()[0]["attributes"]
    assert (attributes["ares.correlation.id"], attributes["ares.causation.id"]) == ("mine", "message 4")


def test_below_a_foreign_span(ares_capture: Capture) -> None:
    """A decision below somebody else's span joins that trace."""
    above = SpanContext(1 << 100, 5, is_remote=True, trace_flags=TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(above)), ares.decision(strategy="s"):
        pass

    span = ares_capture.spans()[0]
    assert span["trace_id"] == f"{1 << 100:032x}"
    assert span["parent_id"] == f"{5:016x}"
    assert ares_capture.finished[0][1].flags & 0x200


def test_opentelemetry_sees_the_decision(ares_capture: Capture) -> None:
    """It is the current span of OpenTelemetry, propagates as W3C context, and the id is baggage."""
    with ares.decision(strategy="s") as d:
        assert trace.get_current_span() is d
        assert isinstance(d, trace.Span)
        assert d.get_span_context().is_valid
        assert baggage.get_baggage("ares.correlation.id") == d.correlation_id
        carrier: dict[str, str] = {}
        ares.inject(carrier)
        with d.stage("analyst") as stage:
            assert trace.get_current_span() is stage
            assert stage.get_span_context().trace_id == d.get_span_context().trace_id
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert carrier["traceparent"] == f"00-{d.trace_id:032x}-{d.span_id:016x}-01"
    assert d.correlation_id in carrier["baggage"]
    assert len(ares_capture.spans()) == 2


def test_in_a_subprocess(ares_capture: Capture) -> None:
    """The carrier in the environment makes a child process part of the decision."""
    code = (
        "import ares_otel as ares\n"
        "ares.setup(overrides={'exporter.enabled': False, 'metrics.enabled': False, 'ledger.enabled': False})\n"
        "with ares.decision(strategy='child') as d:\n"
        "    print(d.correlation_id, d.get_span_context().trace_id)\n"
    )
    with ares.decision(strategy="parent") as d:
        environ = {**os.environ, **ares.environment()}
        done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [d.correlation_id, str(d.trace_id)]
    assert len(ares_capture.spans()) == 1


def test_there_is_no_ambient_context_without_a_carrier() -> None:
    """An environment without a carrier, or with a broken one, gives none."""
    assert carriers.ambient({}) is None
    assert carriers.ambient({"TRACEPARENT": "nonsense"}) is None
    assert carriers.ambient({"BAGGAGE": "ares.correlation.id=x"}) is not None


def test_before_any_setup_nothing_is_kept_and_ids_work() -> None:
    """The API works without set-up: contexts and ids are real, nothing is recorded."""
    RECORDER.reset()
    with ares.decision(symbol="BTC", strategy="s") as d:
        with d.stage("analyst"):
            ares.record(Vote("m", "buy"))
        d.resolve("buy")
        d.order("c1", side="buy", type="market", quantity=1)
        assert ares.current() is d
        assert not d.is_recording()
        assert ares.correlation_id() == d.correlation_id

    assert ares.current() is None
    assert not RECORDER.queue
    assert ares.flush(0.1)
    assert ares.shutdown(0.1)
