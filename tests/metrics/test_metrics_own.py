from __future__ import annotations

import math

import pytest
from metrics_story import TRACE, metrics, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import own
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Attribute, Counter, Gauge, Histogram, Info, Metric

DESK = Attribute("shop.desk", "desk that trades", bounded=True)
CALLS = Counter("shop_calls_total", "calls", (DESK, a.SIDE))
MONEY = Counter("shop_paid_total", "money paid", (a.CURRENCY,))
HEAT = Gauge("shop_heat", "heat", (DESK,))
WAIT = Histogram("shop_wait_seconds", "waiting", (DESK,), unit="s", buckets=(0.1, 1.0))
BUILD = Info("shop_build_info", "build", (DESK,))


def test_own_metrics_of_all_types() -> None:
    """A bot's counters, gauges, histograms and infos stand beside ours, with labels by name and exemplars."""
    target = metrics()
    target.own(CALLS).add(2.0, {"shop_desk": "fx", "order_side": "buy"}, exemplar=TRACE)
    target.own(CALLS).add(labels={"shop_desk": "fx", "order_side": "buy"})
    heat = target.own(HEAT)
    heat.set(36.5, {"shop_desk": "fx"})
    heat.add(-0.5, {"shop_desk": "fx"})
    target.own(WAIT).observe(0.05, {"shop_desk": "fx"}, exemplar=TRACE)
    target.own(BUILD).set(1.0, {"shop_desk": "fx"})

    assert value(target, "shop_calls_total", shop_desk="fx", order_side="buy") == 3.0
    assert value(target, "shop_calls_total", shop_desk="fx", order_side="sell") == 0.0
    assert value(target, "shop_heat", shop_desk="fx") == 36.0
    assert value(target, "shop_wait_seconds_bucket", shop_desk="fx", le="0.1") == 1.0
    assert value(target, "shop_build_info", shop_desk="fx") == 1.0
    assert target.render().count(TRACE.encode()) == 2


def test_own_money_is_summed_exactly() -> None:
    """A counter with a currency is money, whoever declared it."""
    target = metrics()
    for _ in range(10):
        target.own(MONEY).add(0.1, {"currency": "USD"})

    assert value(target, "shop_paid_total", currency="USD") == math.fsum([0.1] * 10) == 1.0


@pytest.mark.parametrize(
    "metric",
    [
        Counter("ares_shop_total", "ours by prefix"),
        Gauge("ares_sharpe_ratio", "one that we declare and do not use yet", unit="1"),
        Gauge("process_heat", "prometheus_client's"),
        Counter("ares_decisions_total", "ours"),
    ],
)
def test_names_that_are_taken_are_refused(metric: Metric) -> None:
    """A bot cannot write into our metrics, nor under names that other libraries use."""
    with pytest.raises(ValueError, match=metric.name):
        metrics().own(metric)


def test_clashes_are_refused() -> None:
    """One name has one declaration; a gauge cannot be named like the family of a counter."""
    target = metrics()
    target.own(CALLS)
    target.own(Counter("shop_calls_total", "calls", (DESK, a.SIDE)))
    with pytest.raises(ValueError, match="clashes with the counter 'shop_calls_total'"):
        target.own(Counter("shop_calls_total", "other calls", (DESK,)))
    with pytest.raises(ValueError, match="clashes with the counter 'shop_calls_total'"):
        target.own(Gauge("shop_calls", "calls now"))


def test_own_metrics_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics made in a loop come to an end."""
    monkeypatch.setattr(own, "METRICS_LIMIT", 1)
    target = metrics()
    target.own(CALLS)
    with pytest.raises(ValueError, match="more than 1"):
        target.own(HEAT)


@pytest.mark.parametrize(
    ("metric", "op", "amount", "labels"),
    [
        (CALLS, "add", -1.0, ("fx", "buy")),
        (CALLS, "set", 1.0, ("fx", "buy")),
        (CALLS, "add", 1.0, ("fx", "BUY!")),
        (CALLS, "add", 1.0, ("fx",)),
        (WAIT, "observe", -0.1, ("fx",)),
        (WAIT, "observe", math.inf, ("fx",)),
        (HEAT, "set", math.nan, ("fx",)),
        (HEAT, "observe", 1.0, ("fx",)),
        (Counter("ares_nothing_total", "not declared"), "add", 1.0, ()),
        (Metric("shop_untyped", "no type"), "add", 1.0, ()),
    ],
)
def test_what_cannot_be_applied_changes_nothing_and_is_counted(
    metric: Metric, op: str, amount: float, labels: tuple[str, ...]
) -> None:
    """Amounts, operations and words that do not fit the declaration are complaints, never errors in the bot."""
    target = metrics()
    target.apply(metric, op, amount, labels)

    assert sum(GUARD.counts().values()) == 1
    assert series(target, metric.name) == {}


def test_a_label_that_is_not_declared_is_refused() -> None:
    """A typing error in a label name does not make a series without it."""
    target = metrics()
    target.own(HEAT).set(1.0, {"desk": "fx"})

    assert series(target, "shop_heat") == {}
    assert GUARD.counts() == {"metrics.labels": 1}


def test_own_labels_are_capped() -> None:
    """An id as a label value ends in `other` after fifty; a gauge of others would mix them, so it is absent."""
    target = metrics()
    for number in range(60):
        target.own(CALLS).add(1.0, {"shop_desk": f"d{number}", "order_side": "buy"})
        target.own(HEAT).set(1.0, {"shop_desk": f"d{number}"})

    assert value(target, "shop_calls_total", shop_desk="other", order_side="buy") == 10.0
    assert len(series(target, "shop_heat")) == 50
    assert value(target, "shop_heat", shop_desk="other") is None


def test_declared_metrics_that_no_record_feeds_can_be_written() -> None:
    """The sender observes its own attempts into the metric that is declared for them."""
    target = metrics()
    target.apply(m.EXPORT_DURATION, "observe", 0.2)

    assert value(target, "ares_telemetry_export_duration_seconds_count") == 1.0


def test_a_cell_for_writers_that_cannot_lock() -> None:
    """A callback of the garbage collector writes to the cell itself; the scrape shows it."""
    target = metrics()
    cell = target.cell(m.GC_PAUSE, ("0",))
    cell.observe(0.001)

    assert value(target, "ares_gc_pause_seconds_count", generation="0") == 1.0
    assert target.cell(m.GC_PAUSE, ("0",)) is cell
