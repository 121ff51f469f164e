"""Features: no look ahead, no memory beyond their window, known values."""

from __future__ import annotations

import numpy as np
import pytest
from demo_samples import bars, real_market, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.bars import SP500, Bar, columns
from ares_otel.demo.features import FEATURES, LOOKBACK, features, log_returns, rolling, shifted, volatility


def column(sample: list[Bar], name: str) -> list[float]:
    """Return one feature of all bars."""
    return [float(value) for value in features(columns(sample))[:, FEATURES.index(name)]]


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(LOOKBACK, 199), seed=st.integers(0, 9), other=st.integers(10, 19))
def test_no_look_ahead(cut: int, seed: int, other: int) -> None:
    """Whatever the future turns out to be, the features up to now stay the same to the last bit."""
    past, future = walk(200, seed), walk(200, other, volatility=0.05)
    whole = features(columns(past))
    changed = features(columns(past[: cut + 1] + future[cut + 1 :]))

    np.testing.assert_array_equal(changed[: cut + 1], whole[: cut + 1])


def test_the_future_would_show() -> None:
    """The law above can fail: a bar that is changed changes its own features."""
    sample = walk(100, seed=1)
    changed = [*sample[:-1], walk(100, seed=2, volatility=0.05)[-1]]

    assert (features(columns(sample))[-1] != features(columns(changed))[-1]).sum() > len(FEATURES) / 2


@pytest.mark.parametrize("row", [LOOKBACK, 1_000, 5_030])
def test_window_is_enough(row: int) -> None:
    """A row made of its own window is the row made of the whole history: a live bot sees what was trained on."""
    history = real_market(SP500)
    alone = features(columns(history.bars[row - LOOKBACK : row + 1]))[-1]

    np.testing.assert_allclose(alone, history.features[row], rtol=1e-9, atol=1e-12)


def test_complete_after_warm_up() -> None:
    """The first rows are unknown as a whole, all others are known as a whole."""
    table = real_market(SP500).features

    assert table.shape == (5_031, len(FEATURES))
    assert np.isnan(table[:LOOKBACK]).all()
    assert np.isfinite(table[LOOKBACK:]).all()


def test_market_that_stands_still() -> None:
    """No move, no range, no volume: every feature is a number, and those without a direction to tell are zero."""
    table = features(columns([*bars([100.0] * 80)]))[LOOKBACK:]

    assert np.isfinite(table).all()
    assert not table[:, [FEATURES.index(name) for name in ("rsi_14", "close_location", "gap", "volume_z_20")]].any()


def test_known_values() -> None:
    """A steady rise has strength 1, stands at the top of its range, and above its means."""
    sample = bars([100 * 1.01**day for day in range(80)])

    assert column(sample, "rsi_14")[-1] == pytest.approx(1.0)
    assert column(sample, "range_position_20")[-1] == pytest.approx(1.0)
    assert column(sample, "distance_sma_10")[-1] > 0
    assert column(list(reversed(sample)), "rsi_14")[-1] == pytest.approx(-1.0)


def test_return_in_units_of_volatility() -> None:
    """A horizon's return is divided by what the month's volatility makes usual for it."""
    sample = walk(120, seed=3)
    close = np.array([bar.close for bar in sample])
    usual = np.std(np.diff(np.log(close))[-20:]) * np.sqrt(5)

    assert column(sample, "return_5")[-1] == pytest.approx(np.log(close[-1] / close[-6]) / usual)


def test_helpers() -> None:
    """Windows end at their place; what is not known is NaN."""
    values = np.array([1.0, 2.0, 4.0, 8.0])

    np.testing.assert_array_equal(rolling(np.mean, values, 2), [np.nan, 1.5, 3.0, 6.0])
    np.testing.assert_array_equal(rolling(np.max, values, 5), [np.nan] * 4)
    np.testing.assert_array_equal(shifted(values, 2), [np.nan, np.nan, 1.0, 2.0])
    np.testing.assert_allclose(log_returns(values), [np.nan, *[np.log(2)] * 3])
    np.testing.assert_allclose(volatility(values, 2)[2:], [1e-6, 1e-6])
