from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from metrics_story import fixed_clock, metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.metrics import performance as own
from ares_otel.portfolio.conventions import DAY, Convention
from ares_otel.portfolio.performance import Performance, performance, performances
from ares_otel.portfolio.returns import Curve
from ares_otel.records.model import Equity

START = 11_000
DRAW = random.Random(1)  # noqa: S311  a simulation
VALUES = [100.0]
for _ in range(600):
    VALUES.append(VALUES[-1] * (1.0 + DRAW.gauss(0.001, 0.01)))


def report(target: Metrics, day: int, amount: float | None, strategy: str = "s", currency: str | None = "USD") -> None:
    """Record equity at noon of a day of market time."""
    target.record(noted(Equity(amount, currency=currency, strategy=strategy, event_time=day * DAY + DAY // 2)))


def follow(target: Metrics, values: list[float], first: int = START) -> None:
    """Record a value a day."""
    for place, amount in enumerate(values):
        report(target, first + place, amount)


def shown(target: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return the series of a ratio."""
    return series(target, f"ares_{name}_ratio")


def test_ratios_by_window() -> None:
    """Of each window the ratio of the days that have ended, equal to that of the portfolio's functions."""
    target = metrics()
    follow(target, VALUES)
    ended = Curve(tuple(range(START, START + 600)), tuple(VALUES[:-1]))

    for window in ("30d", "90d", "365d", "all"):
        found = performance(ended, window, Convention(intervals=False))
        for name in ("sharpe", "sortino", "calmar"):
            assert shown(target, name).get(("s", window)) == getattr(found, name).value
    assert {window for _, window in shown(target, "calmar")} == {"365d", "all"}
    for tail in performance(ended).tails:
        labels = (f"{tail.level:g}", tail.method, "s")
        assert shown(target, "value_at_risk")[labels] == tail.value_at_risk.value
        assert shown(target, "expected_shortfall")[labels] == tail.expected_shortfall.value


def test_too_few_days_have_no_ratios() -> None:
    """Twenty returns need 21 days that have ended; before, nothing is shown, and no zero."""
    target = metrics()
    follow(target, VALUES[:21])
    assert shown(target, "sharpe") == shown(target, "value_at_risk") == {}

    report(target, START + 21, VALUES[21])

    assert {*shown(target, "sharpe")} == {("s", window) for window in ("30d", "90d", "365d", "all")}
    assert {labels[:2] for labels in shown(target, "value_at_risk")} == {("0.95", "parametric"), ("0.99", "parametric")}


def test_the_convention_is_published_with_the_first_equity() -> None:
    """Without equity there is nothing to say a convention of."""
    target = Metrics(clock=fixed_clock()[0], convention=Convention(periods=252, minimum=5))
    assert series(target, "ares_performance_convention_info") == {}

    follow(target, VALUES[:8])

    assert series(target, "ares_performance_convention_info") == {("equity", "252", "simple"): 1.0}
    ended = Curve(tuple(range(7)), tuple(VALUES[:7]))
    expected = performance(ended, "all", Convention(periods=252, minimum=5)).sharpe.value
    assert value(target, "ares_sharpe_ratio", strategy="s", window="all") == expected


def test_the_last_value_of_a_day_counts() -> None:
    """Hourly values of a day give one return; what comes after the day has ended is too late."""
    target, same = metrics(), metrics()
    for place, amount in enumerate(VALUES[:40]):
        for _ in range(3):
            report(target, START + place, 1.0)
        report(target, START + place, amount)
        report(target, START + place - 1, 5_000.0)
        report(target, START + place, None)
    follow(same, VALUES[:40])

    assert shown(target, "sharpe") == shown(same, "sharpe") != {}


def test_it_is_computed_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape without a new day computes nothing."""
    calls: list[int] = []

    def counted(curve: Curve, convention: Convention) -> tuple[Performance, ...]:
        calls.append(len(curve.days))
        return performances(curve, convention)

    monkeypatch.setattr(own, "performances", counted)
    target = metrics()
    follow(target, VALUES[:50])

    for _ in range(3):
        assert shown(target, "sharpe")
    assert calls == [49]
    report(target, START + 49, 1.0)
    target.render()
    assert calls == [49]
    report(target, START + 50, 1.0)
    target.render()
    assert calls == [49, 50]


def test_a_replay_that_begins_anew_begins_anew() -> None:
    """A jump back of twenty years is no late report: the days before it are forgotten."""
    target, same = metrics(), metrics()
    follow(target, VALUES[:300], START + 7_000)
    follow(target, VALUES[100:200])
    follow(same, VALUES[100:200])

    assert shown(target, "sharpe") == shown(same, "sharpe") != {}


def test_several_currencies_have_no_ratio() -> None:
    """Money in two currencies makes no return; another strategy is not touched by it."""
    target = metrics()
    follow(target, VALUES[:50])
    for place in range(50):
        report(target, START + place, VALUES[place], "t", "EUR")
    assert {strategy for strategy, _ in shown(target, "sharpe")} == {"s", "t"}

    report(target, START + 50, 1.0, "t", "USD")

    assert {strategy for strategy, _ in shown(target, "sharpe")} == {"s"}
    assert {labels[2] for labels in shown(target, "value_at_risk")} == {"s"}


def test_without_market_time_the_time_of_the_record_counts() -> None:
    """A live bot need not say the market's time; an aware datetime is as good as nanoseconds."""
    target, same = metrics(), metrics()
    for place, amount in enumerate(VALUES[:40]):
        target.record(noted(Equity(amount, strategy="s"), at=(START + place) * DAY))
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=START + place)
        same.record(noted(Equity(amount, strategy="s", event_time=day)))

    assert shown(target, "sharpe") == shown(same, "sharpe") != {}


def test_what_is_kept_is_bounded() -> None:
    """Ten years of days, and 64 strategies; the next one is refused and said to be so."""
    target = metrics()
    follow(target, [100.0 + day % 7 for day in range(5_000)])
    for number in range(70):
        report(target, START, 1.0, f"strategy{number}")
    (kept,) = [each for each in _keepers(target) if each]

    assert len(kept) == 64
    assert len(kept["s"].curve().days) == own.DAYS
    assert GUARD.counts()["metrics.performance"] == 7


def _keepers(target: Metrics) -> list[dict[str | None, own._Days]]:
    sources = [getattr(source, "__self__", None) for source in target._instruments._sources]
    return [source._days for source in sources if isinstance(source, own.Performances)]


def test_equity_below_zero_has_no_ratio() -> None:
    """No return of a debt: the ratios go, and come back when no such day is in the window."""
    target = metrics()
    follow(target, [*VALUES[:30], -5.0, *VALUES[30:130]])

    assert {window for _, window in shown(target, "sharpe")} == {"30d", "90d"}


def test_scrapes_at_the_same_time() -> None:
    """Two scrapes while the worker goes on: nobody waits for ever, all end with the same numbers."""
    target = metrics()
    pages: list[bytes] = []

    def scrape() -> None:
        pages.extend(target.render() for _ in range(5))

    threads = [threading.Thread(target=scrape) for _ in range(2)]
    for thread in threads:
        thread.start()
    follow(target, VALUES[:200])
    for thread in threads:
        thread.join(20.0)

    assert not any(thread.is_alive() for thread in threads)
    assert len(pages) == 10
    assert shown(target, "sharpe") != {}
    assert GUARD.counts() == {}
