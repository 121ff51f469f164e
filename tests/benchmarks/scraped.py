"""Metrics of the variants: by prometheus_client, by OpenTelemetry, and what a page of either says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics import exposition, parser
from workload import BUCKETS, Input

__all__ = ["SHARES", "CachedMetrics", "OtelMetrics", "PromMetrics", "read_page"]

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


def read_page(text: str, names: Mapping[str, str]) -> dict[str, float]:
    """Return sums of samples of a page in OpenMetrics: by `names`, a sample's name by what it is called here."""
    found = dict.fromkeys([*names, "exemplars"], 0.0)
    for family in parser.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # it has no types
        for sample in family.samples:
            found["exemplars"] += sample.exemplar is not None
            for called, name in names.items():
                found[called] += sample.value if sample.name == name else 0.0
    return found


class PromMetrics:
    """The metrics that a user of the SDK keeps beside the spans, by prometheus_client."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.decisions = Counter("decisions", "d", ["symbol", "strategy", "side", "regime"], registry=registry)
        self.latency = Histogram("decision_seconds", "d", ["strategy"], buckets=BUCKETS, registry=registry)
        self.signal = Gauge("signal", "d", ["symbol", "strategy"], registry=registry)
        self.votes = Counter("votes", "d", ["model", "action"], registry=registry)
        self.agreement = Histogram("agreement", "d", ["strategy"], buckets=SHARES, registry=registry)
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
            self.votes.labels(model=name, action=action).inc()
        self.agreement.labels(strategy=given.strategy).observe(agree / len(given.votes))
        self.orders.labels(**place, side=given.side).inc()
        self.size.labels(symbol=given.symbol, side=given.side).observe(given.quantity)
        self.position.labels(symbol=given.symbol).set(given.quantity)

    def seen(self) -> dict[str, float]:
        """Return what a scrape says."""
        names = {name: f"{name}_total" for name in ("decisions", "votes", "orders")}
        page = exposition.generate_latest(self.registry).decode()  # type: ignore[no-untyped-call]  # it has no types
        return read_page(page, {**names, "decision_seconds": "decision_seconds_count"})


class CachedMetrics(PromMetrics):
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
                count = self.kept[name, action] = self.votes.labels(name, action).inc
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


class OtelMetrics:
    """The same by instruments of OpenTelemetry, or of who makes the same.

    Args:
        counter, histogram, gauge: make an instrument by its name.
    """

    def __init__(
        self, counter: Callable[[str], Any], histogram: Callable[[str], Any], gauge: Callable[[str], Any]
    ) -> None:
        self.decisions = counter("decisions")
        self.votes = counter("votes")
        self.orders = counter("orders")
        self.latency = histogram("decision_seconds")
        self.agreement = histogram("agreement")
        self.size = histogram("order_size")
        self.signal, self.position = gauge("signal"), gauge("position")

    def update(self, given: Input, agree: int, seconds: float, *around: Context) -> None:
        """Update all; `around`: the context for exemplars, if it is not the current one."""
        symbol, strategy, side = given.symbol, given.strategy, given.side
        self.decisions.add(1, {"symbol": symbol, "strategy": strategy, "side": side, "regime": given.regime}, *around)
        self.latency.record(seconds, {"strategy": strategy}, *around)
        self.signal.set(given.signal, {"symbol": symbol, "strategy": strategy}, *around)
        for name, action, _, _ in given.votes:
            self.votes.add(1, {"model": name, "action": action}, *around)
        self.agreement.record(agree / len(given.votes), {"strategy": strategy}, *around)
        self.orders.add(1, {"symbol": symbol, "side": side, "strategy": strategy}, *around)
        self.size.record(given.quantity, {"symbol": symbol, "side": side}, *around)
        self.position.set(given.quantity, {"symbol": symbol}, *around)
