from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ares_otel.ml.contrasts import BEFORE, WINDOWS, Noise, noise_of
from ares_otel.ml.cusum import design, run_length
from ares_otel.ml.scan import Channel, Side, limits


def autoregressive(n: int, phi: float, seed: int) -> NDArray[np.float64]:
    """Return an AR(1) of variance 1."""
    noise: NDArray[np.float64] = np.random.default_rng(seed).normal(size=n) * np.sqrt(1 - phi * phi)
    for place in range(1, n):
        noise[place] += phi * noise[place - 1]
    return noise


@pytest.mark.parametrize(
    ("phi", "low", "high"), [(0.0, 0.9, 1.4), (0.5, 2.4, 4.5), (0.9, 14.0, 30.0), (0.98, 60.0, 200.0)]
)
def test_independent_values(phi: float, low: float, high: float) -> None:
    """Independent values count each, those of an AR(1) (1 + phi) / (1 - phi) to one, and more rather than less."""
    found = [noise_of(autoregressive(3000, phi, seed)) for seed in range(8)]

    assert low <= np.median([noise.expected for noise in found]) <= high
    assert 3000 / high <= np.median([noise.worth for noise in found]) <= 3000 / low


@pytest.mark.parametrize("phi", [0.5, 0.9, 0.98])
def test_windows_stray_as_far_as_is_believed(phi: float) -> None:
    """The variance of what is compared is that of the process, at each window's own length."""
    values = autoregressive(300_000, phi, 3)
    believed = [noise_of(part) for part in values.reshape(100, -1)]
    inflation = np.median([noise.inflation @ noise.weight for noise in believed], 0)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    for window, found in zip(WINDOWS, inflation, strict=True):
        before = BEFORE * window
        middle = np.arange(before, len(values) - window, window)
        last = (sums[middle + window] - sums[middle]) / window
        apart = last - (sums[middle] - sums[middle - before]) / before
        assert found == pytest.approx(apart.var() / (1 / window + 1 / before), rel=0.3)


def test_a_season_within_a_day_is_no_memory() -> None:
    """What comes and goes within a window does not make it stray."""
    errors = np.random.default_rng(4).random(3000) < 0.4 + 0.15 * np.sin(2 * np.pi * np.arange(3000) / 12)

    assert noise_of(errors.astype(float)).expected < 1.5


def limited(noise: Noise, chance: float = 0.01, horizon: int = 4000) -> NDArray[np.float64]:
    """Return the thresholds of windows that are watched upwards."""
    found: NDArray[np.float64] = limits(noise, (Side(1, chance),), horizon)[:, 0]
    return found


def test_thresholds_grow_with_what_they_have_to_stand() -> None:
    """Less chance, a longer horizon, more dependent values: each needs a higher threshold."""
    plain = limited(Noise.known(1.0))

    assert (plain < limited(Noise.known(1.0), chance=0.001)).all()
    assert (plain < limited(Noise.known(1.0), horizon=40_000)).all()
    assert limited(Noise.known(4.0)) == pytest.approx(2.0 * plain)


def test_slow_regimes_that_cannot_be_excluded_count() -> None:
    """Few values leave more possible than many do, and regimes that are seen more than those that are not."""
    draw, regimes = np.random.default_rng(4).random(3000), np.arange(3000) // 300 % 2
    errors, switching = (draw < 0.4).astype(float), (draw < np.where(regimes, 0.55, 0.35)).astype(float)
    few, many, seen = (limited(noise_of(values))[-1] for values in (errors[:500], errors, switching))

    assert many < few < 0.7 * seen


def test_window_crosses_as_often_as_said() -> None:
    """Windows over independent ranks cross about as often as the formula says, and not more."""
    crossed = 0
    for seed in range(60):
        channel = Channel((Side(1, 0.15), Side(-1, 0.15)), 3000, ranks=True)
        hit = False
        for value in np.random.default_rng(700_000 + seed).random(3200).tolist():
            channel.add(value)
            hit = hit or channel.look() is not None
        crossed += hit
    assert crossed <= 24


def crossed(values: NDArray[np.float64], tau: float) -> float:
    """Return the evidence of a window of 100 ranks, times the root of tau: what one independent value would have."""
    channel = Channel((Side(1, 0.05),), 4000, ranks=True, tau=tau)
    for value in values.tolist():
        channel.add(value)
    found = channel.strongest()
    assert found is not None
    return found.evidence * math.sqrt(tau)


def test_bursts_need_more_than_independent_losses() -> None:
    """A mean of ranks that come in bursts is skewed: its evidence counts less, the less the longer they last."""
    values = np.random.default_rng(5).random(1000)
    values[-100:] = values[-100:] ** 0.5

    assert crossed(values, 1.0) > 1.05 * crossed(values, 2.0) > 1.05 * crossed(values, 4.0) > 0.0


def test_what_is_seen_is_what_crosses() -> None:
    """The card's smallest shift knows of bursts: it is larger than for values as independent without them."""
    reach = []
    for ranks in (True, False):
        channel = Channel((Side(1, 0.05),), 4000, ranks=ranks, tau=4.0)
        seen = channel.reach()
        assert seen is not None
        reach.append(seen[0])

    assert reach[0] > 1.1 * reach[1]


def test_wild_windows_need_more() -> None:
    """Where ranks spread to both ends, as returns do in a burst, the same shift of their mean is less of a change."""
    calm = np.random.default_rng(5).random(1000)
    calm[-100:] = np.linspace(0.45, 0.95, 100)
    wild = calm.copy()
    wild[-100:] = np.where(np.arange(100) % 10 < 7, 1.0, 0.0)

    assert crossed(calm, 1.0) > 1.3 * crossed(wild, 1.0) > 0.0


def test_date_of_a_change() -> None:
    """The split that explains best is where the change was."""
    channel = Channel((Side(1, 0.05),), 4000, ranks=False)
    for place in range(2000):
        channel.add(float(place % 10 == 0 or (place >= 1900 and place % 2 == 0)))
    found = channel.look()

    assert found is not None
    crossing = channel.date(*found)
    assert abs(crossing.since - 1901) <= 4
    assert [crossing.before, crossing.after] == pytest.approx([0.1, 0.5], abs=0.05)


def test_design_knows_skewed_losses() -> None:
    """Rare large losses need a higher threshold than symmetric ones; too short or constant references none at all."""
    draw = np.random.default_rng(3)
    skewed, even = (draw.random(3000) < 0.03).astype(float), (draw.random(3000) < 0.5).astype(float)
    high, low = (design(values, Noise.known(1.0, 3000), 0.05, 4000) for values in (skewed, even))

    assert high is not None
    assert low is not None
    assert high.threshold > 1.1 * low.threshold
    assert low.delay < 400
    assert design(even[:500], Noise.known(400.0, 500), 0.05, 4000) is None
    assert design(np.zeros(10), Noise.known(1.0, 10), 0.05, 4000) is None


def test_run_length() -> None:
    """It is Siegmund's for a Gaussian, whose root is 2 k, and h squared without any drift."""
    found = run_length(4.0, np.array([0.5, 1e-12]), np.full(2, 2.0))

    assert found == pytest.approx([(np.exp(4.0) - 5.0) / 0.5, 16.0])


@pytest.mark.parametrize("ranks", [True, False])
def test_the_strongest_window_is_above_one_only_where_one_has_crossed(*, ranks: bool) -> None:
    """It stands as it was looked at last, also when the ring of sums has come round."""
    channel = Channel((Side(1, 0.02), Side(-1, 0.02)), 4000, ranks=ranks)
    draw = np.random.default_rng(8)
    assert channel.strongest() is None
    for place, value in enumerate(draw.random(5_200).tolist()):
        channel.add(value + 0.6 * (place > 5_000) if ranks else float(value < 0.3 + 0.6 * (place > 5_000)))
        crossed, found = channel.look(), channel.strongest()
        if crossed is not None:
            break
        assert found is None or 0.0 <= found.evidence < 1.0

    assert place > 5_000
    assert crossed is not None
    assert found is not None
    assert found.evidence >= crossed[2]
    assert found.after > found.before
