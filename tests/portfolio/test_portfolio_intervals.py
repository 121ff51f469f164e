"""Intervals hold what they promise, by simulation with fixed seeds."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from portfolio_curves import autoregressive, curve_of

from ares_otel.portfolio.conventions import Convention
from ares_otel.portfolio.correlations import benjamini_hochberg, correlate, correlations, holm
from ares_otel.portfolio.intervals import sharpe_interval, wilson
from ares_otel.portfolio.ratios import sortino
from ares_otel.portfolio.returns import Curve
from ares_otel.portfolio.serial import autocorrelations, effective_pairs, long_run_variance

RUNS = 400
MEAN, SPREAD = 0.0005, 0.01


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.2, 0.4])
def test_sharpe_of_autocorrelated_returns(rho: float) -> None:
    """The 95 % interval of a year of AR(1) returns holds the true ratio in 92 to 98 of 100 cases."""
    truth, held = MEAN / SPREAD * math.sqrt(365), 0
    for seed in range(RUNS):
        found = sharpe_interval(autoregressive(365, rho, seed, MEAN, SPREAD), 365, 0.0, 0.95)
        assert found is not None
        held += found.low <= truth <= found.high

    assert 0.92 <= held / RUNS <= 0.98


def test_without_the_correction_it_would_not_hold() -> None:
    """Lo's point: at an autocorrelation of 0.4 the interval for independent returns holds in fewer than 85 of 100."""
    truth, held = MEAN / SPREAD, 0
    for seed in range(RUNS):
        values = autoregressive(365, 0.4, seed, MEAN, SPREAD)
        mean = math.fsum(values) / 365
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / 364)
        half = 1.96 * math.sqrt((1 + (mean / spread) ** 2 / 2) / 365)
        held += abs(mean / spread - truth) <= half

    assert held / RUNS < 0.85


def test_sortino_by_the_bootstrap() -> None:
    """The bootstrap's interval of half a year's Sortino ratio holds the truth in 88 to 99 of 100 cases."""
    normal, place = NormalDist(), MEAN / SPREAD
    below = math.sqrt((MEAN**2 + SPREAD**2) * normal.cdf(-place) - MEAN * SPREAD * normal.pdf(place))
    truth, held, runs = MEAN / below * math.sqrt(365), 0, 100
    for seed in range(runs):
        found = sortino(autoregressive(180, 0.0, seed, MEAN, SPREAD), Convention())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high

    assert 0.88 <= held / runs <= 0.99


def test_equal_returns_have_no_interval() -> None:
    """Without deviation there is no ratio, and no interval of it."""
    assert sharpe_interval([0.01] * 50, 365, 0.0, 0.95) is None


def test_long_run_variance() -> None:
    """Of an AR(1) it is (1 + rho) / (1 - rho) times the plain one; of equal values nothing."""
    values = autoregressive(20_000, 0.5, 7, 0.0, 1.0)

    assert long_run_variance(values) == pytest.approx(3.0, rel=0.1)
    assert long_run_variance([1.0] * 9) == 0.0
    assert autocorrelations([1.0] * 9, 2) == [0.0, 0.0]


def test_wilson_stays_inside() -> None:
    """A share of none or all has an interval inside 0 to 1 that is not a point."""
    none, every = wilson(0, 12, 0.95), wilson(12, 12, 0.95)

    assert none.low == 0.0 < none.high < 0.3
    assert every.low == pytest.approx(1.0 - none.high)
    assert every.high == pytest.approx(1.0)


def test_correlations_of_slow_series_are_not_taken_for_real() -> None:
    """Two unrelated AR(1) series of 0.8 look related in one of twenty cases, not in one of three."""
    wrong, naive = 0, 0
    for seed in range(RUNS):
        one, two = autoregressive(300, 0.8, seed), autoregressive(300, 0.8, 10_000 + seed)
        found = correlate(("a", one), ("b", two))
        assert found.p is not None
        assert found.correlation.value is not None
        wrong += found.p < 0.05
        naive += abs(math.atanh(found.correlation.value)) * math.sqrt(297) > 1.96

    assert wrong / RUNS < 0.10
    assert naive / RUNS > 0.25


def test_effective_pairs() -> None:
    """Independent series keep their number, slow ones lose most of it; never more pairs than there are."""
    quick = autoregressive(1_000, 0.0, 1), autoregressive(1_000, 0.0, 2)
    slow = autoregressive(1_000, 0.9, 1), autoregressive(1_000, 0.9, 2)

    assert 700 < effective_pairs(*quick) <= 1_000
    assert effective_pairs(*slow) < 300


def test_correlation_matrix() -> None:
    """Curves are compared on the days that both have, every pair once, p-values corrected and the correction named."""
    base = autoregressive(300, 0.0, 1)
    other = [0.6 * a + 0.8 * b for a, b in zip(base, autoregressive(300, 0.0, 2), strict=True)]
    first, second = curve_of(base), curve_of(other)
    sparse = Curve(second.days[::2], second.values[::2])
    found = correlations({"a": first, "b": second, "c": curve_of(autoregressive(300, 0.0, 3)), "d": sparse})
    pairs = {(each.first, each.second): each for each in found}

    assert len(found) == 6
    assert pairs["a", "b"].correlation.value == pytest.approx(0.6, abs=0.1)
    assert pairs["b", "d"].correlation.value == pytest.approx(1.0)
    assert pairs["b", "d"].correlation.n == 150
    for each in found:
        assert each.p is not None
        assert each.adjusted is not None
        assert each.adjusted >= each.p
        assert each.correction == "benjamini-hochberg"
        assert each.correlation.low is not None
        assert each.correlation.high is not None
    assert pairs["a", "c"].adjusted is not None
    assert pairs["a", "c"].adjusted > 0.05


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Curve(tuple(range(500, 600)), (1.0,) * 100), "0 common returns, at least 20 are needed"),
        (Curve(tuple(range(100)), (1.0,) * 100), "one of them never changes"),
        (Curve(tuple(range(100)), (0.0,) * 100), "equity was not above zero on 1970-01-01"),
    ],
)
def test_correlations_that_cannot_be_said(other: Curve, reason: str) -> None:
    """Too few common days, no movement, no equity: absent with a reason, and not among the corrected tests."""
    (found,) = correlations({"a": curve_of(autoregressive(99, 0.0, 1)), "b": other}, correction="holm")

    assert found.correlation.value is None
    assert found.correlation.reason == reason
    assert found.p is found.adjusted is None
    assert found.correction == "holm"


def test_a_trend_is_worth_too_few_pairs() -> None:
    """Two lines that only rise agree, and that is worth nothing."""
    found = correlate(("a", [float(k) for k in range(100)]), ("b", [float(k * k) for k in range(100)]))

    assert found.correlation.value is None
    assert found.correlation.reason is not None
    assert "independent ones" in found.correlation.reason


def test_corrections_by_hand() -> None:
    """Holm and Benjamini-Hochberg of four p-values, and of none."""
    values = [0.01, 0.04, 0.03, 0.005]

    assert holm(values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(values) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
