"""Causal features: row t is made of the bars up to and including t, of no later one.

Every feature looks back over a fixed number of bars (`LOOKBACK` at most), never over "everything so far". So the row
of a bar is the same whether it is computed from the whole history or from its last `LOOKBACK + 1` bars, and a bot
that follows a live market sees what its models were trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ares_otel.demo.bars import Columns

__all__ = ["FEATURES", "LOOKBACK", "features", "log_returns", "rolling", "shifted", "volatility"]

FloatArray = NDArray[np.float64]
Reduction = Callable[..., Any]

LOOKBACK = 60
MONTH = 20
WEEK = 5
HORIZONS = (1, 5, 20, 60)

# The least volatility: a market that does not move must not divide by zero.
FLAT = 1e-6
# Standard deviations and ranges (of logarithms) up to here are rounding errors.
NOTHING = 1e-9

FEATURES = (
    *(f"return_{horizon}" for horizon in HORIZONS),
    "volatility_20",
    "volatility_ratio_5_60",
    "rsi_14",
    "distance_sma_10",
    "distance_sma_50",
    "range_position_20",
    "close_location",
    "gap",
    "range_ratio_20",
    "volume_z_20",
)


def features(bars: Columns) -> FloatArray:
    """Return the features of every bar: shape (bars, len(FEATURES)), NaN in the first `LOOKBACK` rows.

    Returns and distances are in units of the month's volatility, so that a calm and a wild year look alike to a model.
    """
    month = volatility(bars.close, MONTH)
    close, low, high = np.log(bars.close), np.log(bars.low), np.log(bars.high)
    table = np.column_stack(
        [
            *(log_returns(bars.close, horizon) / (month * np.sqrt(horizon)) for horizon in HORIZONS),
            np.log(month),
            np.log(volatility(bars.close, WEEK) / volatility(bars.close, LOOKBACK)),
            _relative_strength(log_returns(bars.close), 14),
            (bars.close / rolling(np.mean, bars.close, 10) - 1) / month,
            (bars.close / rolling(np.mean, bars.close, 50) - 1) / month,
            _position(close, rolling(np.min, low, MONTH), rolling(np.max, high, MONTH)),
            _position(close, low, high),
            np.log(bars.open / shifted(bars.close)) / month,
            _ratio(high - low, rolling(np.mean, high - low, MONTH)),
            _z_score(np.log1p(bars.volume), MONTH),
        ]
    )
    table[:LOOKBACK] = np.nan
    return table


def volatility(close: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation of the last `window` log returns at each bar, never below 1e-6."""
    return np.maximum(rolling(np.std, log_returns(close), window), FLAT)


def log_returns(close: FloatArray, horizon: int = 1) -> FloatArray:
    """Return ln(close_t / close_(t - horizon)), NaN in the first `horizon` places."""
    return np.log(close / shifted(close, horizon))


def shifted(values: FloatArray, by: int = 1) -> FloatArray:
    """Return the values `by` places later, NaN in the first places: at t stands what was known `by` bars before."""
    late = np.full_like(values, np.nan)
    late[by:] = values[:-by]
    return late


def rolling(reduction: Reduction, values: FloatArray, window: int) -> FloatArray:
    """Return `np.mean`, `np.std`, … of the last `window` values at each place, NaN where there are fewer."""
    result = np.full_like(values, np.nan)
    if len(values) >= window:
        result[window - 1 :] = reduction(sliding_window_view(values, window), axis=1)
    return result


def _relative_strength(moves: FloatArray, window: int) -> FloatArray:
    """Cutler's RSI, scaled to -1 (only losses) … 1 (only gains)."""
    return _ratio(rolling(np.mean, moves, window), rolling(np.mean, np.abs(moves), window))


def _position(value: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Place of a value between low (-1) and high (1); 0 where both are the same."""
    return _ratio(2 * value - low - high, high - low)


def _z_score(values: FloatArray, window: int) -> FloatArray:
    return _ratio(values - rolling(np.mean, values, window), rolling(np.std, values, window))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Quotient, 0 where the whole is nothing but rounding (a market that stands still), NaN where it is unknown."""
    something = whole > NOTHING
    return np.where(something, part / np.where(something, whole, 1.0), np.where(np.isnan(whole), np.nan, 0.0))
