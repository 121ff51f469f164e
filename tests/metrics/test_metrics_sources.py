from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from metrics_story import metrics, noted, series, value

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics import Reading, guard_readings
from ares_otel.records.facts import DecisionFacts, Origin
from ares_otel.records.model import Decision, Regime
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DropReason
from ares_otel.semconv.model import Metric


def test_values_are_read_at_each_scrape_until_the_source_is_taken_away() -> None:
    """Queues and ledgers keep their own numbers; a scrape shows what they say at that moment."""
    target, waiting = metrics(), [3, 5]
    detach = target.observe_at_scrape(lambda: [(m.QUEUE_LENGTH, (), waiting[0])])
    assert value(target, "ares_telemetry_queue_length") == 3.0

    waiting.pop(0)
    assert value(target, "ares_telemetry_queue_length") == 5.0

    detach()
    assert value(target, "ares_telemetry_queue_length") is None


def test_counters_of_sources_are_counters_and_start_at_zero() -> None:
    """What others have counted is exposed as a counter; the other words of its closed label are zero."""
    target = metrics()
    target.observe_at_scrape(lambda: [(m.DROPPED, ("queue_full",), 7), (m.EXPORTED, (), 100)])

    dropped = series(target, "ares_telemetry_dropped_total")
    assert dropped.pop(("queue_full",)) == 7.0
    assert len(dropped) == len(DropReason) - 1
    assert set(dropped.values()) == {0.0}
    assert (
        b"# TYPE ares_telemetry_exported_spans counter\nares_telemetry_exported_spans_total 100.0\n" in target.render()
    )


def test_two_sources_of_one_series_add_up() -> None:
    """Two senders report spans of one process; a scrape must not hold a series twice. Ages do not add up."""
    target = metrics()
    target.observe_at_scrape(lambda: [(m.EXPORTED, (), 10), (m.MARKET_DATA_AGE, ("v", "A", "book"), 1.0)])
    target.observe_at_scrape(lambda: [(m.EXPORTED, (), 5), (m.MARKET_DATA_AGE, ("v", "A", "book"), 3.0)])
    target.apply(m.EXPORTED, "add", 1.0)

    assert value(target, "ares_telemetry_exported_spans_total") == 16.0
    assert value(target, "ares_market_data_age_seconds", venue="v", symbol="A", channel="book") == 3.0
    assert target.render().count(b"\nares_telemetry_exported_spans_total") == 1


def test_labels_of_sources_are_capped_and_checked() -> None:
    """Open orders of symbols too many add up as `other`; words outside a vocabulary are left out."""
    target = metrics(symbols_shown=1)
    readings: list[Reading] = [(m.MARKET_DATA_GAPS, ("v", symbol, None), 1) for symbol in ("A", "B", "C")]
    readings += [(m.ORDERS_UNACKNOWLEDGED, (f"v{number}",), 1) for number in range(60)]
    readings += [(m.DROPPED, ("eaten by the dog",), 1)]
    target.observe_at_scrape(lambda: readings)

    assert series(target, "ares_market_data_gaps_total") == {("", "A", "v"): 1.0, ("", "other", "v"): 2.0}
    assert len(series(target, "ares_orders_unacknowledged")) == 49
    assert series(target, "ares_telemetry_dropped_total") == {}


@pytest.mark.parametrize(
    ("metric", "amount"),
    [(m.QUEUE_LENGTH, math.nan), (m.EXPORTED, -1.0), (m.EXPORTED, math.inf), (m.EXPORT_DURATION, 1.0)],
)
def test_a_value_that_cannot_be_shown_is_left_out(metric: Metric, amount: float) -> None:
    """NaN, a counter below zero and a histogram without buckets are complaints; the scrape is whole."""
    target = metrics()
    target.observe_at_scrape(lambda: [(metric, (), amount), (m.SPOOL_BYTES, (), 1)])

    assert value(target, "ares_telemetry_spool_bytes") == 1.0
    assert series(target, metric.name) == {}
    assert GUARD.counts()["metrics.source"] >= 1


def test_a_source_that_fails_takes_only_itself_away() -> None:
    """An error in one source is counted, and the others are shown."""
    target = metrics()

    def broken() -> Iterator[Reading]:
        yield m.QUEUE_LENGTH, (), 1
        raise OSError("gone")

    target.observe_at_scrape(broken)
    target.observe_at_scrape(lambda: [(m.SPOOL_BYTES, (), 1)])

    assert value(target, "ares_telemetry_spool_bytes") == 1.0
    assert value(target, "ares_telemetry_errors_total", where="metrics.source") == 1.0


def test_errors_of_the_telemetry_are_shown() -> None:
    """Every error that the guard counted, and every bad value, is on the page; nothing while there is none."""
    target = metrics()
    assert series(target, "ares_telemetry_errors_total") == {}

    GUARD.failed("sender", ValueError("x"))
    GUARD.failed("sender", ValueError("x"))
    GUARD.bad_value("Vote", "confidence", "0..1", 1.4)

    assert series(target, "ares_telemetry_errors_total") == {("sender",): 2.0, ("Vote.confidence",): 1.0}
    assert series(target, "ares_telemetry_bad_values_total") == {("confidence", "Vote"): 1.0}


def test_guard_readings_of_another_guard() -> None:
    """The source can be made for any guard."""
    guard = Guard()
    guard.failed("here", OSError())

    assert list(guard_readings(guard)()) == [(m.TELEMETRY_ERRORS, ("here",), 1)]


def test_scraped_series_count_for_the_budget() -> None:
    """What sources bring leaves less room for zeros."""
    target = metrics(series_budget=100)
    target.observe_at_scrape(lambda: [(m.ORDERS_UNACKNOWLEDGED, (f"v{number}",), 1) for number in range(45)])
    target.decision(DecisionFacts(Decision(strategy="s", symbol="A"), Origin(), 0.1, 0))
    target.record(noted(Regime("sideways", symbol="A"), strategy="s"))

    assert len([line for line in target.render().splitlines() if not line.startswith(b"#")]) < 100
    assert sum(series(target, "ares_regime_active").values()) == 1.0
