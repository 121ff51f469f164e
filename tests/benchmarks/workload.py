"""The workload of docs/performance.md, "one decision", and the code that does it in each way that is compared.

One decision: a root span with 8 attributes, three stages with 4 each, five votes, an order with 6 attributes, the
correlation id in baggage, 12 metric updates, one exemplar.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry import baggage, context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

import ares_otel as ares
from ares_otel import Vote

__all__ = ["SPANS", "Careful", "Input", "Nothing", "Ours", "OursCareful", "Usual", "Variant", "inputs"]

MODELS = ("xgb", "lgbm", "lstm", "tcn", "transformer")
BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
SPANS = {"nothing": 0, "ours": 5, "ours, careful": 5, "careful SDK": 10, "usual SDK": 10}
"""Spans of one decision: our votes are events of the decision, the SDK's are spans as its users write them."""


@dataclass(frozen=True, slots=True)
class Input:
    """What one decision is made from.

    No named tuple: reading its fields would be a twentieth of what we cost, and is the bot's business.
    """

    symbol: str
    strategy: str
    side: str
    regime: str
    price: float
    quantity: float
    confidence: float
    signal: float
    score: float
    features: int
    votes: tuple[tuple[str, str, float, float], ...]
    order_id: str


class Variant(Protocol):
    """One way to make a decision observable."""

    def decide(self, given: Input) -> int:
        """Make one decision; return how many members agreed."""

    def flush(self) -> None:
        """Deliver what was recorded, outside the timed part."""

    def close(self) -> None:
        """End."""


def inputs(count: int = 1_024, seed: int = 1) -> list[Input]:
    """Return the same inputs in every run."""
    draw = random.Random(seed)  # noqa: S311  the same inputs in every run
    return [
        Input(
            symbol=draw.choice(["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"]),
            strategy=draw.choice(["trend", "reversion", "breakout"]),
            side=draw.choice(["buy", "sell"]),
            regime=draw.choice(["bull_trend", "bear_trend", "sideways", "high_volatility"]),
            price=draw.uniform(10, 60_000),
            quantity=draw.uniform(0.01, 5),
            confidence=draw.random(),
            signal=draw.uniform(-1, 1),
            score=draw.random(),
            features=draw.randrange(20, 200),
            votes=tuple((name, draw.choice(["buy", "sell", "hold"]), draw.random(), draw.random()) for name in MODELS),
            order_id=f"ord-{draw.getrandbits(64):016x}",
        )
        for _ in range(count)
    ]


class Nothing:
    """The uninstrumented floor."""

    def decide(self, given: Input) -> int:
        """Count who agrees."""
        agree = 0
        for _, action, _, _ in given.votes:
            if action == given.side:
                agree += 1
        return agree

    def flush(self) -> None:
        """Nothing to deliver."""

    def close(self) -> None:
        """Nothing to end."""


class Ours:
    """ares_otel as people write it: stages are blocks. The worker derives the metrics from the same records."""

    def __init__(self, decisions: int) -> None:
        # made ahead: every order has an id of its own, and making it is the bot's business
        self.order_ids = iter([f"{type(self).__name__}-{number:08d}" for number in range(decisions)])

    def decide(self, given: Input) -> int:
        """Make one decision."""
        with ares.decision(
            symbol=given.symbol,
            strategy=given.strategy,
            venue="binance",
            timeframe="1h",
            price=given.price,
            data_age=0.2,
        ) as d:
            with d.stage(
                "analyst",
                {"signal": given.signal, "score": given.score, "features": given.features, "regime": given.regime},
            ):
                pass
            with d.stage("strategist", {"bias": given.signal, "risk": given.score, "horizon": 15, "name": "x"}):
                pass
            with d.stage("tactician", {"entry": given.price, "stop": 0.98, "take": 1.05, "leverage": 2.0}):
                pass
            return self._conclude(d, given)

    def _conclude(self, d: ares.LiveDecision, given: Input) -> int:
        agree = 0
        for _, action, _, _ in given.votes:
            if action == given.side:
                agree += 1
        self._vote(d, given)
        d.resolve(given.side, confidence=given.confidence)
        d.order(
            next(self.order_ids),
            side=given.side,
            type="limit",
            quantity=given.quantity,
            price=given.price,
        )
        return agree

    def _vote(self, d: ares.LiveDecision, given: Input) -> None:
        d.votes([Vote(name, action, confidence, weight) for name, action, confidence, weight in given.votes])

    def flush(self) -> None:
        """Deliver."""
        ares.flush(30.0)

    def close(self) -> None:
        """End."""
        ares.shutdown(30.0)


class OursCareful(Ours):
    """ares_otel by somebody who measured: a call for each stage, and the ensemble's tuples handed over as they are."""

    def decide(self, given: Input) -> int:
        """Make one decision."""
        with ares.decision(
            symbol=given.symbol,
            strategy=given.strategy,
            venue="binance",
            timeframe="1h",
            price=given.price,
            data_age=0.2,
        ) as d:
            d.did(
                "analyst",
                {"signal": given.signal, "score": given.score, "features": given.features, "regime": given.regime},
            )
            d.did("strategist", {"bias": given.signal, "risk": given.score, "horizon": 15, "name": "x"})
            d.did("tactician", {"entry": given.price, "stop": 0.98, "take": 1.05, "leverage": 2.0})
            return self._conclude(d, given)

    def _vote(self, d: ares.LiveDecision, given: Input) -> None:
        d.votes(given.votes)


class _Metrics:
    """The metrics that a user of the SDK keeps beside the spans, by prometheus_client."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.decisions = Counter("decisions", "d", ["symbol", "strategy", "side", "regime"], registry=registry)
        self.latency = Histogram("decision_seconds", "d", ["strategy"], buckets=BUCKETS, registry=registry)
        self.signal = Gauge("signal", "d", ["symbol", "strategy"], registry=registry)
        self.predictions = Counter("predictions", "d", ["model", "action"], registry=registry)
        self.agreement = Histogram("agreement", "d", ["strategy"], buckets=(0.2, 0.4, 0.6, 0.8, 1.0), registry=registry)
        self.orders = Counter("orders", "d", ["symbol", "side", "strategy"], registry=registry)
        self.size = Histogram("order_size", "d", ["symbol", "side"], buckets=BUCKETS, registry=registry)
        self.position = Gauge("position", "d", ["symbol"], registry=registry)

    def usual(self, given: Input, agree: int, seconds: float, trace_id: str) -> None:
        """Look every child up, as most code does."""
        place = {"symbol": given.symbol, "strategy": given.strategy}
        self.decisions.labels(**place, side=given.side, regime=given.regime).inc()
        self.latency.labels(strategy=given.strategy).observe(seconds, exemplar={"trace_id": trace_id})
        self.signal.labels(**place).set(given.signal)
        for name, action, _, _ in given.votes:
            self.predictions.labels(model=name, action=action).inc()
        self.agreement.labels(strategy=given.strategy).observe(agree / len(given.votes))
        self.orders.labels(**place, side=given.side).inc()
        self.size.labels(symbol=given.symbol, side=given.side).observe(given.quantity)
        self.position.labels(symbol=given.symbol).set(given.quantity)


class _CachedMetrics(_Metrics):
    """The same with kept children and bound methods."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, ...], Any] = {}

    def careful(self, given: Input, agree: int, seconds: float, trace_id: str) -> None:
        """Use kept children."""
        key = (given.symbol, given.strategy, given.side, given.regime)
        kept = self.kept.get(key)
        if kept is None:
            kept = self.kept[key] = self._children(given)
        decisions, latency, signal, agreement, orders, size, position = kept
        decisions()
        latency(seconds, {"trace_id": trace_id})
        signal(given.signal)
        for name, action, _, _ in given.votes:
            count = self.kept.get((name, action))
            if count is None:
                count = self.kept[name, action] = self.predictions.labels(name, action).inc
            count()
        agreement(agree / len(given.votes))
        orders()
        size(given.quantity)
        position(given.quantity)

    def _children(self, given: Input) -> tuple[Callable[..., None], ...]:
        symbol, strategy, side, regime = given.symbol, given.strategy, given.side, given.regime
        return (
            self.decisions.labels(symbol, strategy, side, regime).inc,
            self.latency.labels(strategy).observe,
            self.signal.labels(symbol, strategy).set,
            self.agreement.labels(strategy).observe,
            self.orders.labels(symbol, side, strategy).inc,
            self.size.labels(symbol, side).observe,
            self.position.labels(symbol).set,
        )


class _Sdk:
    def __init__(self, endpoint: str) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": "bench"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
        self.processor = BatchSpanProcessor(exporter, max_queue_size=16_384, schedule_delay_millis=60_000)
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("bench")

    def flush(self) -> None:
        """Deliver."""
        self.processor.force_flush()

    def close(self) -> None:
        """End."""
        self.provider.shutdown()


class Usual(_Sdk):
    """The SDK as people write it: `start_as_current_span`, `set_attribute`, `labels()` each time."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.metrics = _Metrics()

    def decide(self, given: Input) -> int:
        """Make one decision."""
        start = time.perf_counter()
        correlation = str(uuid.uuid4())
        token = context.attach(baggage.set_baggage("correlation.id", correlation))
        try:
            with self.tracer.start_as_current_span("decision") as root:
                self._describe(root, given, correlation)
                agree = self._stages(given)
                with self.tracer.start_as_current_span("order") as order:
                    order.set_attribute("order.id", given.order_id)
                    order.set_attribute("order.symbol", given.symbol)
                    order.set_attribute("order.side", given.side)
                    order.set_attribute("order.type", "limit")
                    order.set_attribute("order.quantity", given.quantity)
                    order.set_attribute("order.price", given.price)
                trace_id = format(root.get_span_context().trace_id, "032x")
                self.metrics.usual(given, agree, time.perf_counter() - start, trace_id)
        finally:
            context.detach(token)
        return agree

    def _describe(self, root: trace.Span, given: Input, correlation: str) -> None:
        root.set_attribute("correlation.id", correlation)
        root.set_attribute("symbol", given.symbol)
        root.set_attribute("strategy", given.strategy)
        root.set_attribute("side", given.side)
        root.set_attribute("venue", "binance")
        root.set_attribute("price", given.price)
        root.set_attribute("confidence", given.confidence)
        root.set_attribute("data_age", 0.2)

    def _stages(self, given: Input) -> int:
        for name, facts in _stage_facts(given):
            with self.tracer.start_as_current_span(name) as stage:
                for key, value in facts.items():
                    stage.set_attribute(key, value)
        agree = 0
        for name, action, confidence, weight in given.votes:
            with self.tracer.start_as_current_span("vote") as vote:
                vote.set_attribute("model", name)
                vote.set_attribute("action", action)
                vote.set_attribute("confidence", confidence)
                vote.set_attribute("weight", weight)
                if action == given.side:
                    agree += 1
        return agree


class Careful(_Sdk):
    """The SDK by somebody who measured: one context, attributes at the start, no current span, kept children."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.metrics = _CachedMetrics()
        self.empty = context.Context()

    def decide(self, given: Input) -> int:
        """Make one decision."""
        start_span = self.tracer.start_span
        start = time.perf_counter()
        correlation = f"{random.getrandbits(128):032x}"
        around = baggage.set_baggage("correlation.id", correlation, self.empty)
        facts = {"correlation.id": correlation, "symbol": given.symbol, "strategy": given.strategy}
        more: dict[str, str | float] = {"side": given.side, "venue": "binance", "price": given.price}
        root = start_span(
            "decision", around, attributes={**facts, **more, "confidence": given.confidence, "data_age": 0.2}
        )
        around = trace.set_span_in_context(root, around)
        token = context.attach(around)
        try:
            for name, said in _stage_facts(given):
                start_span(name, around, attributes=said).end()
            agree = 0
            for name, action, confidence, weight in given.votes:
                facts = {"model": name, "action": action}
                vote = start_span("vote", around, attributes={**facts, "confidence": confidence, "weight": weight})
                if action == given.side:
                    agree += 1
                vote.end()
            self._order(given, around)
            root.end()
            trace_id = f"{root.get_span_context().trace_id:032x}"
            self.metrics.careful(given, agree, time.perf_counter() - start, trace_id)
        finally:
            context.detach(token)
        return agree

    def _order(self, given: Input, around: context.Context) -> None:
        facts: dict[str, str | float] = {
            "order.id": given.order_id,
            "order.symbol": given.symbol,
            "order.side": given.side,
            "order.type": "limit",
            "order.quantity": given.quantity,
            "order.price": given.price,
        }
        self.tracer.start_span("order", around, attributes=facts).end()


def _stage_facts(given: Input) -> tuple[tuple[str, dict[str, Any]], ...]:
    return (
        (
            "analyst",
            {"signal": given.signal, "score": given.score, "features": given.features, "regime": given.regime},
        ),
        ("strategist", {"bias": given.signal, "risk": given.score, "horizon": 15, "name": "x"}),
        ("tactician", {"entry": given.price, "stop": 0.98, "take": 1.05, "leverage": 2.0}),
    )
