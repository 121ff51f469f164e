"""How other libraries compute their figures, written down so that none of them has to be installed.

The formulas are those of the versions named in `LIBRARIES`; tests hold them against the libraries themselves. All
losses are positive fractions here, whatever sign a library prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from ares_otel.portfolio import figures
from ares_otel.portfolio.conventions import DAY
from ares_otel.portfolio.returns import Curve, daily_curve, returns_of

__all__ = ["FIGURES", "LEVEL", "LIBRARIES", "Case", "ClosedTrade", "Library", "Values"]

FIGURES: Final = (
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "profit_factor",
    "value_at_risk_95",
    "cagr",
    "volatility",
)
"""What is compared, in the order it is shown."""

Values: TypeAlias = dict[str, float | None]
Why: TypeAlias = Mapping[str, str]

FREQTRADE_YEAR = 365
YEAR = 365.25
WEEKEND = 2.0 / 7.0 * 0.6
LEVEL = 0.95


class ClosedTrade(msgspec.Struct, frozen=True):
    """A closed trade: when (Unix ns), what it made in money, and its return on what it cost, where that is known."""

    closed: int
    pnl: float
    value: float | None = None


class Case(msgspec.Struct, frozen=True):
    """What all libraries get: the curve as it was recorded, by time, and the trades, if there are any."""

    points: tuple[tuple[int, float], ...]
    trades: tuple[ClosedTrade, ...] = ()

    @property
    def daily(self) -> Curve:
        """The last value of each UTC day."""
        return daily_curve(self.points)

    @property
    def days(self) -> int:
        """Whole days from the first to the last point, at least one."""
        return max(1, (self.points[-1][0] - self.points[0][0]) // DAY)

    @property
    def equity(self) -> list[float]:
        """Every recorded value."""
        return [value for _, value in self.points]


class Library(msgspec.Struct, frozen=True):
    """A library as we reproduce it.

    Attributes:
        name: with its convention, where it has several.
        version: whose formulas these are.
        values: computes them.
        why: why a figure differs from ours, or is missing, in one line.
        needs_trades: figures that closed trades are needed for.
    """

    name: str
    version: str
    values: Callable[[Case], Values]
    why: Why
    needs_trades: tuple[str, ...] = ()


def _daily(case: Case) -> Sequence[float]:
    return returns_of(case.daily).values


def _guarded(compute: Callable[[], float | None]) -> float | None:
    try:
        found = compute()
    except (OverflowError, ZeroDivisionError):
        return None
    return found if found is not None and math.isfinite(found) else None


# --- quantstats, empyrical -------------------------------------------------------------------------------------


def _arithmetic(case: Case, periods: int) -> Values:
    values, equity = _daily(case), case.daily.values
    return {
        "sharpe": figures.sharpe(values, periods),
        "sortino": figures.sortino(values, periods),
        "calmar": _guarded(lambda: figures.calmar(values, equity, periods)),
        "max_drawdown": figures.max_drawdown(equity),
        "cagr": _guarded(lambda: figures.cagr(values, periods)),
        "volatility": figures.volatility(values, periods),
    }


def _quantstats(periods: int) -> Callable[[Case], Values]:
    def values(case: Case) -> Values:
        daily = _daily(case)
        spread = figures.deviation(daily)
        risk = None if spread is None else figures.normal_value_at_risk(figures.mean(daily), spread, LEVEL)
        return {
            **_arithmetic(case, periods),
            "profit_factor": figures.profit_factor(daily),
            "value_at_risk_95": risk,
        }

    return values


def _empyrical(case: Case) -> Values:
    return {**_arithmetic(case, 252), "value_at_risk_95": figures.value_at_risk(sorted(_daily(case)), LEVEL)}


# --- freqtrade -------------------------------------------------------------------------------------------------


def _freqtrade_wallet(case: Case) -> Values:
    daily, equity = _daily(case), case.equity
    middle, root = figures.mean(daily), math.sqrt(FREQTRADE_YEAR)
    spread = figures.deviation(daily, 0)
    below = figures.deviation([value for value in daily if value < 0.0], 0)
    return {
        "sharpe": None if spread is None else middle / spread * root,
        "sortino": None if below is None else middle / below * root,
        **_freqtrade_growth(equity[0], equity, case.days),
        "profit_factor": figures.profit_factor([trade.pnl for trade in case.trades]),
    }


def _freqtrade_trades(case: Case) -> Values:
    start = case.points[0][1]
    pnls = [trade.pnl for trade in sorted(case.trades, key=lambda trade: trade.closed)]
    if not pnls:
        return {}
    shares, root = [pnl / start for pnl in pnls], math.sqrt(FREQTRADE_YEAR)
    a_day = math.fsum(shares) / case.days
    spread = figures.deviation(shares, 0)
    below = figures.deviation([share for share in shares if share < 0.0], 0)
    equity = [start]
    for pnl in pnls:
        equity.append(equity[-1] + pnl)
    return {
        "sharpe": None if spread is None else a_day / spread * root,
        "sortino": None if below is None else a_day / below * root,
        **_freqtrade_growth(start, equity, case.days),
        "profit_factor": figures.profit_factor(pnls),
    }


def _freqtrade_growth(start: float, equity: Sequence[float], days: int) -> Values:
    deepest = _deepest_in_money(equity)
    a_day = (equity[-1] - start) / start / days
    return {
        "calmar": a_day * 100.0 / deepest * math.sqrt(FREQTRADE_YEAR) if deepest > 0.0 else None,
        "max_drawdown": deepest,
        "cagr": _guarded(lambda: math.pow(equity[-1] / start, FREQTRADE_YEAR / days) - 1.0),
    }


def _deepest_in_money(equity: Sequence[float]) -> float:
    """Return the fraction of the peak that was lost in the drawdown of the most money."""
    peak, worst, share = equity[0], 0.0, 0.0
    for value in equity:
        peak = max(peak, value)
        if peak - value > worst:
            worst, share = peak - value, (peak - value) / peak
    return share


# --- backtesting.py --------------------------------------------------------------------------------------------


def _backtesting(case: Case) -> Values:
    daily, equity = _daily(case), case.equity
    periods = FREQTRADE_YEAR if _has_weekends(case) else 252
    mean = math.prod(1.0 + value for value in daily) ** (1.0 / len(daily)) - 1.0
    yearly = _guarded(lambda: math.pow(1.0 + mean, periods) - 1.0)
    spread, below = _geometric_deviation(daily, mean, periods), figures.downside(daily)
    deepest = figures.max_drawdown(equity)
    returns = [trade.value for trade in case.trades if trade.value is not None]
    years = (case.points[-1][0] - case.points[0][0]) / DAY / YEAR
    return {
        "sharpe": None if not spread or yearly is None else yearly / spread,
        "sortino": None if below is None or yearly is None else yearly / below / math.sqrt(periods),
        "calmar": None if deepest <= 0.0 or yearly is None else yearly / deepest,
        "max_drawdown": deepest,
        "profit_factor": figures.profit_factor(returns),
        "cagr": _guarded(lambda: math.pow(equity[-1] / equity[0], 1.0 / years) - 1.0),
        "volatility": spread,
    }


def _geometric_deviation(daily: Sequence[float], mean: float, periods: int) -> float | None:
    spread = figures.deviation(daily)
    if spread is None:
        return None
    growth = (1.0 + mean) ** 2
    return _guarded(lambda: math.sqrt(math.pow(spread**2 + growth, periods) - math.pow(growth, periods)))


def _has_weekends(case: Case) -> bool:
    # day 0 of 1970 was a Thursday; it counts Saturdays and Sundays as backtesting.py does
    weekend = sum((time // DAY + 3) % 7 >= 5 for time, _ in case.points)  # noqa: PLR2004
    return weekend / len(case.points) > WEEKEND


# --- the table -------------------------------------------------------------------------------------------------

PERIODS_252 = "252 periods a year whatever the market"
NO_RISK = "has no value at risk"
OF_TRADES = "of closed trades, also of fewer than we ask for"
WALLET = "deviation of the population (n, not n - 1), 365 periods"
MONEY = "the drawdown of the most money, not of the largest fraction; on every recorded value"
HUNDRED = "mean daily profit on the starting balance times 100 by drawdown, times √365: not a yearly rate"

LIBRARIES: Final = (
    Library(
        "quantstats (periods=252)",
        "0.0.86",
        _quantstats(252),
        {
            "sharpe": PERIODS_252,
            "sortino": PERIODS_252,
            "calmar": f"growth rate by {PERIODS_252}",
            "profit_factor": "of daily returns, not of trades",
            "value_at_risk_95": "of a normal distribution with the same mean and deviation; printed negative",
            "cagr": PERIODS_252,
            "volatility": PERIODS_252,
        },
    ),
    Library(
        "quantstats (periods=365)",
        "0.0.86",
        _quantstats(365),
        {
            "sharpe": "365 periods a year",
            "sortino": "365 periods a year",
            "calmar": "growth rate by 365 periods a year",
            "profit_factor": "of daily returns, not of trades",
            "value_at_risk_95": "of a normal distribution with the same mean and deviation; printed negative",
            "cagr": "365 periods a year",
            "volatility": "365 periods a year",
        },
    ),
    Library(
        "empyrical",
        "reloaded 0.7.1",
        _empyrical,
        {
            "sharpe": PERIODS_252,
            "sortino": PERIODS_252,
            "calmar": f"growth rate by {PERIODS_252}",
            "profit_factor": "has no profit factor",
            "value_at_risk_95": "the historical quantile, also for fewer returns than we ask for; printed negative",
            "cagr": PERIODS_252,
            "volatility": PERIODS_252,
        },
    ),
    Library(
        "backtesting.py",
        "0.6.6",
        _backtesting,
        {
            "sharpe": "geometric: compound yearly return by a yearly deviation of compounding; 252 or 365 by weekends",
            "sortino": "geometric: compound yearly return by downside deviation; 252 or 365 by weekends",
            "calmar": "growth rate by 252 or 365 periods, by whether there are weekends",
            "max_drawdown": "on every recorded value, not on the ends of days",
            "profit_factor": "of the returns of trades, each trade weighing the same, not of their money",
            "value_at_risk_95": NO_RISK,
            "cagr": "by the calendar, years of 365.25 days",
            "volatility": "deviation of compounding, which grows with the return",
        },
        ("profit_factor",),
    ),
    Library(
        "freqtrade (wallet)",
        "2026.9",
        _freqtrade_wallet,
        {
            "sharpe": WALLET,
            "sortino": "by the standard deviation of losing days alone, around their own mean",
            "calmar": HUNDRED,
            "max_drawdown": MONEY,
            "profit_factor": OF_TRADES,
            "value_at_risk_95": NO_RISK,
            "cagr": "by the calendar, years of 365 days",
            "volatility": "has no volatility",
        },
        ("profit_factor",),
    ),
    Library(
        "freqtrade (closed trades)",
        "2026.9",
        _freqtrade_trades,
        {
            "sharpe": "profit of closed trades a day by the deviation of single trades: mixes days and trades",
            "sortino": "profit of closed trades a day by the deviation of losing trades around their own mean",
            "calmar": HUNDRED,
            "max_drawdown": "of the sum of closed trades: what open positions lose in between is not seen",
            "profit_factor": OF_TRADES,
            "value_at_risk_95": NO_RISK,
            "cagr": "of closed trades alone; by the calendar, years of 365 days",
            "volatility": "has no volatility",
        },
        ("sharpe", "sortino", "calmar", "max_drawdown", "profit_factor", "cagr"),
    ),
)
"""Theirs."""
