from __future__ import annotations

import numpy as np
import pytest

from ares_otel.ml.segments import LARGEST, changes


def test_levels_and_noise() -> None:
    """A level that jumps is dated, in one column and in two, whatever the scale; gaps are bridged."""
    draw = np.random.default_rng(1)
    values = np.concatenate((draw.normal(0, 1, 120), draw.normal(6, 1, 100), draw.normal(-3, 1, 90)))
    gaps = values.copy()
    gaps[[5, 50, 200]] = [np.nan, np.inf, -np.inf]

    for found in (values, values * 1e9 - 5e9, gaps, np.column_stack((values, draw.normal(size=310)))):
        assert changes(found) == pytest.approx((120, 220), abs=3)


def test_most_have_to_agree() -> None:
    """Noise that grows and an outlier each convince a way to date changes, and are not told."""
    draw = np.random.default_rng(4)
    noise, outlier = draw.normal(size=300), draw.normal(size=300)
    noise[150:] *= 1.6
    outlier[150] = 12.0

    assert changes(noise) == changes(outlier) == ()


def test_steps_without_noise() -> None:
    """Values that only ever jump are dated to the place."""
    assert changes(np.repeat([0.0, 3.0, 2.0, 5.0], [40, 60, 30, 50])) == (40, 100, 130)


def test_prices() -> None:
    """Jumps of a walk are dated, and its own ups and downs are not."""
    steps = np.random.default_rng(5).normal(size=400)
    steps[[130, 260]] += [40.0, -25.0]

    assert changes(np.cumsum(steps)) == pytest.approx((130, 260), abs=1)


def test_turns() -> None:
    """Profits that grow, fall and grow again are dated where they turn."""
    draw = np.random.default_rng(8)
    steps = np.repeat([1.0, -1.0, 0.8, -1.2, 1.0], 100) + draw.normal(0, 0.8, 500)

    assert changes(np.cumsum(steps)) == pytest.approx((100, 200, 300, 400), abs=5)


def test_outliers() -> None:
    """Values that stand alone are no changes, where there is a memory or none."""
    noise = np.random.default_rng(9).normal(size=400)
    memory = noise.copy()
    for place in range(1, len(memory)):
        memory[place] += 0.5 * memory[place - 1]
    noise[[100, 230]] += 12.0
    memory[[150, 300]] -= 15.0

    assert changes(noise) == changes(memory) == ()


def test_moving_averages() -> None:
    """A level that changes is dated where values are averages of the last few."""
    draw = np.random.default_rng(10)
    values = np.concatenate((draw.normal(0, 1, 150), draw.normal(2.5, 1, 150), draw.normal(0, 1, 150)))

    assert changes(np.convolve(values, np.full(5, 0.2), "valid")) == pytest.approx((148, 298), abs=5)


@pytest.mark.parametrize("kind", ["noise", "walk"])
def test_backwards(kind: str) -> None:
    """A history that is read from its end has the same changes."""
    draw = np.random.default_rng(6)
    noise = draw.normal(size=320)
    values = {"noise": noise, "walk": np.cumsum(noise)}[kind] + np.repeat([0.0, 40.0, -10.0], [100, 120, 100])

    forth, back = changes(values), changes(values[::-1])

    assert forth == pytest.approx((100, 220), abs=3)
    assert sorted(len(values) - place for place in back) == pytest.approx(forth, abs=3)


@pytest.mark.parametrize(("memory", "most"), [(0.0, 0.1), (0.9, 1.5), (1.0, 1.0)])
def test_nothing_changed(memory: float, most: float) -> None:
    """Noise, a memory and a walk seem to change now and then: so many times in 300 values at most, on average."""
    draw = np.random.default_rng(7)
    values = draw.normal(size=(300, 15))
    for place in range(1, len(values)):
        values[place] += memory * values[place - 1]

    assert np.mean([len(changes(column)) for column in values.T]) <= most


@pytest.mark.parametrize("kind", ["constant", "noise", "short", "empty", "nothing"])
def test_nothing_to_find(kind: str) -> None:
    """What does not change, or is too little to say, has no change point."""
    values = {
        "constant": np.ones(300),
        "noise": np.random.default_rng(2).normal(size=400),
        "short": np.array([0.0, 0.0, 9.0, 9.0]),
        "empty": np.array([]),
        "nothing": np.full((50, 2), np.nan),
    }[kind]

    assert changes(values) == ()


def test_long_histories() -> None:
    """A history beyond what is partitioned exactly is told in blocks of means."""
    draw = np.random.default_rng(3)
    values = np.concatenate((draw.normal(0, 1, LARGEST // 4), draw.normal(2, 1, LARGEST // 4)))
    found = changes(np.repeat(values, 3))

    assert found == pytest.approx((3 * LARGEST // 4,), abs=30)
