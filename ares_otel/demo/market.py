"""What is known of one symbol: its bars, and what was computed of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ares_otel.demo.bars import Bar, check_bars, columns
from ares_otel.demo.features import MONTH, features, volatility
from ares_otel.demo.regime import RegimeReading, Regimes

__all__ = ["Market"]

FloatArray = NDArray[np.float64]


class Market:
    """The bars of one symbol with their features, volatilities and regimes, computed once for all of them.

    All of it is causal: what stands at the row of a bar is made of that bar and earlier ones. So computing ahead for a
    whole history is only a saving of time, and the same as computing bar by bar.

    Attributes:
        symbol: name of the market.
        timeframe: length of a bar, as a name.
        bar_seconds: length of a bar.
        bars: all known bars, oldest first.
        close: their last prices, shape (bars,).
        features: shape (bars, features), NaN where too few bars are known.
        volatility: standard deviation of the month's daily log returns, shape (bars,).
    """

    def __init__(self, bars: Sequence[Bar], timeframe: str = "1d", bar_seconds: float = 86_400.0) -> None:
        self.symbol = bars[0].symbol
        self.timeframe = timeframe
        self.bar_seconds = bar_seconds
        self.bars = check_bars(bars)
        self._compute()

    def append(self, bar: Bar) -> None:
        """Add a bar of a live market; a bar that does not follow the last one raises `BadBarError`."""
        check_bars([self.bars[-1], bar])
        self.bars.append(bar)
        self._compute()

    def _compute(self) -> None:
        table = columns(self.bars)
        self.close = table.close
        self.features = features(table)
        self.volatility = volatility(table.close, MONTH)
        self._regimes = Regimes(table)
        self._rows = {bar.time: row for row, bar in enumerate(self.bars)}

    def row(self, time: datetime) -> int:
        """Return the row of the bar that ended at this time; `KeyError` if there is none."""
        return self._rows[time]

    def regime(self, row: int) -> RegimeReading:
        """Return the regime at the bar of this row."""
        return self._regimes.at(row)
