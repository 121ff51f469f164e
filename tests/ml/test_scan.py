from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ares_otel.ml.cusum import design, run_length
from ares_otel.ml.scan import Channel, Side, inflation, threshold


def autoregressive(n: int, phi: float, seed: int) -> NDArray[np.float64]:
    """Return an AR(1) of variance 1."""
    noise: NDArray[np.float64] = np.random.default_rng(seed).normal(size=n) * np.sqrt(1 - phi * phi)
    for place in range(1, n):
        noise[place] += phi * noise[place - 1]
    return noise


@pytest.mark.parametrize(("phi", "low", "high"), [(0.0, 1.0, 1.3), (0.5, 2.5, 4.5), (0.9, 14.0, 30.0)])
def test_inflation(phi: float, low: float, high: float) -> None:
    """Independent values count each, those of an AR(1) (1 + phi) / (1 - phi) to one, and more rather than less."""
    found = [inflation(autoregressive(4000, phi, seed)) for seed in range(8)]

    assert low <= np.median(found) <= high
    assert inflation(np.zeros(100)) == 1.0


def test_thresholds_grow_with_what_they_have_to_stand() -> None:
    """Less chance, a longer horizon, a shorter window: each needs a higher threshold."""
    assert threshold(0.01, 100, 4000) < threshold(0.001, 100, 4000) < threshold(0.001, 100, 40_000)
    assert threshold(0.01, 800, 4000) < threshold(0.01, 25, 4000)


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
    (limit,) = (limit for window, _, ((_, limit),) in channel._tests if window == 100)
    channel._tests = [(100, 1, [(1, limit / 10)])]
    found = channel.look()
    return found[2] * math.sqrt(tau) if found else 0.0


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

    assert crossed(calm, 1.0) > 1.5 * crossed(wild, 1.0) > 0.0


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
    high, low = design(skewed, 1.0, 0.05, 4000), design(even, 1.0, 0.05, 4000)

    assert high is not None
    assert low is not None
    assert high.threshold > 1.1 * low.threshold
    assert low.delay < 400
    assert design(even[:500], 400.0, 0.05, 4000) is None
    assert design(np.zeros(10), 1.0, 0.05, 4000) is None


def test_run_length() -> None:
    """It is Siegmund's for a Gaussian, whose root is 2 k, and h squared without any drift."""
    assert run_length(4.0, 0.5, 1.0) == pytest.approx((np.exp(4.0) - 5.0) / 0.5)
    assert run_length(3.0, 1e-12, 2e-12) == pytest.approx(9.0)


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
