from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import DriftMonitor, Reference
from ares_otel.ml.archive import ArchiveError
from ares_otel.ml.plan import believed
from ares_otel.ml.scores import LEVELS, Floats, bins_of, knots_of, tables_of
from ares_otel.ml.spectra import HAZARD, posterior_of, terms_of, waves_of
from ares_otel.ml.thresholds import crossing, solved


def autoregressive(phi: float, bars: int, columns: int = 4, seed: int = 1) -> Floats:
    """Return Gaussian AR(1) columns."""
    values = np.random.default_rng(seed).normal(size=(bars, columns))
    for bar in range(1, bars):
        values[bar] += phi * values[bar - 1]
    return values


def regimes(bars: int, length: int, factor: float) -> Floats:
    """Return returns whose sigma is `factor` in every second stretch of some length."""
    sigma = np.where(np.arange(bars) // length % 2, factor, 1.0)
    return (sigma * np.random.default_rng(1).normal(size=bars))[:, None]


def test_reference_outlives_its_data(tmp_path: Path) -> None:
    """A reference read from its file makes the monitor that the data made, and says what it was made of."""
    values = autoregressive(0.5, 1000)
    reference = Reference.of(values, names=["a", "b", "c", "d"], times=range(1000))
    reference.save(tmp_path / "reference.npz")
    found = Reference.load(tmp_path / "reference.npz")

    assert found.made == reference.made
    assert (found.made.names, found.made.first, found.made.last) == (("a", "b", "c", "d"), 0, 999)
    assert found.seasons is not None
    assert reference.seasons is not None
    assert np.array_equal(found.seasons.hour, reference.seasons.hour, equal_nan=True)
    assert DriftMonitor(found).card() == DriftMonitor(values, names=["a", "b", "c", "d"]).card()
    DriftMonitor(found).save(tmp_path / "monitor.npz")
    with pytest.raises(ArchiveError, match="not ares_otel drift reference"):
        Reference.load(tmp_path / "monitor.npz")


def test_seasons() -> None:
    """Means by hour of the day and day of the week are those of the data, with their counts, where there are any."""
    hours = np.arange(1000) + 24 * 4  # the fifth of January 1970, a Monday
    values = np.stack([hours % 24, hours // 24 % 7, np.full(1000, np.nan)], 1).astype(float)
    seasons = Reference.of(values, times=hours * 3_600 * 10**9).seasons

    assert seasons is not None
    assert np.array_equal(seasons.hour[:, 0], np.arange(24))
    assert seasons.day[0, 1] == 4
    assert seasons.day_count[:, 0].sum() == seasons.hour_count[:, 1].sum() == 1000
    assert np.isnan(seasons.day[:, 2]).all()
    assert Reference.of(values[:, :2]).seasons is None


@pytest.mark.parametrize(("phi", "tau"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_tau_of_known_processes(phi: float, tau: float) -> None:
    """The autocorrelation time of an AR(1) is (1 + phi) / (1 - phi), and ranks change it little."""
    card = DriftMonitor(autoregressive(phi, 6000)).card()[:4]
    found = [quantity.tau for quantity in card]

    assert all(each is not None and 0.5 * tau < each < 2 * tau for each in found)
    assert all(each.tau_high is not None and each.tau is not None and each.tau_high >= each.tau for each in card)


def test_few_strong_regimes_are_said() -> None:
    """Volatility that tripled twice in a reference is not tested, and the card says so; regimes that often came are."""
    few, many = DriftMonitor(regimes(2000, 500, 3.0)).card()[1], DriftMonitor(regimes(6000, 50, 1.3)).card()[1]

    assert "regimes of volatility passed only" in few.reason
    assert few.cycles is not None
    assert few.cycles < 10
    assert many.testable


def test_a_spread_around_a_mean_that_wanders_is_not_tested() -> None:
    """What wanders looks wider than it was wherever it goes; a mean that stays leaves its spread alone."""
    slow, still = autoregressive(0.98, 2000, seed=2), autoregressive(0.0, 2000)
    wandering = still + 0.7 * slow / slow.std(0)
    said, quiet = DriftMonitor(wandering).card()[4:8], DriftMonitor(still).card()[4:8]

    assert all("its mean wanders" in quantity.reason for quantity in said)
    assert all(quantity.testable for quantity in quiet)


def test_hazard_is_a_dial() -> None:
    """Who knows that volatility has no slow regimes has lower thresholds for it."""
    values = autoregressive(0.0, 2000)
    cautious, sure = DriftMonitor(values).card()[4], DriftMonitor(values, hazard=0).card()[4]

    assert cautious.mde is not None
    assert sure.mde is not None
    assert sure.mde < cautious.mde


def test_scores_of_ties() -> None:
    """A value that makes up most of a column is scored by its middle rank; others by theirs."""
    generator = np.random.default_rng(1)
    values = np.where(generator.random((4000, 1)) < 0.6, 0.0, generator.normal(size=(4000, 1)))
    knots = knots_of(values)
    scores = tables_of(knots)[0, bins_of(values, knots)[:, 0]]

    assert abs(scores[values[:, 0] == 0, 0].mean()) < 0.1
    assert scores[values[:, 0] > 1, 0].min() > 0.9
    assert np.isclose(
        tables_of(knots_of(generator.normal(size=(4000, 1))))[0, :, 2] @ np.r_[0, widths(), 0], 0, atol=1e-6
    )


def widths() -> Floats:
    """Return the shares of the bins of a continuous column."""
    return np.diff(np.concatenate(([0.0], LEVELS, [1.0])))


def test_white_noise_is_believed_flat() -> None:
    """The posterior of white noise is flat, that of a slow process is not."""
    terms = terms_of(2000, (64,))
    series = np.concatenate((autoregressive(0.0, 2000, 1), autoregressive(0.97, 2000, 1) / 4), 1)
    found = posterior_of(waves_of(series, terms), terms, np.full(2, 0.2))

    assert found.weight[0, 0] > 0.8
    assert found.weight[1, 0] < 1e-6
    assert np.allclose(found.weight.sum(1), 1)


def test_thresholds_of_a_known_process() -> None:
    """The threshold of an exponential average of white noise is crossed as often as it may be."""
    window, horizon, streams = 64, 1000, 4000
    rate = 2 / (window + 1)
    sigma = np.sqrt(rate / (2 - rate))
    level = solved(np.array([[sigma]]), np.ones((1, 1)), np.array([[rate]]), horizon, np.array([0.1]), np.array([1e6]))[
        0
    ]
    generator = np.random.default_rng(1)
    average, crossed = sigma * generator.normal(size=streams), np.zeros(streams, np.bool_)
    for _ in range(horizon):
        average += rate * (generator.normal(size=streams) - average)
        crossed |= np.abs(average) > level

    assert 0.05 < crossed.mean() < 0.12
    assert crossing(np.array([3.0]), np.array([0.1]), 100)[0] > crossing(np.array([4.0]), np.array([0.1]), 100)[0]


def test_nothing_testable_is_silent() -> None:
    """A monitor without any test says nothing, and says so on its card."""
    monitor = DriftMonitor(np.zeros((600, 2)))

    assert [event for row in np.ones((50, 2)) for event in monitor.update(row)] == []
    assert not any(quantity.testable for quantity in monitor.card())
    assert believed(Reference.of(np.zeros((600, 2))), HAZARD).possible.sum() == 0
    assert monitor.account().lines == ()
