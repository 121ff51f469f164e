"""Head sampling by OpenTelemetry's rules, and ours on top: what matters is always traced, everything is counted."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from setup_kit import Begin, decide, named, shown, spans
from sink import Sink

import ares_otel as ares
from ares_otel.decision.sampling import head_sampler
from ares_otel.guard import GUARD

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACE_IDS = st.integers(1, (1 << 128) - 1)


def foreign(name: str) -> trace.Span:
    """Begin a span of somebody else's instrumentation."""
    return trace.get_tracer("theirs").start_span(name)


def traced_story() -> None:
    """Decide once plainly, once with an order, once failing, once slowly; each with a span of somebody else's."""
    with ares.decision(symbol="BTC", strategy="plain"):
        foreign("http plain").end()
    with ares.decision(symbol="BTC", strategy="order") as d:
        foreign("http order").end()
        d.order("c1", side="buy", type="market", quantity=1)
    with pytest.raises(KeyError), ares.decision(symbol="BTC", strategy="failed"):
        foreign("http failed").end()
        raise KeyError
    with ares.decision(symbol="BTC", strategy="slow"):
        foreign("http slow").end()
        time.sleep(0.3)


def test_what_matters_is_traced(begin: Begin, sink: Sink) -> None:
    """With `always_off` a plain decision goes, with its foreign spans; what orders, fails or is slow stays whole."""
    with begin(sink, sampling__sampler="always_off", sampling__slow_seconds=0.2) as handle:
        traced_story()
        foreign("http outside").end()
        with ares.span("outside"):
            pass
        assert ares.flush(10.0)
        kept = ["failed", "order", "slow"]
        assert named(sink) == kept
        assert sorted(span["name"] for span in spans(sink) if span["scope"] == "theirs") == [
            f"http {name}" for name in kept
        ]
        by_trace = {span["trace_id"]: span for span in spans(sink) if span["name"] == "decision"}
        for span in spans(sink):
            assert (
                span["attributes"]["ares.correlation.id"]
                == by_trace[span["trace_id"]]["attributes"]["ares.correlation.id"]
            )
        for strategy in (*kept, "plain"):
            assert shown(handle.metrics_url, "ares_decisions_total", strategy=strategy) == 1
        assert shown(handle.metrics_url, "ares_telemetry_unsampled_decisions_total") == 1


def test_our_rule_can_be_turned_off(begin: Begin, sink: Sink) -> None:
    """Then the head sampler alone decides."""
    with begin(
        sink,
        sampling__sampler="always_off",
        sampling__keep_orders=False,
        sampling__keep_errors=False,
        sampling__slow_seconds=3_600,
    ):
        traced_story()
        assert ares.flush(10.0)
    assert named(sink) == []


def test_everything(begin: Begin, sink: Sink) -> None:
    """By default all is traced, with the foreign spans below their decisions."""
    with begin(sink):
        traced_story()
    received = {span["name"]: span for span in spans(sink) if span["name"] != "decision"}
    assert named(sink) == ["failed", "order", "plain", "slow"]
    assert {"http plain", "http order", "http failed", "http slow", "order submit"} == set(received)


@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize("sampler", ["parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"])
def test_a_remote_parent_decides(begin: Begin, sink: Sink, sampler: str, flag: int) -> None:
    """The flag of the caller is followed, and passed on."""
    with begin(sink, sampling__sampler=sampler, sampling__ratio=0.5):
        caller = {"traceparent": f"00-{TRACE}-{SPAN}-0{flag}"}
        with ares.extract(caller), ares.decision(strategy="s") as d, d.stage("analyst"):
            carrier: dict[str, str] = {}
            ares.inject(carrier)
            foreign("http").end()
        with ares.extract(caller), ares.span("span"):
            foreign("below").end()
    assert carrier["traceparent"].endswith(f"-0{flag}")
    assert named(sink) == ["s"] * flag
    assert sorted(span["name"] for span in spans(sink)) == ["analyst", "below", "decision", "http", "span"] * flag
    assert {span["trace_id"] for span in spans(sink)} <= {TRACE}


def test_a_share_of_traces(begin: Begin, sink: Sink) -> None:
    """A decision, its spans and the flag that goes out agree, by the trace id alone."""
    with begin(sink, sampling__sampler="traceidratio", sampling__ratio=0.3):
        flags = {}
        for number in range(300):
            with ares.decision(symbol="BTC", strategy=f"s{number}") as d:
                foreign("http").end()
            flags[f"s{number}"] = d.get_span_context().trace_flags.sampled
        assert ares.flush(20.0)
    kept = {strategy for strategy, sampled in flags.items() if sampled}
    assert set(named(sink)) == kept
    assert 40 < len(kept) < 150
    assert len([span for span in spans(sink) if span["name"] == "http"]) == len(kept)


NAMES: dict[str, Sampler] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": ParentBased(ALWAYS_ON),
    "parentbased_always_off": ParentBased(ALWAYS_OFF),
}


@given(TRACE_IDS, st.floats(0, 1), st.sampled_from([None, True, False]))
@example((1 << 128) - 1, 1.0, None)
@example(1, 0.0, None)
def test_samplers_equal_the_sdks(trace_id: int, ratio: float, parent: bool | None) -> None:  # noqa: FBT001
    """For each name, trace id, ratio and parent the verdict is that of OpenTelemetry's SDK."""
    theirs = NAMES | {
        "traceidratio": TraceIdRatioBased(ratio),
        "parentbased_traceidratio": ParentBased(TraceIdRatioBased(ratio)),
    }
    context = None
    if parent is not None:
        above = SpanContext(trace_id, 1, is_remote=True, trace_flags=TraceFlags(int(parent)))
        context = trace.set_span_in_context(NonRecordingSpan(above))
    for name, sampler in theirs.items():
        verdict = sampler.should_sample(context, trace_id, "span").decision.is_sampled()  # type: ignore[no-untyped-call]
        assert head_sampler(name, ratio)(trace_id, parent) is verdict, name


def test_an_unknown_sampler() -> None:
    """It is said, and everything is traced."""
    assert head_sampler("coin", 0.0)(1, None)
    assert GUARD.counts() == {"sampler": 1}


def test_the_application_has_its_own_provider(begin: Begin, sink: Sink) -> None:
    """A provider that is not the global one is not ours to join: its spans go where it sends them."""
    with begin(sink):
        with (
            ares.decision(strategy="s"),
            TracerProvider(shutdown_on_exit=False).get_tracer("x").start_as_current_span("x"),
        ):
            decide(ares, "below")
        assert ares.flush(10.0)
    assert {span["name"] for span in spans(sink)} == {"decision"}
