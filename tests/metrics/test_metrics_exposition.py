from __future__ import annotations

import threading
from pathlib import Path

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_story import T0, TRACE, Bot, metrics, parsed, value
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families as plain_families
from prometheus_client.registry import Collector

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.metrics.shape import Shape
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
    Regime,
    RiskCheck,
    Stage,
    Vote,
)
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Action, Component, Liquidity, OrderStatus, OrderType, Side
from ares_otel.semconv.model import Counter, Gauge

GOLDEN = Path(__file__).parent / "golden.txt"
ORIGIN = Origin(strategy="momentum", symbol="ETHUSDT", venue="binance", correlation_id="c1", exemplar=TRACE)
ORDER = Order("o1", Side.BUY, OrderType.LIMIT, quantity=0.02, price=3031.4, currency="USDT", arrival_mid=3031.0)


def tell_story(target: Metrics) -> None:
    """One decision with all that belongs to it, an order, its acknowledgement, two fills, an outcome."""
    for record in (
        MarketData("ETHUSDT", venue="binance", channel="bars", age=0.25, gaps=0, messages=12),
        Regime("bull_trend", confidence=0.81, probabilities={"bull_trend": 0.81, "sideways": 0.19}),
        RiskCheck("max_order_value", value=60.6, limit=100.0),
        Prediction("lgbm", "buy", probability=0.7, duration=0.0031),
        ModelInfo("lgbm", version="3", trained_at=T0),
        FeatureImportance("lgbm", {"rsi": 0.6, "volume": 0.4}),
        ExchangeRequest("create_order", duration=0.042, status=200, rate_limit_wait=0.0, rate_limit_used=0.05),
        Position("ETHUSDT", quantity=0.02, mark=3031.5, unrealized_pnl=0.0, currency="USDT"),
        Equity(10_000.0, currency="USDT", realized_pnl=-1.5),
        Outcome("lgbm", "buy"),
    ):
        target.record(RecordFacts(record, ORIGIN, T0))
    votes = (
        Vote("lgbm", Action.BUY, confidence=0.7, weight=0.6),
        Vote("rule", Action.SELL, confidence=0.5, weight=0.4),
        Vote("stacker", Action.BUY, confidence=0.66, meta_learner=True),
    )
    stages = (Stage(Component.ANALYST, duration=0.004), Stage(Component.TACTICIAN, 0.001, error_type="KeyError"))
    decision = Decision("ETHUSDT", "momentum", "binance", action=Action.BUY, confidence=0.66)
    target.decision(DecisionFacts(decision, ORIGIN, 0.012, T0, stages=stages, votes=votes, agreement=0.5, entropy=1.0))
    target.order(OrderFacts(ORDER, ORIGIN, tick_to_order=0.011))
    target.update(UpdateFacts(OrderUpdate("o1", OrderStatus.NEW), ORIGIN, ORDER, ack_seconds=0.041))
    maker = Liquidity.MAKER
    first = OrderUpdate("o1", OrderStatus.PARTIALLY_FILLED, quantity=0.01, price=3031.5, fee=0.03, liquidity=maker)
    target.update(UpdateFacts(first, ORIGIN, ORDER, fill_quantity=0.01, slippage_cost=0.005))
    last = OrderUpdate("o1", OrderStatus.FILLED, quantity=0.01, price=3031.5, fee=-0.01, liquidity=maker)
    facts = UpdateFacts(
        last, ORIGIN, ORDER, fill_quantity=0.01, slippage_cost=0.005, fill_seconds=0.9, slippage_bps=1.65,
        shortfall_bps=-2.0, done=True,
    )  # fmt: skip
    target.update(facts)


def test_golden_exposition() -> None:
    """The whole page for one small story, byte by byte: names, types, units, labels, order, exemplars, zeros."""
    target = metrics()
    tell_story(target)

    assert target.render().decode() == GOLDEN.read_text(encoding="utf-8")
    assert GUARD.counts() == {}


def oracle(target: Metrics, accept: str) -> bytes:
    """Return prometheus_client's own exposition of the same registry."""
    encode, _ = choose_encoder(accept)
    return encode(target.registry)


def test_our_lines_are_prometheus_clients_lines() -> None:
    """Both formats parse to the same families, samples and exemplars as prometheus_client's own exposition."""
    target, bot = metrics(), Bot(strategies=2, symbols=3, every_pair=True)
    tell_story(target)
    bot.run(target, 50)
    prometheus_client.Counter("shop_calls", "calls", ["desk"], registry=target.registry).labels("fx").inc()
    openmetrics, plain = target.render().decode(), target.render(openmetrics=False).decode()

    expected = oracle(target, "application/openmetrics-text; version=1.0.0").decode()
    assert parsed(openmetrics) == parsed(expected)
    assert list(plain_families(plain)) == list(plain_families(oracle(target, "").decode()))
    assert openmetrics.endswith("\n# EOF\n")
    assert "# EOF" not in plain
    assert "trace_id" not in plain


@given(st.lists(st.text(max_size=80), min_size=3, max_size=3))
def test_any_label_value_survives_the_way_to_prometheus(texts: list[str]) -> None:
    """Whatever a bot uses as names, both expositions can be parsed and hold the same value."""
    target = metrics()
    strategy, symbol, venue = texts
    order = Order("1", Side.BUY, OrderType.MARKET, strategy=strategy, symbol=symbol, venue=venue)
    target.order(OrderFacts(order, Origin()))

    families = parsed(target.render().decode())
    found = [sample for family in families for sample in family.samples if sample.name == "ares_orders_submitted_total"]
    assert [sample.value for sample in found] == [1.0]
    plain = plain_families(target.render(openmetrics=False).decode())
    assert found[0].labels in [sample.labels for family in plain for sample in family.samples]


def test_collectors_of_others_stand_beside_ours_without_created() -> None:
    """A bot's prometheus_client metrics in our registry are exposed and counted; `_created` is left out."""
    target = metrics()
    before = value(target, "ares_telemetry_series")
    calls = prometheus_client.Histogram("shop_wait_seconds", "waiting", buckets=(1.0,), registry=target.registry)
    calls.observe(0.5)

    assert value(target, "shop_wait_seconds_sum") == 0.5
    assert value(target, "ares_telemetry_series") == (before or 0) + 4
    assert b"_created" not in target.render()
    assert b"_created" not in oracle(target, "")


class _Broken(Collector):
    """A collector that fails, or one that uses a name of ours."""

    def __init__(self, name: str) -> None:
        self._name = name

    def collect(self) -> list[prometheus_client.Metric]:
        if self._name == "fail":
            raise OSError("gone")
        metric = prometheus_client.Metric(self._name, "x", "gauge")
        metric.add_sample(self._name, {}, 1.0)
        return [metric]


def test_a_failing_collector_does_not_break_the_page() -> None:
    """An error in somebody else's collector is counted; our metrics are shown."""
    target = metrics()
    target.registry.register(_Broken("fail"))

    assert value(target, "ares_telemetry_errors_total", where="metrics.collector") == 1.0


@pytest.mark.parametrize("names", [["ares_telemetry_series"], ["shop_heat", "shop_heat"]])
def test_no_collector_can_double_a_name(names: list[str]) -> None:
    """Prometheus refuses a page that holds a family twice, so the one that comes later is left out."""
    target = metrics()
    for name in names:
        target.registry.register(_Broken(name))

    assert target.render().count(f"# TYPE {names[0]} ".encode()) == 1
    assert GUARD.counts() == {"metrics.collector": 1}


def test_resource_can_be_told_as_target_info() -> None:
    """OpenTelemetry's resource goes into `target_info`, as its specification says."""
    target = metrics()
    target.registry.set_target_info({"service_name": "ares-bot"})

    assert b'target_info{service_name="ares-bot"} 1.0\n' in target.render()


def test_a_scrape_sees_every_decision_whole() -> None:
    """While the worker counts, each page is consistent: buckets, counts and votes belong to the same decisions."""
    target = metrics()
    votes = tuple(Vote(f"m{number}", Action.BUY, weight=0.2) for number in range(5))
    decision = Decision("A", "s", action=Action.BUY, confidence=0.5)
    facts = DecisionFacts(decision, Origin(exemplar=TRACE), 0.25, T0, votes=votes)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            target.decision(facts)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        seen = [page(target) for _ in range(20)]
    finally:
        stop.set()
        worker.join()

    for samples in seen:
        decisions = samples.get("ares_decisions_total", 0.0)
        assert samples.get("ares_decision_duration_seconds_count", 0.0) == decisions
        assert samples.get("ares_decision_duration_seconds_sum", 0.0) == decisions * 0.25
        assert samples.get("ares_ensemble_votes_total", 0.0) == 5 * decisions
    assert seen[-1]["ares_decisions_total"] >= seen[0].get("ares_decisions_total", 0.0)


def page(target: Metrics) -> dict[str, float]:
    """Scrape and add the values of each sample name up."""
    totals: dict[str, float] = {}
    for family in parsed(target.render().decode()):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


def test_declared_metrics_without_facts_are_absent() -> None:
    """A page of a process that has done nothing shows that it shows nothing."""
    assert metrics().render() == (
        b"# HELP ares_telemetry_series series that this endpoint exposes\n"
        b"# TYPE ares_telemetry_series gauge\nares_telemetry_series 1.0\n# EOF\n"
    )


def test_every_declared_metric_can_be_exposed() -> None:
    """No two declared metrics share a family, and each has a shape that prometheus_client accepts."""
    stems = [Shape(metric).stem for metric in m.METRICS]
    assert len(set(stems)) == len(stems)
    for metric in m.METRICS:
        family = Shape(metric).collected([])
        assert family.name == Shape(metric).stem


@pytest.mark.parametrize(
    ("metric", "unit"),
    [(m.DECISION_DURATION, "seconds"), (m.PROCESS_IO, "bytes"), (m.DECISIONS, ""), (m.SHARPE, "ratio"), (m.EQUITY, "")],
)
def test_unit_is_said_where_the_name_ends_with_it(metric: Counter | Gauge, unit: str) -> None:
    """OpenMetrics allows a unit only as the last word of the name."""
    header = Shape(metric).header(openmetrics=True)

    assert (f"# UNIT {Shape(metric).stem} {unit}\n" in header) == bool(unit)
    assert ("# UNIT" in header) == bool(unit)


def test_briefs_are_escaped() -> None:
    """A line break or backslash in somebody's brief does not break the page."""
    header = Shape(Gauge("shop_heat", 'in "°C"\n\\', (a.VENUE,))).header(openmetrics=True)

    assert header == '# HELP shop_heat in \\"°C\\"\\n\\\\\n# TYPE shop_heat gauge\n'
