"""ares_otel in three ways: by somebody who measured, as people write it, and with spans for everything."""

from __future__ import annotations

import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Mapping
from itertools import count

from scraped import SHARES, read_page
from workload import BUCKETS, Input, Settings, order_facts

import ares_otel as ares
from ares_otel import Vote
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Counter, Gauge, Histogram

__all__ = ["Ours", "OursBlocks", "OursBlocksRing", "OursRing", "OursSpans"]

AHEAD = 8_192
SCRAPE = {"Accept": "application/openmetrics-text"}
NAMES = {
    "decisions": m.DECISIONS.name,
    "votes": m.VOTES.name,
    "orders": m.ORDERS_SUBMITTED.name,
    "decision_seconds": f"{m.DECISION_DURATION.name}_count",
}


class Ours:
    """ares_otel by somebody who measured: a call for each stage, and the ensemble's tuples handed over as they are.

    The worker derives the metrics from the same records.
    """

    names: Mapping[str, str] = NAMES

    def __init__(self, settings: Settings) -> None:
        # made ahead: every order has an id of its own, and making it is the bot's business
        self.order_ids: deque[str] = deque()
        self.numbers = count()
        self._make_ids()
        overrides: dict[str, object] = {
            "exporter.endpoint": settings.endpoint,
            "metrics.port": 0,
            "spool.enabled": False,
            "ledger.enabled": False,
        }
        overrides |= self.more()
        if settings.idle:
            overrides["recorder.drain_interval"] = settings.delay
        self.handle = ares.setup(overrides=overrides)

    def more(self) -> dict[str, object]:
        """Return further settings."""
        return {}

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
            agree = 0
            for _, action, _, _ in given.votes:
                if action == given.side:
                    agree += 1
            d.votes(given.votes)
            d.resolve(given.side, confidence=given.confidence)
            d.order(self.order_ids.popleft(), side=given.side, type="limit", quantity=given.quantity, price=given.price)
            return agree

    def flush(self) -> None:
        """Deliver."""
        self._make_ids()
        ares.flush(60.0)

    def _make_ids(self) -> None:
        ids = self.order_ids
        ids.extend(f"{type(self).__name__}-{next(self.numbers):08d}" for _ in range(AHEAD - len(ids)))

    def seen(self) -> Mapping[str, float] | None:
        """Return what a scrape says."""
        asked = urllib.request.Request(self.handle.metrics_url or "", headers=SCRAPE)
        with urllib.request.urlopen(asked) as page:
            return read_page(page.read().decode(), self.names)

    def close(self) -> None:
        """End."""
        ares.shutdown(30.0)


class OursBlocks(Ours):
    """ares_otel as people write it: stages are blocks, votes are records."""

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
            agree = 0
            for _, action, _, _ in given.votes:
                if action == given.side:
                    agree += 1
            d.votes([Vote(name, action, confidence, weight) for name, action, confidence, weight in given.votes])
            d.resolve(given.side, confidence=given.confidence)
            d.order(self.order_ids.popleft(), side=given.side, type="limit", quantity=given.quantity, price=given.price)
            return agree


class _Ringed(Ours):
    """What is said goes into a file in memory, too, so that it outlives `kill -9`."""

    def more(self) -> dict[str, object]:
        """Return the settings of a ring that never fills between two rounds."""
        self.folder = tempfile.TemporaryDirectory()
        return {"recorder.ring": f"{self.folder.name}/ring", "recorder.ring_bytes": 64 << 20}

    def close(self) -> None:
        """End."""
        super().close()
        self.folder.cleanup()


class OursRing(_Ringed):
    """By somebody who measured, with the ring."""


class OursBlocksRing(_Ringed, OursBlocks):
    """As people write it, with the ring."""


class OursSpans(Ours):
    """ares_otel with a span for everything, as the SDK's users write it: nine `span()` blocks inside the decision.

    Its twelve updates go to metrics of the bot's own, beside those that the worker derives from the decision.
    """

    names: Mapping[str, str] = {
        "decisions": "bench_decisions_total",
        "votes": "bench_votes_total",
        "orders": "bench_orders_total",
        "decision_seconds": "bench_decision_seconds_count",
    }

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        place = (a.SYMBOL, a.STRATEGY)
        self.decisions = ares.metric(Counter("bench_decisions_total", "d", (*place, a.SIDE, a.REGIME)))
        self.votes = ares.metric(Counter("bench_votes_total", "d", (a.MODEL_NAME, a.ACTION)))
        self.orders = ares.metric(Counter("bench_orders_total", "d", (*place, a.SIDE)))
        self.latency = ares.metric(Histogram("bench_decision_seconds", "d", (a.STRATEGY,), unit="s", buckets=BUCKETS))
        self.agreement = ares.metric(Histogram("bench_agreement", "d", (a.STRATEGY,), buckets=SHARES))
        self.size = ares.metric(Histogram("bench_order_size", "d", (a.SYMBOL, a.SIDE), buckets=BUCKETS))
        self.signal = ares.metric(Gauge("bench_signal", "d", place))
        self.position = ares.metric(Gauge("bench_position", "d", (a.SYMBOL,)))

    def decide(self, given: Input) -> int:
        """Make one decision."""
        span = ares.span
        start = time.perf_counter()
        with ares.decision(
            symbol=given.symbol,
            strategy=given.strategy,
            venue="binance",
            timeframe="1h",
            price=given.price,
            data_age=0.2,
        ) as d:
            with span(
                "analyst",
                {"signal": given.signal, "score": given.score, "features": given.features, "regime": given.regime},
            ):
                pass
            with span("strategist", {"bias": given.signal, "risk": given.score, "horizon": 15, "name": "x"}):
                pass
            with span("tactician", {"entry": given.price, "stop": 0.98, "take": 1.05, "leverage": 2.0}):
                pass
            agree = 0
            for name, action, confidence, weight in given.votes:
                with span("vote", {"model": name, "action": action, "confidence": confidence, "weight": weight}):
                    if action == given.side:
                        agree += 1
            with span("order", order_facts(given)):
                pass
            d.resolve(given.side, confidence=given.confidence)
            self._count(given, agree, time.perf_counter() - start)
            return agree

    def _count(self, given: Input, agree: int, seconds: float) -> None:
        symbol, strategy, side = given.symbol, given.strategy, given.side
        self.decisions.add(symbol=symbol, strategy=strategy, order_side=side, regime=given.regime)
        self.latency.observe(seconds, strategy=strategy)
        self.signal.set(given.signal, symbol=symbol, strategy=strategy)
        for name, action, _, _ in given.votes:
            self.votes.add(model_name=name, action=action)
        self.agreement.observe(agree / len(given.votes), strategy=strategy)
        self.orders.add(symbol=symbol, order_side=side, strategy=strategy)
        self.size.observe(given.quantity, symbol=symbol, order_side=side)
        self.position.set(given.quantity, symbol=symbol)
