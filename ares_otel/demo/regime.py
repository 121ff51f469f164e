"""Which kind of market is this? A filter over trend and volatility that gives each regime a probability.

At each bar three indicators are read, from that bar and earlier ones only:

- `trend`: return of 60 bars over its own standard deviation (a t-like number: beyond ±1 is a trend);
- `volatility`: ln of the month's volatility over the median of two years (0 is usual, 0.7 is twice the usual);
- `break`: how far the close lies outside the range of the 55 bars before, in daily volatilities, out of a quiet month.

Each regime has a straight-line score of them; softmax makes a likelihood of the scores; and the probabilities of the
bar before, pulled towards "it stays as it is", are its prior. That is the forward pass of a hidden Markov model with
fixed parameters: it never looks ahead, forgets its start within weeks, and does not flicker.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from ares_otel.demo.bars import Columns
from ares_otel.demo.features import LOOKBACK, MONTH, log_returns, rolling, shifted, volatility

__all__ = ["REGIMES", "RegimeReading", "Regimes"]

FloatArray = NDArray[np.float64]

REGIMES = ("bull_trend", "bear_trend", "sideways", "high_volatility", "low_volatility", "breakout")

CHANNEL = 55
TWO_YEARS = 504

# Chance that a regime lasts until the next bar, before the indicators of that bar are seen.
STAY = 0.9
# The windows of successive bars overlap, so each bar repeats most of what the one before said: count it for half.
NEWS = 0.5

# Rows: regimes in the order of REGIMES. Columns: constant, trend, |trend|, volatility, break.
SCORES = np.array(
    [
        [-0.6, 1.6, 0.0, 0.0, 0.0],
        [-0.6, -1.6, 0.0, 0.0, 0.0],
        [0.9, 0.0, -2.0, 0.0, 0.0],
        [-1.4, 0.0, 0.0, 4.0, 0.0],
        [-1.4, 0.0, 0.0, -4.0, 0.0],
        [-2.0, 0.0, 0.0, 0.0, 8.0],
    ]
)


class RegimeReading(msgspec.Struct, frozen=True):
    """The regime at one bar.

    Attributes:
        regime: the most probable of `REGIMES`.
        confidence: its probability, 0..1.
        probabilities: of every regime; they sum to 1.
        indicators: the numbers that the reading was made of.
        duration: bars since this regime became the most probable, at least 1.
    """

    regime: str
    confidence: float
    probabilities: dict[str, float]
    indicators: dict[str, float]
    duration: int


class Regimes:
    """The regimes of all bars of one symbol, filtered once in order of time."""

    def __init__(self, bars: Columns) -> None:
        self._indicators = _indicators(bars)
        self._probabilities = _filter(_likelihoods(self._indicators))
        self._best = self._probabilities.argmax(axis=1)
        self._durations = _run_lengths(self._best)

    def at(self, row: int) -> RegimeReading:
        """Return the reading of bar `row`; the first 60 bars are too few to say anything but the prior."""
        chances = self._probabilities[row].tolist()
        best = int(self._best[row])
        return RegimeReading(
            regime=REGIMES[best],
            confidence=chances[best],
            probabilities=dict(zip(REGIMES, chances, strict=True)),
            indicators=dict(zip(("trend", "volatility", "break"), self._indicators[row].tolist(), strict=True)),
            duration=int(self._durations[row]),
        )


def _indicators(bars: Columns) -> FloatArray:
    """Shape (bars, 3): trend, volatility, break; 0 where too few bars are known."""
    month = volatility(bars.close, MONTH)
    trend = log_returns(bars.close, LOOKBACK) / (volatility(bars.close, LOOKBACK) * np.sqrt(LOOKBACK))
    unusual = np.log(month / _usual(month))
    above = bars.close / shifted(rolling(np.max, bars.high, CHANNEL)) - 1
    below = 1 - bars.close / shifted(rolling(np.min, bars.low, CHANNEL))
    outside = np.maximum(np.maximum(above, below), 0) / month
    was_quiet = shifted(unusual) < 0
    table: FloatArray = np.nan_to_num(np.column_stack([trend, unusual, np.where(was_quiet, outside, 0.0)]))
    return table


def _usual(values: FloatArray) -> FloatArray:
    """Median of the last two years at each place, of what there is when there are fewer."""
    early = [
        np.nan if np.isnan(values[i]) else np.nanmedian(values[: i + 1]) for i in range(min(TWO_YEARS, len(values)))
    ]
    usual = rolling(np.median, values, TWO_YEARS)
    usual[: len(early)] = early
    return usual


def _likelihoods(indicators: FloatArray) -> FloatArray:
    trend, unusual, outside = indicators.T
    terms = np.column_stack([np.ones_like(trend), trend, np.abs(trend), unusual, outside])
    scores = NEWS * terms @ SCORES.T
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def _filter(likelihoods: FloatArray) -> FloatArray:
    chances = np.empty_like(likelihoods)
    belief = np.full(len(REGIMES), 1 / len(REGIMES))
    for row, likelihood in enumerate(likelihoods):
        belief = (STAY * belief + (1 - STAY) / len(REGIMES)) * likelihood
        belief /= belief.sum()
        chances[row] = belief
    return chances


def _run_lengths(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Length of the run of equal labels that ends at each place."""
    places = np.arange(len(labels))
    starts = np.where(np.append(True, labels[1:] != labels[:-1]), places, 0)
    return np.asarray(places - np.maximum.accumulate(starts) + 1)
