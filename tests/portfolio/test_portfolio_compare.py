"""`compare` says what the libraries say, by themselves where they can be installed, else by numbers of their code."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator
from functools import cache
from random import Random
from types import ModuleType
from typing import Any

import pytest
from portfolio_curves import autoregressive, curve_of, generated, real_curves
from sources import ROOT

from ares_otel.cli.compare import lines
from ares_otel.portfolio import bootstrap
from ares_otel.portfolio.compare import Row, compare
from ares_otel.portfolio.conventions import DAY, Convention
from ares_otel.portfolio.libraries import FIGURES, LIBRARIES, Case, ClosedTrade
from ares_otel.portfolio.returns import Curve

EXACT = 1e-9

FREQTRADE_WALLET = {
    "sharpe": 0.8118531942872058,
    "sortino": 1.1079132424452636,
    "calmar": 1.9178143707914697,
    "max_drawdown": 0.05010793013602276,
    "profit_factor": 1.8882733128566245,
    "cagr": 0.017201561738530158,
}
FREQTRADE_TRADES = {
    "sharpe": 0.08247674941166204,
    "sortino": 0.2323725713755601,
    "calmar": 2.5925228530214577,
    "max_drawdown": 0.037067256087437134,
    "profit_factor": 1.8882733128566245,
    "cagr": 0.01720156173853038,
}
"""What `freqtrade/data/metrics.py` of freqtrade 2026.9 returned for `goog()`: freqtrade is too much for a test."""


@pytest.fixture(autouse=True)
def _few_replicates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Values are compared here, not intervals."""
    monkeypatch.setattr(bootstrap, "REPLICATES", 4)
    bootstrap.intervals.cache_clear()
    yield
    bootstrap.intervals.cache_clear()


def library(name: str) -> ModuleType:
    """Return a library that is part of the development environment; without it the test fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@cache
def goog() -> tuple[Case, Any]:
    """Return backtesting.py's run of a crossing of averages (10, 30) on its GOOG data, and its statistics."""
    lib, tools, data = (library(name) for name in ("backtesting", "backtesting.lib", "backtesting.test"))

    class Cross(lib.Strategy):  # type: ignore[misc,name-defined]
        def init(self) -> None:
            self.fast = self.I(data.SMA, self.data.Close, 10)
            self.slow = self.I(data.SMA, self.data.Close, 30)

        def next(self) -> None:
            if tools.crossover(self.fast, self.slow):
                self.position.close()
                self.buy(size=0.1)
            elif tools.crossover(self.slow, self.fast):
                self.position.close()
                self.sell(size=0.1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = lib.Backtest(data.GOOG, Cross, cash=10_000, commission=0.002, finalize_trades=True)
        found = test.run()
    equity = found["_equity_curve"]["Equity"]
    times = [int(time.timestamp()) * 1_000_000_000 for time in equity.index]
    trades = found["_trades"]
    closed = [int(time.timestamp()) * 1_000_000_000 for time in trades["ExitTime"]]
    made = tuple(map(ClosedTrade, closed, map(float, trades["PnL"]), map(float, trades["ReturnPct"])))
    return Case(tuple(zip(times, map(float, equity), strict=True)), made), found


def case_of(curve: Curve) -> Case:
    """Return a curve without trades."""
    return Case(tuple((day * DAY, value) for day, value in zip(curve.days, curve.values, strict=True)))


def row(case: Case, name: str, periods: int = 365) -> Row:
    """Return the row of a library."""
    return next(each for each in compare(case, Convention(periods=periods)).rows if each.library.startswith(name))


def assert_says(found: Row, expected: dict[str, float]) -> None:
    """The row has these values, to 1e-9."""
    for name, value in expected.items():
        own = found.values[name]
        assert own is not None
        assert math.isclose(own, value, rel_tol=EXACT, abs_tol=EXACT), (name, own, value)


def test_backtesting() -> None:
    """Every figure of backtesting.py's own statistics, on its own data and strategy."""
    case, theirs = goog()

    assert theirs["# Trades"] == len(case.trades) == 66
    assert_says(
        row(case, "backtesting.py"),
        {
            "sharpe": theirs["Sharpe Ratio"],
            "sortino": theirs["Sortino Ratio"],
            "calmar": theirs["Calmar Ratio"],
            "max_drawdown": -theirs["Max. Drawdown [%]"] / 100,
            "profit_factor": theirs["Profit Factor"],
            "cagr": theirs["CAGR [%]"] / 100,
            "volatility": theirs["Volatility (Ann.) [%]"] / 100,
        },
    )


@pytest.mark.parametrize(
    "case", [case_of(generated(7)), case_of(real_curves()["NASDAQ"]), goog()[0]], ids=["generated", "NASDAQ", "GOOG"]
)
def test_backtesting_of_other_curves(case: Case) -> None:
    """The statistics that backtesting.py computes of a curve that it is given, with weekends and without."""
    pandas, stats = library("pandas"), library("backtesting._stats")
    index = pandas.DatetimeIndex(pandas.to_datetime([time for time, _ in case.points]))
    equity = library("numpy").array(case.equity)
    bars = pandas.DataFrame({"Close": equity}, index=index)
    columns = ("EntryBar", "ExitBar", "PnL", "ReturnPct", "Duration")
    none = pandas.DataFrame({name: pandas.Series(dtype=float) for name in columns})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = stats.compute_stats(none, equity, bars, None)

    assert_says(
        row(Case(case.points), "backtesting.py"),
        {
            "sharpe": theirs["Sharpe Ratio"],
            "sortino": theirs["Sortino Ratio"],
            "calmar": theirs["Calmar Ratio"],
            "max_drawdown": -theirs["Max. Drawdown [%]"] / 100,
            "cagr": theirs["CAGR [%]"] / 100,
            "volatility": theirs["Volatility (Ann.) [%]"] / 100,
        },
    )


def test_freqtrade() -> None:
    """Both of freqtrade's answers for one run: by the wallet, and by closed trades, a tenth of it."""
    case, _ = goog()

    assert_says(row(case, "freqtrade (wallet)"), FREQTRADE_WALLET)
    assert_says(row(case, "freqtrade (closed trades)"), FREQTRADE_TRADES)


def traded(curve: Curve, seed: int) -> Case:
    """Return a curve with trades that came to nothing of it: what they earned is drawn, some of it twice a day."""
    draw = Random(seed)  # noqa: S311  a fixed sequence, no secret
    days = sorted(draw.choices(curve.days[1:], k=40))
    return Case(case_of(curve).points, tuple(ClosedTrade(day * DAY, draw.gauss(1.0, 20.0)) for day in days))


def freqtrade_drawdown(equity: Any) -> float:
    """Return freqtrade's drawdown of an account: the share of the peak, where most money was lost."""
    peak = equity.cummax()
    return float(((peak - equity) / peak)[(equity - peak).idxmin()])


def freqtrade_said(start: float, equity: Any, sample: Any, a_day: float, days: int) -> dict[str, float]:
    """Return its ratios as its documentation and code define them: numpy's deviations, 365 days, Calmar in percent."""
    numpy = library("numpy")
    yearly = numpy.sqrt(365)
    return {
        "sharpe": a_day / numpy.std(sample) * yearly,
        "sortino": a_day / numpy.std(sample[sample < 0]) * yearly,
        "calmar": (equity.iloc[-1] / start - 1) / days * 100 / freqtrade_drawdown(equity) * yearly,
        "max_drawdown": freqtrade_drawdown(equity),
        "cagr": (equity.iloc[-1] / start) ** (365 / days) - 1,
    }


@pytest.mark.parametrize("seed", range(20))
def test_freqtrade_of_other_curves(seed: int) -> None:
    """Both answers are those of its formulas, written with pandas, on generated curves and on real indices."""
    pandas, numpy = library("pandas"), library("numpy")
    curve = real_curves()["NASDAQ" if seed else "SP500"] if seed < 2 else generated(seed)
    case = traded(curve, seed)
    equity = pandas.Series(case.equity)
    days = (case.points[-1][0] - case.points[0][0]) // DAY
    daily = equity.pct_change().dropna()
    shares = pandas.Series([trade.pnl for trade in case.trades]) / equity[0]
    closed = pandas.Series(numpy.concatenate([[0.0], shares.cumsum()])) + 1.0
    factor = shares[shares > 0].sum() / -shares[shares < 0].sum()

    wallet = freqtrade_said(equity[0], equity, daily, float(daily.mean()), days)
    assert_says(row(case, "freqtrade (wallet)"), wallet | {"profit_factor": factor})
    by_trades = freqtrade_said(1.0, closed, shares, float(shares.sum()) / days, days)
    assert_says(row(case, "freqtrade (closed trades)"), by_trades | {"profit_factor": factor})


@pytest.mark.parametrize("periods", [252, 365])
def test_quantstats(periods: int) -> None:
    """Profit factor and value at risk, too, are those of quantstats."""
    case, _ = goog()
    stats, pandas = library("quantstats.stats"), library("pandas")
    returns = pandas.Series(case.equity).pct_change().dropna()
    returns.index = pandas.date_range("2020-01-01", periods=len(returns))

    assert_says(
        row(case, f"quantstats (periods={periods})"),
        {
            "sharpe": stats.sharpe(returns, periods=periods),
            "sortino": stats.sortino(returns, periods=periods),
            "calmar": stats.calmar(returns, periods=periods),
            "max_drawdown": -stats.max_drawdown(returns),
            "profit_factor": stats.profit_factor(returns),
            "value_at_risk_95": -stats.value_at_risk(returns),
            "cagr": stats.cagr(returns, periods=periods),
            "volatility": stats.volatility(returns, periods=periods),
        },
    )


def test_empyrical() -> None:
    """The row of empyrical is empyrical's."""
    case, _ = goog()
    stats = library("empyrical")
    returns = library("pandas").Series(case.equity).pct_change().dropna().to_numpy()

    assert_says(
        row(case, "empyrical"),
        {
            "sharpe": stats.sharpe_ratio(returns),
            "sortino": stats.sortino_ratio(returns),
            "calmar": stats.calmar_ratio(returns),
            "max_drawdown": -stats.max_drawdown(returns),
            "value_at_risk_95": -stats.value_at_risk(returns),
            "cagr": stats.annual_return(returns),
            "volatility": stats.annual_volatility(returns),
        },
    )


def test_the_documented_table() -> None:
    """The table in the documentation is what is printed for that run of backtesting.py, row by row."""
    case, _ = goog()
    page = (ROOT / "docs" / "ratios.md").read_text(encoding="utf-8")
    printed = list(lines(compare(case, Convention(periods=252))))
    rows = [line for line in printed if line.startswith(("ares-otel", *(each.name for each in LIBRARIES)))]

    assert len(rows) == len(LIBRARIES) + 1
    assert [line for line in rows if line not in page.splitlines()] == []


def test_one_curve_has_many_sharpe_ratios() -> None:
    """The reason for all this: from a tenth to all of it, each explained; equal ones are not explained away."""
    case, _ = goog()
    found = compare(case, Convention(periods=365))
    sharpes = {each.library: each.values["sharpe"] or 0.0 for each in found.rows}

    assert max(sharpes.values()) > 5 * min(sharpes.values()) > 0.0
    assert sharpes["quantstats (periods=365)"] == sharpes["ares-otel (periods=365)"]
    assert sharpes["ares-otel (periods=365)"] == pytest.approx(sharpes["empyrical"] * math.sqrt(365 / 252))
    assert (found.n, found.trades) == (2_147, 66)
    for each in found.rows[1:]:
        for name in FIGURES:
            ours, theirs = found.rows[0].values[name], each.values[name]
            same = ours is not None and theirs is not None and math.isclose(ours, theirs, rel_tol=EXACT)
            assert (name in each.why) != same
            assert "not a number" not in each.why.get(name, "")


def test_every_library_explains_every_figure() -> None:
    """No figure can differ without a line that says why."""
    for each in LIBRARIES:
        assert {*FIGURES} - {*each.why} - {"max_drawdown"} == set(), each.name
        assert all("\n" not in line for line in each.why.values())


def test_without_trades() -> None:
    """What is about trades says that it needs them."""
    found = compare(case_of(curve_of(autoregressive(100, 0.0, 1))))
    rows = {each.library: each for each in found.rows}

    assert rows["freqtrade (closed trades)"].why["sharpe"] == "needs closed trades, which are not given"
    assert rows["freqtrade (wallet)"].why["profit_factor"] == "needs closed trades, which are not given"
    assert found.rows[0].why["profit_factor"] == "0 trades, at least 10 are needed"
    assert found.own["sharpe"].low is not None


@pytest.mark.parametrize("returns", [[0.0] * 50, [0.01] * 50, [0.0, 0.0, 9.0], [1e6] * 40, [-0.5, 0.5] * 3], ids=str)
def test_odd_curves_are_no_reason_to_fail(returns: list[float]) -> None:
    """Still, rising, short and absurd curves: figures are missing then, never infinite."""
    case = case_of(curve_of(returns))
    trades = tuple(ClosedTrade(day * DAY, 1.0) for day in range(12))

    for each in (compare(case), compare(Case(case.points, trades))):
        for found in each.rows:
            assert all(value is None or math.isfinite(value) for value in found.values.values())
            assert {name for name, value in found.values.items() if value is None} <= {*found.why}


def test_no_curve() -> None:
    """A curve without returns is refused with the reason."""
    with pytest.raises(ValueError, match="at least two days"):
        compare(Case(((0, 1.0), (1, 2.0))))
    with pytest.raises(ValueError, match="not above zero on 1970-01-02"):
        compare(case_of(Curve((0, 1), (1.0, -2.0))))
