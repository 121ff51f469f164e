from __future__ import annotations

import math

import pytest
from metrics_story import T0, fixed_clock, metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics, market
from ares_otel.records.model import ExchangeRequest, MarketData, RiskCheck
from ares_otel.semconv.enums import CheckOutcome

SECOND = 1_000_000_000
FEED = {"venue": "v", "symbol": "A", "channel": "bars"}


def test_age_goes_on_growing_after_the_report() -> None:
    """A feed that died looks old: a scrape shows the reported age plus the time since."""
    clock, hands = fixed_clock()
    target = Metrics(clock=clock)
    target.record(noted(MarketData("A", venue="v", channel="bars", age=2.0)))
    assert value(target, "ares_market_data_age_seconds", **FEED) == 2.0

    hands.now = 60 * SECOND
    assert value(target, "ares_market_data_age_seconds", **FEED) == 62.0

    target.record(noted(MarketData("A", venue="v", channel="bars", age=0.5), T0 + 60 * SECOND))
    assert value(target, "ares_market_data_age_seconds", **FEED) == 0.5


def test_messages_without_an_age_make_it_unknown() -> None:
    """After new messages of unknown age the former age is wrong; a report of gaps alone leaves it."""
    target = metrics()
    target.record(noted(MarketData("A", venue="v", channel="bars", age=2.0)))
    target.record(noted(MarketData("A", venue="v", channel="bars", gaps=3)))
    assert value(target, "ares_market_data_age_seconds", **FEED) == 2.0

    target.record(noted(MarketData("A", venue="v", channel="bars", messages=10)))

    assert value(target, "ares_market_data_age_seconds", **FEED) is None
    assert value(target, "ares_market_data_gaps_total", **FEED) == 3.0
    assert value(target, "ares_market_data_messages_total", **FEED) == 10.0


def test_age_of_symbols_without_series_is_the_oldest() -> None:
    """Under `other` stands the feed that needs attention most; an age from the future is zero."""
    target = metrics(symbols_shown=0)
    for symbol, age in (("A", 3.0), ("B", 9.0), ("C", 1.0)):
        target.record(noted(MarketData(symbol, venue="v", channel="bars", age=age)))
    target.record(noted(MarketData("D", venue="w", channel="bars", age=0.0), T0 + SECOND))

    assert series(target, "ares_market_data_age_seconds") == {("bars", "other", "v"): 9.0, ("bars", "other", "w"): 0.0}


def test_feeds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds beyond the limit are counted without an age."""
    monkeypatch.setattr(market, "FEEDS_LIMIT", 1)
    target = metrics()
    target.record(noted(MarketData("A", age=1.0)))
    target.record(noted(MarketData("A", age=2.0)))
    target.record(noted(MarketData("B", age=1.0, messages=5)))

    assert series(target, "ares_market_data_age_seconds") == {("", "A", ""): 2.0}
    assert value(target, "ares_market_data_messages_total", venue="", symbol="B", channel="") == 5.0
    assert GUARD.counts() == {"metrics.market": 1}


def test_calls_of_the_venue() -> None:
    """Duration, errors by class (or status), waiting for and use of the rate limit."""
    target = metrics()
    for request in (
        ExchangeRequest("create_order", venue="v", duration=0.02, status=200, rate_limit_wait=0.1, rate_limit_used=0.4),
        ExchangeRequest("create_order", venue="v", status=503),
        ExchangeRequest("create_order", venue="v", duration=1.0, status=429, error_type="RateLimitExceeded"),
        ExchangeRequest("create_order", venue="v", duration=math.nan),
    ):
        target.record(noted(request))
    call = {"venue": "v", "operation": "create_order"}

    assert value(target, "ares_exchange_request_duration_seconds_count", **call) == 2.0
    assert series(target, "ares_exchange_errors_total") == {
        ("503", "create_order", "v"): 1.0,
        ("RateLimitExceeded", "create_order", "v"): 1.0,
    }
    assert value(target, "ares_exchange_rate_limit_wait_seconds_sum", venue="v") == 0.1
    assert value(target, "ares_exchange_rate_limit_used_ratio", venue="v") == 0.4
    assert GUARD.bad_values() == {("ExchangeRequest", "duration"): 1}


def test_checks_and_limits() -> None:
    """Outcomes start at zero; a value beyond its limit is a breach unless the check passed all the same."""
    target = metrics()
    for check in (
        RiskCheck("size", value=50.0, limit=100.0),
        RiskCheck("size", value=150.0, limit=100.0, outcome=CheckOutcome.BLOCKED),
        RiskCheck("liquidity", value=500.0, limit=100.0),
        RiskCheck("loss", value=-0.03, limit=-0.05, limit_name="daily_loss", outcome=CheckOutcome.WARNED),
    ):
        target.record(noted(check, strategy="s"))

    assert value(target, "ares_risk_checks_total", check="size", outcome="passed") == 1.0
    assert value(target, "ares_risk_checks_total", check="size", outcome="blocked") == 1.0
    assert value(target, "ares_risk_checks_total", check="loss", outcome="reduced") == 0.0
    assert series(target, "ares_limit_breaches_total") == {("size",): 1.0, ("liquidity",): 0.0, ("daily_loss",): 0.0}
    assert series(target, "ares_limit_value") == {
        ("size", "s"): 100.0,
        ("liquidity", "s"): 100.0,
        ("daily_loss", "s"): -0.05,
    }
    assert value(target, "ares_limit_utilization_ratio", strategy="s", limit="size") == 1.5
    assert value(target, "ares_limit_utilization_ratio", strategy="s", limit="daily_loss") == pytest.approx(0.6)


def test_a_limit_that_cannot_be_used_has_no_utilization() -> None:
    """Without a limit, a value, or with a limit of zero there is no ratio; the harmless side of zero uses nothing."""
    target = metrics()
    target.record(noted(RiskCheck("a", value=1.0), strategy="s"))
    target.record(noted(RiskCheck("b", limit=1.0), strategy="s"))
    target.record(noted(RiskCheck("c", value=1.0, limit=0.0), strategy="s"))
    target.record(noted(RiskCheck("d", value=0.02, limit=-0.05), strategy="s"))

    assert series(target, "ares_limit_utilization_ratio") == {("d", "s"): 0.0}
    assert {labels[0] for labels in series(target, "ares_limit_value")} == {"b", "c", "d"}
