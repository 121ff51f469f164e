"""Streams that did not change, and streams that did at a known bar: what drift monitors are judged by.

`stream(null, shift, seed, bars)` returns a reference of `bars` rows, then `HORIZON` rows to be monitored. Every null is
stationary: each alarm on it is false. Real data are resampled in blocks of 240 bars on average, so that they hold the
regimes of their market and no trend of it. Two columns are a Gaussian pair with a correlation of .6.
"""

from __future__ import annotations

import gzip
import importlib
from functools import lru_cache
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

__all__ = ["CHANGE", "HORIZON", "NULLS", "SHIFTS", "garch", "regimes", "stream"]

Floats = NDArray[np.float64]

HORIZON: Final = 4000
CHANGE: Final = 1000
"""Monitored bar at which shifts begin."""
WARM: Final = 120
"""Bars that the slowest feature needs."""
NULLS: Final = ("garch", "eurusd", "sp500", "nasdaq", "gjr", "markov", "stocks", "ar", "long", "iid")
SHIFTS: Final = ("vol x1.5", "vol x2", "correlation", "fast mean", "drift")
FITTED: Final = (26.376664, 0.332179, 0.458456, 3.251042)
"""GARCH(1,1)-t of hourly returns of EURUSD in units of 1e-4: constant, news, memory, degrees of freedom."""
PERSISTENT: Final = np.array([0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0, 0.3, 0.7, 0.9])
LONG: Final = (0.1, 0.2, 0.3, 0.4)
"""Orders of fractional integration."""


class Market(NamedTuple):
    """Returns of a market, with range and log volume where it has them."""

    returns: Floats
    extent: Floats | None = None
    volume: Floats | None = None


@lru_cache
def history(name: str) -> Any:
    """Return a data set out of a package: of one market, for stocks the returns of 20."""
    if name == "stocks":
        packed = resources.files("skfolio").joinpath("datasets", "data", "sp500_dataset.csv.gz").read_bytes()
        prices = pd.read_csv(pd.io.common.BytesIO(gzip.decompress(packed)), index_col=0)
        return np.log(prices).diff().dropna().to_numpy()
    if name == "eurusd":
        bars = importlib.import_module("backtesting.test").EURUSD
        returns, extent = np.log(bars.Close).diff(), (bars.High - bars.Low) / bars.Close
    else:
        bars = importlib.import_module(f"arch.data.{name}").load()
        returns, extent = np.log(bars["Adj Close"]).diff(), np.log(bars.High / bars.Low)
    return Market(returns.fillna(0).to_numpy(), extent.to_numpy(), np.log1p(bars.Volume).to_numpy())


def blocks(bars: int, generator: np.random.Generator, length: int, mean: int = 240) -> NDArray[np.intp]:
    """Return places in a history of some length: circular blocks of geometric length."""
    index, start = np.empty(bars, np.intp), 0
    while start < bars:
        size, place = min(generator.geometric(1 / mean), bars - start), generator.integers(length)
        index[start : start + size] = (place + np.arange(size)) % length
        start += size
    return index


def garch(noise: Floats, constant: float, news: float, memory: float, leverage: float = 0.0) -> Floats:
    """Return a GARCH(1,1) path, with leverage that of Glosten, Jagannathan and Runkle."""
    path = np.empty(len(noise))
    variance = constant / max(1e-3, 1 - news - memory - leverage / 2)
    path[0] = np.sqrt(variance) * noise[0]
    for bar in range(1, len(noise)):
        last = path[bar - 1]
        variance = constant + (news + (leverage if last < 0 else 0.0)) * last**2 + memory * variance
        path[bar] = np.sqrt(variance) * noise[bar]
    return path


def simulated(null: str, bars: int, generator: np.random.Generator) -> Market:
    """Return simulated returns."""
    if null == "garch":
        constant, news, memory, freedom = FITTED
        noise = generator.standard_t(freedom, bars + 2000) * np.sqrt((freedom - 2) / freedom)
        return Market(garch(noise, constant, news, memory)[2000:] * 1e-4)
    if null == "gjr":
        noise = generator.standard_t(5, bars + 4000) * np.sqrt(3 / 5)
        returns = garch(noise, 0.02, 0.03, 0.905, 0.10)[4000:] * 1e-2
        for bar in range(1, bars):
            returns[bar] += 0.05 * returns[bar - 1]
        return Market(returns)
    sigma = 1.0 + states(bars, generator)
    return Market(sigma * generator.standard_t(6, bars) * np.sqrt(4 / 6) * 1e-3)


def states(bars: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Return the states of a Markov chain: 0 for 400 bars on average, 1 for 200."""
    state, found = int(generator.random() < 1 / 3), np.empty(bars, np.intp)
    for bar in range(bars):
        state = 1 - state if generator.random() < (1 / 400, 1 / 200)[state] else state
        found[bar] = state
    return found


def regimes(seed: int, bars: int) -> NDArray[np.intp]:
    """Return the state that each row of the stream of the null `markov` with this seed was made in."""
    return states(bars + HORIZON + WARM, np.random.default_rng(seed))[WARM:]


def average(values: Floats, span: int) -> Floats:
    """Return an exponential average."""
    found: Floats = pd.Series(values).ewm(alpha=2 / (span + 1), adjust=False).mean().to_numpy()
    return found


def features(returns: Floats) -> Floats:
    """Return what models are fed with: return, size, momenta, volatilities, RSI, MACD, z-score, skewness, a ratio."""
    series, path = pd.Series(returns), np.cumsum(returns)
    price = pd.Series(path)
    short, long = series.rolling(24).std(), series.rolling(96).std()
    up = series.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    down = (-series.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    crossed = average(path, 12) - average(path, 26)
    columns = (
        returns,
        np.abs(returns),
        series.rolling(12).sum(),
        series.rolling(48).sum(),
        short,
        long,
        100 * up / (up + down + 1e-12),
        (crossed - average(crossed, 9)) / long,
        (price - price.rolling(20).mean()) / price.rolling(20).std(),
        series.rolling(48).skew(),
        short / long,
    )
    return np.stack([np.asarray(column) for column in columns], 1)


def without_market(null: str, bars: int, generator: np.random.Generator) -> Floats | None:
    """Return a null that is no market with features; None if it is one."""
    count = bars + HORIZON + WARM
    if null == "iid":
        values = generator.standard_t(3, size=(bars + HORIZON, 20))
        values[:, 10:] = 0.6 * values[:, :10] + 0.8 * values[:, 10:]
        values[:, 5], values[:, 6] = np.abs(values[:, 5]), np.round(values[:, 6])
        return values
    if null == "long":
        return np.stack([fractional(memory, bars + HORIZON, generator) for memory in LONG], 1)
    if null == "stocks":
        prices = history(null)
        return np.array(prices[blocks(count, generator, len(prices))][WARM:])
    return None


def fractional(memory: float, count: int, generator: np.random.Generator) -> Floats:
    """Return fractionally integrated Gaussian noise (Granger and Joyeux 1980), as the signs of order flow are."""
    burnt, step = 4000, np.arange(1, count + 4000)
    weight = np.concatenate(([1.0], np.cumprod((step - 1 + memory) / step)))
    noise, size = generator.normal(size=len(weight)), 2 * len(weight)
    found = np.fft.irfft(np.fft.rfft(noise, size) * np.fft.rfft(weight, size), size)
    return np.asarray(found[burnt : burnt + count], np.float64)


def autoregressive(count: int, generator: np.random.Generator) -> Floats:
    """Return Gaussian AR(1) columns from no memory to a very long one."""
    values = generator.normal(size=(count + 1000, len(PERSISTENT)))
    for bar in range(1, len(values)):
        values[bar] += PERSISTENT * values[bar - 1]
    return values[1000 + WARM :]


def market_stream(null: str, shift: str, generator: np.random.Generator, bars: int) -> Floats:
    """Return features of a market whose returns are shifted."""
    count, change = bars + HORIZON + WARM, WARM + bars + CHANGE
    if null in {"garch", "gjr", "markov"}:
        market = simulated(null, count, generator)
    else:
        past = history(null)
        market = Market(*(part[blocks_] for blocks_ in (blocks(count, generator, len(past.returns)),) for part in past))
    returns = market.returns.copy()
    factor = {"vol x1.5": 1.5, "vol x2": 2.0}.get(shift, 1.0)
    sigma = returns[: WARM + bars].std()
    returns[change:] = returns[change:] * factor + (0.15 * sigma if shift == "drift" else 0)
    found = features(returns)
    if market.extent is not None and market.volume is not None:
        extent, volume = market.extent.copy(), pd.Series(market.volume)
        extent[change:] *= factor
        usual = (volume - volume.rolling(96).mean()) / volume.rolling(96).std()
        found = np.concatenate((found, extent[:, None], usual.to_numpy()[:, None]), 1)
    return np.nan_to_num(found[WARM:])


def stream(null: str, shift: str, seed: int, bars: int) -> Floats:
    """Return a reference of some bars and HORIZON more; `shift` is one of SHIFTS, or "" for none."""
    generator = np.random.default_rng(seed)
    found = without_market(null, bars, generator)
    if found is not None:
        return found
    if null == "ar":
        found = autoregressive(bars + HORIZON + WARM, generator)
    else:
        found = market_stream(null, shift, generator, bars)
    if shift == "fast mean":
        found[bars + CHANGE :, 0] += found[:bars, 0].std() * 0.5
    pair, rho = generator.normal(size=(bars + HORIZON, 2)), np.full(bars + HORIZON, 0.6)
    if shift == "correlation":
        rho[bars + CHANGE :] = -0.2
    return np.concatenate((found, pair[:, :1], (rho * pair[:, 0] + np.sqrt(1 - rho**2) * pair[:, 1])[:, None]), 1)
