"""Bounds: decisions that are never ended, open decisions, items, attributes; and a bot's own metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags
from setup_kit import Begin, decide, named, shown, spans
from sink import Sink, eventually

import ares_otel as ares
from ares_otel.guard import GUARD
from ares_otel.pipeline.limits import limited
from ares_otel.pipeline.model import EventData, LinkData, SpanData
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.semconv.attributes import COMPONENT, STRATEGY
from ares_otel.semconv.model import Counter, Gauge, Histogram

LINK = SpanContext(9, 8, is_remote=False, trace_flags=TraceFlags(1))


def test_a_decision_that_is_never_ended(begin: Begin, sink: Sink) -> None:
    """The time limit closes it: counted as a timeout, exported as an error, and told once even if it ends later."""
    with begin(sink, correlation__timeout=0.05) as handle:
        left = ares.decision(symbol="BTC", strategy="left")
        left.__enter__()
        with left.stage("analyst"):
            pass
        eventually(lambda: ares.flush(10.0) and "left" in named(sink))
        left.resolve("buy")
        with left.stage("strategist"):
            pass
        left.__exit__(None, None, None)
        decide(ares, "after")
        assert ares.flush(10.0)
        assert shown(handle.metrics_url, "ares_correlations_total", outcome="timeout") == 1
        assert shown(handle.metrics_url, "ares_decisions_total", strategy="left") == 1
        assert shown(handle.metrics_url, "ares_correlations_open") == 0

    (closed,) = (span for span in spans(sink) if span["attributes"].get("ares.strategy") == "left")
    assert closed["attributes"]["ares.decision.abandoned"] is True
    assert closed["status"] == (2, "not ended in time")
    late = next(span for span in spans(sink) if span["name"] == "strategist")
    assert (late["trace_id"], late["parent_id"]) == (closed["trace_id"], closed["span_id"])


def test_a_decision_that_is_open_at_the_end(begin: Begin, sink: Sink) -> None:
    """Shutdown closes it the same way; what comes later changes nothing and raises nothing."""
    begin(sink)
    left = ares.decision(strategy="left")
    left.__enter__()
    assert ares.shutdown(10.0)
    left.__exit__(None, None, None)
    assert named(sink) == ["left"]
    assert not RECORDER.queue


def test_open_decisions_are_bounded(begin: Begin, sink: Sink) -> None:
    """Beyond the bound they are not watched any more, and told when they end as ever."""
    with begin(sink, correlation__limit=3) as handle:
        opened = [ares.decision(strategy=f"s{number}") for number in range(5)]
        for each in opened:
            each.__enter__()
        assert shown(handle.metrics_url, "ares_correlations_open") == 3
        for each in reversed(opened):
            each.__exit__(None, None, None)
        assert shown(handle.metrics_url, "ares_correlations_open") == 0
    assert named(sink) == [f"s{number}" for number in range(5)]


def test_items_of_a_decision_are_bounded(begin: Begin, sink: Sink) -> None:
    """As configured; what is beyond is counted and shown."""
    with begin(sink, recorder__max_items=3) as handle:
        with ares.decision(strategy="s") as d:
            for _ in range(5):
                with d.stage("analyst"):
                    pass
        assert shown(handle.metrics_url, "ares_telemetry_dropped_total", reason="limit") == 2
    assert [span["name"] for span in spans(sink)].count("analyst") == 3


def test_attributes_are_bounded(begin: Begin, sink: Sink) -> None:
    """On spans, events and links; what a decision is found by stays, texts are cut."""
    many = {f"k{number}": "x" * 50 for number in range(20)}
    with begin(sink, recorder__attribute_count_limit=8, recorder__attribute_length_limit=10):
        with ares.decision(symbol="BTC", strategy="s") as d, d.stage("analyst", many) as stage:
            stage.add_event("noted", many)
            stage.add_link(LINK, many)
        with ares.span("few", {"a": 1}) as few:
            few.add_link(LINK, many)

    analyst, last = (next(span for span in spans(sink) if span["name"] == name) for name in ("analyst", "few"))
    attributes = analyst["attributes"]
    assert len(attributes) == 8
    assert attributes["ares.correlation.id"] == d.correlation_id[:10]
    assert {"ares.decision.id", "ares.component"} <= set(attributes)
    assert attributes["k0"] == "x" * 10
    assert analyst["dropped"] == (23 - 8, 0, 0)
    assert [len(facts) for _, facts in analyst["events"]] == [8]
    assert [len(facts) for _, _, facts in (*analyst["links"], *last["links"])] == [8, 8]
    assert (last["attributes"], last["dropped"]) == ({"a": 1}, (0, 0, 0))


KEYS = st.sampled_from(["a", "b", "c", "ares.correlation.id", "ares.symbol", "x.y"])
ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(KEYS, st.integers())


@given(ATTRIBUTES, st.lists(ATTRIBUTES, max_size=3), st.lists(ATTRIBUTES, max_size=3), st.integers(0, 6))
def test_limits_of_attributes(
    own: dict[str, Any], events: list[dict[str, Any]], links: list[dict[str, Any]], limit: int
) -> None:
    """Never more than the limit, ours first, nothing changed or lost without being counted."""
    span = SpanData(
        *(1, 2, 3, "span", 1, 0, 1, own),
        events=[EventData("e", 0, each) for each in events],
        links=[LinkData(1, 2, each) for each in links],
    )
    found = limited(span, limit)

    after_all: list[SpanData | EventData | LinkData] = [found, *found.events, *found.links]
    assert (len(found.events), len(found.links)) == (len(events), len(links))
    for before, part in zip([own, *events, *links], after_all, strict=True):
        after = part.attributes
        assert len(after) == min(len(before), limit)
        assert part.dropped_attributes == len(before) - len(after)
        assert after.items() <= before.items()
        ours = sum(key.startswith("ares.") for key in before)
        assert sum(key.startswith("ares.") for key in after) == min(ours, limit)
    assert found._replace(attributes={}, events=(), links=(), dropped_attributes=0) == span._replace(
        attributes={}, events=(), links=(), dropped_attributes=0
    )


def test_metrics_of_the_bots_own(begin: Begin) -> None:
    """Declared like ours, written from anywhere, exemplars included; labels that are left out are empty."""
    turns = ares.metric(Counter("bot_turns_total", "turns", (STRATEGY,)))
    depth = ares.metric(Gauge("bot_book_depth", "levels"))
    waits = ares.metric(Histogram("bot_wait_seconds", "waits", (COMPONENT,), unit="s", buckets=(0.1, 1.0)))
    with begin() as handle:
        turns.add(strategy="s1")
        turns.add(2, strategy="s1")
        turns.add()
        depth.set(7)
        depth.add(-2)
        with ares.decision() as d:
            waits.observe(0.5, component="analyst")
        assert shown(handle.metrics_url, "bot_turns_total", strategy="s1") == 3
        assert shown(handle.metrics_url, "bot_turns_total", strategy="") == 1
        assert shown(handle.metrics_url, "bot_book_depth") == 5
        assert shown(handle.metrics_url, "bot_wait_seconds_bucket", component="analyst", le="1.0") == 1
        assert shown(handle.metrics_url, "bot_wait_seconds_sum") == 0.5
    assert d.trace_id


@pytest.mark.parametrize(
    "say",
    [
        lambda metric: metric.add(venue="okx"),
        lambda metric: metric.add(-1, strategy="s"),
        lambda metric: metric.add(float("nan"), strategy="s"),
        lambda metric: metric.observe(1, strategy="s"),
        lambda metric: metric.set(1, strategy="s"),
        lambda metric: metric.add("many", strategy="s"),
    ],
    ids=["label", "negative", "nan", "observe", "set", "text"],
)
def test_what_a_metric_cannot_take(begin: Begin, say: Callable[[Any], None], caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, logged once, and changes nothing; the bot goes on."""
    metric = ares.metric(Counter("bot_turns_total", "turns", (STRATEGY,)))
    with begin() as handle, caplog.at_level(logging.WARNING, "ares_otel"):
        say(metric)
        say(metric)
        metric.add(strategy="fine")
        assert shown(handle.metrics_url, "bot_turns_total") == 1
        assert sum(GUARD.counts().values()) == 2
        assert len(caplog.records) == 1


def test_names_that_are_taken() -> None:
    """Ours cannot be declared by a bot; that is found where it is written, at import."""
    with pytest.raises(ValueError, match="ares_decisions_total"):
        ares.metric(Counter("ares_decisions_total", "no", ()))
