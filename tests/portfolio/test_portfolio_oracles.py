"""Our ratios are those of quantstats and empyrical by the same convention, on generated and on real curves."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from portfolio_curves import generated, real_curves

from ares_otel.portfolio import bootstrap
from ares_otel.portfolio.conventions import Convention
from ares_otel.portfolio.performance import Performance, performance
from ares_otel.portfolio.returns import Curve, returns_of

EXACT = 1e-9
GENERATED = 200
REAL = ("SP500", "NASDAQ", "swing", "reversion")


@pytest.fixture(autouse=True)
def _few_replicates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Values are compared here, not intervals: these need not be drawn a thousand times."""
    monkeypatch.setattr(bootstrap, "REPLICATES", 4)
    bootstrap.intervals.cache_clear()
    yield
    bootstrap.intervals.cache_clear()


def library(name: str) -> ModuleType:
    """Return a library that is part of the development environment; without it the test fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def series(curve: Curve) -> Any:
    """Return the daily returns as the libraries take them."""
    index = np.array(curve.days[1:], dtype="datetime64[D]").astype("datetime64[ns]")
    return library("pandas").Series(returns_of(curve).values, index=library("pandas").DatetimeIndex(index))


def ours(found: Performance) -> dict[str, float | None]:
    """Return our values, losses as positive fractions."""
    named = ("sharpe", "sortino", "calmar", "cagr", "volatility", "max_drawdown")
    values: dict[str, float | None] = {name: getattr(found, name).value for name in named}
    for tail in found.tails:
        if tail.level == 0.95:
            values[f"value at risk {tail.method}"] = tail.value_at_risk.value
            values[f"shortfall {tail.method}"] = tail.expected_shortfall.value
    return values


def quantstats(curve: Curve, periods: int) -> dict[str, float]:
    """Return what quantstats says."""
    stats, returns = library("quantstats.stats"), series(curve)
    return {
        "sharpe": stats.sharpe(returns, periods=periods),
        "sortino": stats.sortino(returns, periods=periods),
        "calmar": stats.calmar(returns, periods=periods),
        "cagr": stats.cagr(returns, periods=periods),
        "volatility": stats.volatility(returns, periods=periods),
        "max_drawdown": -stats.max_drawdown(returns),
        "value at risk parametric": -stats.value_at_risk(returns),
        "shortfall parametric": -stats.conditional_value_at_risk(returns),
        "shortfall historical": -stats.conditional_value_at_risk(returns, method="historical"),
    }


def empyrical(curve: Curve, periods: int) -> dict[str, float]:
    """Return what empyrical says."""
    stats, returns = library("empyrical"), series(curve).to_numpy()
    return {
        "sharpe": stats.sharpe_ratio(returns, annualization=periods),
        "sortino": stats.sortino_ratio(returns, annualization=periods),
        "calmar": stats.calmar_ratio(returns, annualization=periods),
        "cagr": stats.annual_return(returns, annualization=periods),
        "volatility": stats.annual_volatility(returns, annualization=periods),
        "max_drawdown": -stats.max_drawdown(returns),
        "value at risk historical": -stats.value_at_risk(returns),
    }


def assert_equal(curve: Curve, periods: int) -> int:
    """Whatever we give is what both give, to 1e-9; return how many values were compared."""
    found = ours(performance(curve, "all", Convention(periods=periods)))
    compared = 0
    for theirs in (quantstats(curve, periods), empyrical(curve, periods)):
        for name, value in theirs.items():
            own = found[name]
            if own is not None:
                assert math.isclose(own, value, rel_tol=EXACT, abs_tol=EXACT), (name, own, value)
                compared += 1
    return compared


@pytest.mark.parametrize("periods", [252, 365])
def test_generated_curves(periods: int) -> None:
    """200 generated curves: long and short, calm and wild, with idle days."""
    compared = [assert_equal(generated(number), periods) for number in range(GENERATED)]

    assert len(compared) == 200
    assert min(compared) >= 10
    assert sum(compared) >= 200 * 14


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("periods", [252, 365])
def test_real_curves(name: str, periods: int) -> None:
    """Two indices over twenty years and the equity of two strategies of the demo: every value is there and equal."""
    assert assert_equal(real_curves()[name], periods) == 16


def test_returns_are_those_of_pandas() -> None:
    """The daily returns themselves are pandas' `pct_change` of the last value of each day."""
    curve = real_curves()["SP500"]
    theirs = library("pandas").Series(curve.values).pct_change().dropna()

    assert returns_of(curve).values == pytest.approx(theirs.to_list(), rel=1e-12, abs=1e-15)
