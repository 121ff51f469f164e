"""`live_check`: everything emitted is declared, by name, type, label and word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as ClientCounter
from prometheus_client import Gauge as ClientGauge
from prometheus_client import Histogram as ClientHistogram

import ares_otel as ares
from ares_otel.pipeline.model import EventData, SpanData
from ares_otel.semconv.attributes import STRATEGY, SYMBOL
from ares_otel.semconv.model import Counter
from ares_otel.testing import Capture, live_check


def span(attributes: Mapping[str, Any], *events: EventData) -> SpanData:
    """Return a span."""
    return SpanData(1, 2, 0, "decision", 1, 0, 1, attributes, events=events)


def test_a_clean_story(ares_capture: Capture) -> None:
    """All that a decision with everything in it emits is declared."""
    with ares.decision(symbol="BTC", strategy="s", venue="okx", price=10, data_age=1, event_time=7, account="a") as d:
        with d.stage("analyst", {"rows": 3}):
            pass
        d.regime(ares.Regime("BULL", confidence=1, probabilities={"bull_trend": 1.0}))
        d.votes([ares.Vote("m", "buy", 1, 1, probabilities={"buy": 1})])
        d.path(ares.PathStep("gate", 1, 0, passed=True))
        d.risk(ares.RiskCheck("max", 1, 2))
        d.resolve("buy", confidence=1, threshold=0, reason="so")
        d.order("c1", side="buy", type="limit", quantity=1, price=10)
        ares.record(ares.Prediction("m", "up"))
        ares.record(ares.FeatureVector({"rsi": 1, "gap": float("nan")}))
        ares.record(ares.MarketData("BTC", "okx", "bars", age=1, close=10))
        ares.record(ares.ExchangeRequest("create_order", "okx", 0.1, 200, url="https://okx.com/x"))
    ares.record(ares.OrderUpdate("c1", "filled", quantity=1, price=10, fee=1, fee_currency="USDT", trade_id="t"))
    ares.record(ares.Outcome(d.correlation_id, prediction=1, actual=1))
    ares.record(ares.Mark("BTC", 10))
    ares.record(ares.Equity(1_000, strategy="s"))
    ares.record(ares.Position("BTC", 1, strategy="s", avg_price=10, multiplier=1))
    ares.record(ares.Funding(-1, "USDT", "BTC", "s", kind=ares.FundingKind.FUNDING))
    ares.record_model_behavior_tracking("m", 0.9, [0.5], 0.8, 0.1)

    ares_capture.drain()
    own = [each for _, each in ares_capture.finished]
    assert len(own) > 10
    assert live_check(own, ares_capture.metrics.registry.collect()) == []


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"ares.made.up": 1}, "span 'decision': attribute 'ares.made.up' is not declared"),
        ({"ares.confidence": "high"}, "span 'decision': ares.confidence = 'high' is no double"),
        ({"ares.confidence": 1}, "span 'decision': ares.confidence = 1 is no double"),
        ({"ares.confidence": True}, "span 'decision': ares.confidence = True is no double"),
        ({"ares.symbol": 7}, "span 'decision': ares.symbol = 7 is no string"),
        ({"ares.action": "perhaps"}, "span 'decision': ares.action = 'perhaps' is no string of Action"),
        ({"ares.event.time": 1.5}, "span 'decision': ares.event.time = 1.5 is no time"),
        ({"ares.decision.abandoned": 1}, "span 'decision': ares.decision.abandoned = 1 is no boolean"),
        ({"ares.probabilities": [1.0]}, "span 'decision': ares.probabilities = [1.0] is no map of double"),
        ({"ares.probabilities": {"buy": 1}}, "span 'decision': ares.probabilities = {'buy': 1} is no map of double"),
        ({"ares.probabilities": {7: 1.0}}, "span 'decision': ares.probabilities = {7: 1.0} is no map of double"),
        ({"ares.model.confidence_trend": ["x"]}, "span 'decision': ares.model.confidence_trend = ['x'] is no double[]"),
        ({"error.type": 7}, "span 'decision': error.type = 7 is no string"),
    ],
)
def test_attributes(attributes: dict[str, Any], complaint: str) -> None:
    """An undeclared name, a wrong type, a word outside of its vocabulary; on events as on spans."""
    assert live_check([span(attributes)]) == [complaint]
    inside = live_check([span({}, EventData("vote", 0, attributes))])
    assert inside == [complaint.replace("span 'decision'", "event 'vote'")]


@pytest.mark.parametrize(
    "attributes",
    [
        {"rows": 3, "http.method": "GET"},
        {"ares.confidence": 0.5, "ares.action": "buy", "ares.event.time": 7, "ares.decision.abandoned": True},
        {"ares.probabilities": {"buy": 1.0}, "ares.model.confidence_trend": [0.5, 0.25]},
        {"ares.model.confidence_trend": (0.5,), "ares.probabilities": {}},
    ],
)
def test_what_is_declared_passes(attributes: dict[str, Any]) -> None:
    """What others put on spans, and ours as they are declared."""
    assert live_check([span(attributes)]) == []


def test_events() -> None:
    """An event that carries our attributes has to be declared; somebody's own event need not be."""
    ours, theirs = EventData("odd", 0, {"ares.symbol": "BTC"}), EventData("theirs", 0, {"x": 1})
    assert live_check([span({}, ours, theirs)]) == ["event 'odd' of span 'decision' is not declared"]


def test_each_complaint_comes_once() -> None:
    """A thousand spans with one mistake make one line."""
    assert len(live_check([span({"ares.odd": 1})] * 1_000)) == 1


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry of the official client."""
    return CollectorRegistry()


def test_a_metric_that_nobody_declared(registry: CollectorRegistry) -> None:
    """Ours have to be; the bot's are its own business, unless it has declared them with us."""
    ClientCounter("ares_odd", "x", registry=registry).inc()
    ClientCounter("bot_turns", "x", ["venue"], registry=registry).labels("okx").inc()
    assert live_check((), registry.collect()) == ["metric 'ares_odd' is not declared"]
    own = Counter("bot_turns_total", "turns", (STRATEGY,))
    assert live_check((), registry.collect(), [own]) == [
        "metric 'ares_odd' is not declared",
        "metric bot_turns_total: labels ['venue'] where ['strategy'] are declared",
    ]


def test_a_metric_of_another_type(registry: CollectorRegistry) -> None:
    """A gauge is no counter."""
    ClientGauge("ares_decisions_total", "x", ["strategy", "symbol", "action"], registry=registry).labels(
        "s", "B", "buy"
    )
    assert live_check((), registry.collect()) == ["metric ares_decisions_total: type gauge where counter is declared"]


def test_labels_and_words(registry: CollectorRegistry) -> None:
    """Labels that are not declared, and values outside of a closed vocabulary; `other` and unknown are allowed."""
    decisions = ClientCounter("ares_decisions", "x", ["strategy", "symbol", "action"], registry=registry)
    for action in ("buy", "other", "", "perhaps"):
        decisions.labels("s", "BTC", action).inc()
    ClientHistogram("ares_decision_duration_seconds", "x", ["venue"], registry=registry).labels("okx").observe(1)
    found = live_check((), registry.collect())
    assert "metric ares_decisions_total: action='perhaps' is no Action" in found
    assert [line for line in found if "ares_decision_duration_seconds: labels ['venue']" in line]
    assert len(found) == 2


def test_metrics_of_the_bots_own(ares_capture: Capture) -> None:
    """Declared metrics of the bot pass with their labels."""
    turns = Counter("bot_turns_total", "turns", (STRATEGY, SYMBOL))
    ares.metric(turns).add(strategy="s", symbol="BTC")
    ares_capture.drain()
    assert live_check((), ares_capture.metrics.registry.collect(), [turns]) == []
    wrong = Counter("bot_turns_total", "turns", (STRATEGY,))
    assert len(live_check((), ares_capture.metrics.registry.collect(), [wrong])) == 1
