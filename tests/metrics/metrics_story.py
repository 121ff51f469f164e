"""Facts for tests: short ways to say what happened, and a bot that does a bit of everything."""

from __future__ import annotations

import random
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ares_otel.clock import Clock
from ares_otel.metrics import Metrics
from ares_otel.records.facts import DecisionFacts, OrderFacts, Origin, RecordFacts, UpdateFacts
from ares_otel.records.model import (
    Decision,
    Equity,
    ExchangeRequest,
    FeatureImportance,
    MarketData,
    ModelInfo,
    Order,
    OrderUpdate,
    Outcome,
    Position,
    Prediction,
    Record,
    Regime,
    RiskCheck,
    Stage,
    Vote,
)
from ares_otel.semconv.enums import (
    Action,
    CheckOutcome,
    Component,
    Liquidity,
    OrderStatus,
    OrderType,
    RegimeName,
    RejectReason,
    Side,
)

__all__ = ["T0", "TRACE", "Bot", "fixed_clock", "metrics", "noted", "parsed", "series", "value"]

T0 = 1_700_000_000_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Hands:
    """A monotonic clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def fixed_clock() -> tuple[Clock, Hands]:
    """Return a clock at T0 and what turns it."""
    hands = Hands()
    return Clock(hands, lambda: T0 + hands.now), hands


def metrics(series_budget: int = 4_000, symbols_shown: int = 20, features_shown: int = 20) -> Metrics:
    """Return metrics with a clock that stands at T0."""
    return Metrics(
        clock=fixed_clock()[0],
        series_budget=series_budget,
        symbols_shown=symbols_shown,
        features_shown=features_shown,
    )


def noted(record: Record, at: int = T0, strategy: str | None = None, correlation: str | None = None) -> RecordFacts:
    """Return a record as the worker hands it over."""
    return RecordFacts(record, Origin(strategy=strategy, correlation_id=correlation, exemplar=TRACE), at)


def value(target: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of one exposed series, None if it is absent."""
    return target.registry.get_sample_value(name, labels)


def series(target: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return all series of a sample name by label values in the order of the label names."""
    found = {}
    for family in target.registry.collect():
        for sample in family.samples:
            if sample.name == name:
                found[tuple(text for _, text in sorted(sample.labels.items()))] = sample.value
    return found


def parsed(text: str) -> list[Metric]:
    """Return the families of an OpenMetrics page, as prometheus_client's parser (which checks a lot) reads it."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


class Bot:
    """A bot that uses every group of metrics, with a list of its own of all that it did."""

    def __init__(
        self, strategies: int = 5, symbols: int = 20, venues: int = 2, *, every_pair: bool, seed: int = 1
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  a story, no secret
        self._pairs = [
            (f"strategy{s}", f"SYM{i}", f"venue{i % venues}")
            for s in range(strategies)
            for i in range(symbols)
            if every_pair or i % strategies == s
        ]
        self.decisions = 0
        self.votes = 0
        self.orders = 0
        self.updates: dict[str, int] = {}
        self.fees: list[float] = []
        self.notional: list[float] = []

    def run(self, target: Metrics, decisions: int) -> None:
        """Make so many decisions, each with an order, round all pairs."""
        for number in range(decisions):
            strategy, symbol, venue = self._pairs[number % len(self._pairs)]
            origin = Origin(strategy=strategy, symbol=symbol, venue=venue, correlation_id=f"c{number}", exemplar=TRACE)
            for record in self._records(strategy, symbol, venue, number):
                target.record(RecordFacts(record, origin, T0 + number))
            target.decision(self._decision(origin))
            self._order(target, origin, f"order-{number}")

    def _decision(self, origin: Origin) -> DecisionFacts:
        draw = self._random
        votes = tuple(
            Vote(f"model{k}", draw.choice((Action.BUY, Action.SELL, Action.HOLD)), confidence=draw.random(), weight=0.2)
            for k in range(5)
        )
        parts = (Component.ANALYST, Component.STRATEGIST, Component.TACTICIAN)
        stages = tuple(Stage(part, duration=draw.random() / 100) for part in parts)
        decision = Decision(
            symbol=origin.symbol,
            strategy=origin.strategy,
            action=draw.choice((Action.BUY, Action.SELL, Action.HOLD)),
            confidence=draw.random(),
        )
        self.decisions += 1
        self.votes += len(votes)
        return DecisionFacts(decision, origin, draw.random(), T0, stages=stages, votes=votes)

    def _records(self, strategy: str, symbol: str, venue: str, number: int) -> Iterator[Record]:
        draw = self._random
        yield MarketData(symbol, venue=venue, channel="bars", age=draw.random(), gaps=0, messages=1)
        yield Regime(draw.choice(list(RegimeName)), probabilities={"bull": 0.6, "bear": 0.4})
        yield RiskCheck("size", value=draw.random(), limit=1.0, outcome=draw.choice(list(CheckOutcome)))
        yield Prediction(f"model{number % 5}", value=draw.choice((0, 1)), probability=draw.random(), duration=0.001)
        yield Outcome(f"model{number % 5}", actual=draw.choice((0, 1)))
        yield ModelInfo(f"model{number % 5}", version=f"v{number}", trained_at=T0)
        yield FeatureImportance(f"model{number % 5}", {f"f{k}": draw.random() for k in range(60)})
        yield Position(symbol, quantity=draw.uniform(-1, 1), mark=100.0, unrealized_pnl=draw.random(), currency="USD")
        yield Equity(value=draw.uniform(90, 110), currency="USD", strategy=strategy)
        yield ExchangeRequest(draw.choice(("create_order", "ticker")), duration=0.01, rate_limit_wait=0.0)

    def _order(self, target: Metrics, origin: Origin, client_id: str) -> None:
        draw = self._random
        side = draw.choice((Side.BUY, Side.SELL))
        order = Order(client_id, side, OrderType.LIMIT, quantity=1.0, price=100.0, currency="USD")
        target.order(OrderFacts(order, origin, tick_to_order=draw.random()))
        self.orders += 1
        if draw.random() < 0.1:
            update = OrderUpdate(client_id, OrderStatus.REJECTED, reject_reason=draw.choice(list(RejectReason)))
            self._update(target, UpdateFacts(update, origin, order, ack_seconds=0.01, done=True))
            return
        self._update(target, UpdateFacts(OrderUpdate(client_id, OrderStatus.NEW), origin, order, ack_seconds=0.01))
        for status in (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED):
            self._fill(target, origin, order, status)

    def _fill(self, target: Metrics, origin: Origin, order: Order, status: OrderStatus) -> None:
        draw = self._random
        price, fee = round(draw.uniform(90, 110), 2), round(draw.uniform(-0.01, 0.1), 6)
        update = OrderUpdate(
            order.client_id, status, quantity=0.5, price=price, fee=fee, fee_currency="USD",
            liquidity=draw.choice((Liquidity.MAKER, Liquidity.TAKER)),
        )  # fmt: skip
        done = status == OrderStatus.FILLED
        facts = UpdateFacts(
            update, origin, order, fill_quantity=0.5, fill_seconds=1.0 if done else None,
            slippage_bps=draw.uniform(-5, 5) if done else None, slippage_cost=draw.uniform(-1, 1),
            shortfall_bps=draw.uniform(-5, 5) if done else None, done=done,
        )  # fmt: skip
        self.fees.append(fee)
        self.notional.append(0.5 * price)
        self._update(target, facts)

    def _update(self, target: Metrics, facts: UpdateFacts) -> None:
        status = str(facts.update.status)
        self.updates[status] = self.updates.get(status, 0) + 1
        target.update(facts)
