"""Bars of a market: twenty years of two real indices, read from the data sets inside the package `arch`."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NASDAQ",
    "SP500",
    "SYMBOLS",
    "BadBarError",
    "Bar",
    "Columns",
    "MissingDataError",
    "check_bars",
    "columns",
    "load_bars",
]

SP500 = "SP500"
NASDAQ = "NASDAQ"
SYMBOLS = (SP500, NASDAQ)
DATA_SETS = {SP500: "arch.data.sp500", NASDAQ: "arch.data.nasdaq"}

# New York closes at 21:00 UTC in winter. One hour for the whole year keeps the step from bar to bar even.
CLOSING_HOUR = 21
# The files carry float32 noise (1248.810059); both indices are quoted in hundredths.
DECIMALS = 2

FloatArray = NDArray[np.float64]


class BadBarError(ValueError):
    """A bar contradicts itself or the bar before it."""


class MissingDataError(RuntimeError):
    """The package that holds the data is not installed."""


class Bar(msgspec.Struct, frozen=True):
    """One bar of one symbol.

    Attributes:
        symbol: name of the market.
        time: end of the bar, aware, UTC; the bar is known from then on.
        open: first price of the bar.
        high: highest price.
        low: lowest price.
        close: last price.
        volume: traded volume in units of the venue, zero or more.
    """

    symbol: str
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class Columns(NamedTuple):
    """The same bars as arrays of shape (bars,), for vectorised features."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def load_bars(symbol: str) -> list[Bar]:
    """Return the daily bars of `SP500` or `NASDAQ`, January 1999 to December 2018, oldest first.

    Raises:
        KeyError: the symbol is neither.
        MissingDataError: the package `arch` is not installed.
    """
    frame = _data_set(DATA_SETS[symbol]).load()
    times = [stamp.to_pydatetime().replace(hour=CLOSING_HOUR, tzinfo=UTC) for stamp in frame.index]
    rows = frame[["Open", "High", "Low", "Close", "Volume"]].to_numpy(dtype=float).round(DECIMALS).tolist()
    return check_bars([Bar(symbol, time, *row) for time, row in zip(times, rows, strict=True)])


def _data_set(module: str) -> Any:
    # `arch` brings pandas and takes seconds to import: only a demo that runs pays for it.
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDataError(f"{module} is not installed; install it with: pip install 'ares-otel[demo]'") from error


def check_bars(bars: Sequence[Bar]) -> list[Bar]:
    """Return the bars as a list if each is possible and they are in order of time.

    Raises:
        BadBarError: a price is not positive, lies outside low..high, or a bar does not follow the one before it.
    """
    for bar in bars:
        if not _possible(bar):
            raise BadBarError(f"impossible bar: {bar}")
    for before, after in pairwise(bars):
        if after.time <= before.time:
            raise BadBarError(f"{after.symbol}: the bar of {after.time} follows the bar of {before.time}")
    return list(bars)


def _possible(bar: Bar) -> bool:
    inside = all(0 < bar.low <= price <= bar.high < math.inf for price in (bar.open, bar.close))
    return inside and 0 <= bar.volume < math.inf


def columns(bars: Sequence[Bar]) -> Columns:
    """Return the prices and volumes of the bars as arrays of shape (bars,)."""
    table = np.array([(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars], dtype=np.float64)
    return Columns(*np.ascontiguousarray(table.reshape(-1, 5).T))
