"""What has the demo's models watched for drift.

Three things are watched. The market that all models see is compared with the two years before the turn of the year;
each year begins anew, because models that have learned the present have nothing to be warned of. Beside it stands what
a model would be told that was trained once, on the two calm years before 2007, and never again. What an ensemble is
worth is judged by its outcomes, over the whole history. Each lap through history begins anew, as for a bot that is
started with another one: time goes back there, and nothing that is seen can have begun in the lap before.

The bars are handed over as what they are made of (return, its size, range, change of volume) and not as the models'
features: those are in volatilities of the last month, so a wild year looks to them like a calm one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import ares_otel as ares
from ares_otel.demo.bars import columns
from ares_otel.demo.ensemble import Matured, Verdict
from ares_otel.demo.features import log_returns, shifted
from ares_otel.demo.market import Market

__all__ = ["SEEN", "ModelWatch", "primitives"]

SEEN = ("return", "size of return", "range", "change of volume")
YEAR = 252
# Two years of days: with less, too few of the values are independent of each other.
REFERENCE = 2 * YEAR
ONCE = datetime(2007, 1, 1, tzinfo=UTC)
PERCENT = 100.0

FloatArray = NDArray[np.float64]


def primitives(market: Market) -> FloatArray:
    """Return what each bar is made of, in per cent (volume: its logarithm): shape (bars, len(SEEN)), first row NaN."""
    table = columns(market.bars)
    returns = PERCENT * log_returns(table.close)
    spread = PERCENT * np.log(table.high / table.low)
    volume = np.log1p(table.volume)
    return np.column_stack([returns, np.abs(returns), spread, volume - shifted(volume)])


class _Seen(NamedTuple):
    """The bars of a market as they are handed over, and the row of the first one after the calm years."""

    rows: FloatArray
    once: int


class ModelWatch:
    """Has the models of one strategy watched.

    Args:
        strategy: name of the strategy.
        market: watch the markets, too: once is enough where several strategies see the same.
        lap: tells how often the history was begun.
    """

    def __init__(self, strategy: str, *, market: bool, lap: Callable[[], int] = lambda: 1) -> None:
        self._strategy = strategy
        self._market = market
        self._lap = lap
        self._models: dict[str, tuple[str | None, ares.WatchedModel]] = {}
        self._bars: dict[str, _Seen] = {}

    def decided(self, market: Market, time: datetime, verdict: Verdict, key: str) -> None:
        """Tell the bar that a decision saw, and what the ensemble made of it; within the decision."""
        symbol, row = market.symbol, market.row(time)
        if self._market and row > REFERENCE:
            (rows, once), year = self._seen(market), row - (row - REFERENCE - 1) % YEAR
            self._watched("market", market, rows, year).observe(rows[row])
            if REFERENCE < once <= row:
                self._watched("once", market, rows, once).observe(rows[row])
        self._model(self._ensemble(symbol), None).observe(None, prediction=verdict.leaning, key=key)

    def matured(self, symbol: str, matured: Matured, time: datetime) -> None:
        """Tell what came true of a decision."""
        known = self._models.get(self._ensemble(symbol))
        if known is not None:
            known[1].outcome(matured.key, matured.actual, time)

    def _ensemble(self, symbol: str) -> str:
        return f"{self._strategy}/{symbol}"

    def _seen(self, market: Market) -> _Seen:
        known = self._bars.get(market.symbol)
        if known is None or len(known.rows) < len(market.bars):
            once = bisect_left(market.bars, ONCE, key=lambda bar: bar.time)
            known = self._bars[market.symbol] = _Seen(primitives(market), once)
        return known

    def _watched(self, name: str, market: Market, rows: FloatArray, begin: int) -> ares.WatchedModel:
        """Return the market as it is compared with the bars before a row."""
        reference, version = rows[begin - REFERENCE : begin], f"{market.bars[begin].time:%Y-%m-%d}"
        return self._model(f"{name}/{market.symbol}", version, reference=reference, names=SEEN, outcomes=False)

    def _model(self, name: str, version: str | None, **given: Any) -> ares.WatchedModel:
        """Return a model in a version of this lap, made anew with another one; the same after a restart."""
        lap = self._lap()
        if lap > 1:
            version = ", ".join(filter(None, (version, f"lap {lap}")))
        known = self._models.get(name)
        if known is None or known[0] != version:
            known = self._models[name] = version, ares.model(name, version=version, **given)
        return known[1]
