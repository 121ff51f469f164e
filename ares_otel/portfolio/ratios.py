"""The ratios of returns and of trades, each with its number of observations and its interval, or why it is absent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from ares_otel.portfolio import figures
from ares_otel.portfolio.bootstrap import block_length, interval, intervals, resampled
from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.intervals import sharpe_interval, wilson
from ares_otel.portfolio.statistic import Interval, Statistic, absent

__all__ = [
    "Money",
    "bootstrapped",
    "cagr",
    "calmar",
    "equity_of",
    "expectancy",
    "max_drawdown",
    "profit_factor",
    "sharpe",
    "sortino",
    "too_few",
    "volatility",
    "win_rate",
]

Money: TypeAlias = float | Decimal
NO_DEVIATION = "all returns are equal"
NO_DOWNSIDE = "no return was below the target"
NO_DRAWDOWN = "equity never fell"
ALL_LOST = "everything was lost"


def sharpe(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return mean excess return by standard deviation, a year (Sharpe 1994)."""
    if few := too_few(len(values), convention.minimum):
        return few
    free = convention.per_period(convention.risk_free)
    found = figures.sharpe(values, convention.periods, free)
    if found is None:
        return absent(len(values), NO_DEVIATION)
    ends = sharpe_interval(values, convention.periods, free, convention.level) if convention.intervals else None
    return _of(found, values, convention, ends)


def sortino(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return mean excess return by downside deviation over all periods, a year (Sortino and van der Meer 1991)."""
    if few := too_few(len(values), convention.minimum):
        return few
    found = figures.sortino(values, convention.periods, convention.per_period(convention.target))
    if found is None:
        return absent(len(values), NO_DOWNSIDE)
    return _of(found, values, convention, bootstrapped("sortino", values, convention))


def volatility(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return the standard deviation a year."""
    if few := too_few(len(values), convention.minimum):
        return few
    found = figures.volatility(values, convention.periods)
    if found is None:
        return absent(len(values), NO_DEVIATION)
    return _of(found, values, convention, bootstrapped("volatility", values, convention))


def cagr(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return the compound growth rate a year."""
    if few := too_few(len(values), convention.minimum_growth):
        return few
    found = figures.cagr(values, convention.periods)
    if found is None:
        return absent(len(values), ALL_LOST)
    return _of(found, values, convention, bootstrapped("cagr", values, convention))


def calmar(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return the compound growth rate by the deepest drawdown of the same time (Young 1991)."""
    if few := too_few(len(values), convention.minimum_growth):
        return few
    found = figures.calmar(values, equity_of(values), convention.periods)
    if found is None:
        return absent(len(values), NO_DRAWDOWN)
    return _of(found, values, convention, bootstrapped("calmar", values, convention))


def max_drawdown(values: Sequence[float], convention: Convention = CONVENTION) -> Statistic:
    """Return the deepest loss since a peak, at the ends of days: a fraction of the peak, 0 if there was none."""
    if few := too_few(len(values), convention.minimum):
        return few
    found = figures.max_drawdown(equity_of(values))
    return _of(found, values, convention, bootstrapped("max_drawdown", values, convention))


def win_rate(pnls: Sequence[Money], convention: Convention = CONVENTION) -> Statistic:
    """Return the share of trades that made a profit; those that made nothing count as not won."""
    if few := too_few(len(pnls), convention.minimum_trades, "trades"):
        return few
    hits, n = sum(pnl > 0 for pnl in pnls), len(pnls)
    return Statistic.of(hits / n, n, convention.level, wilson(hits, n, convention.level))


def profit_factor(pnls: Sequence[Money], convention: Convention = CONVENTION) -> Statistic:
    """Return the profit of winning trades by the loss of losing ones."""
    if few := too_few(len(pnls), convention.minimum_trades, "trades"):
        return few
    amounts = [float(pnl) for pnl in pnls]
    found = figures.profit_factor(amounts)
    if found is None:
        return absent(len(pnls), "no trade lost")
    won, lost = [max(each, 0.0) for each in amounts], [max(-each, 0.0) for each in amounts]
    drawn = resampled((won, lost), lambda sums, _: sums[0] / sums[1] if sums[1] > 0.0 else None)
    return _of(found, amounts, convention, interval(drawn, convention.level, block_length(len(pnls))))


def expectancy(pnls: Sequence[Money], convention: Convention = CONVENTION) -> Statistic:
    """Return what a trade made on average, in the money of its profit."""
    if few := too_few(len(pnls), convention.minimum_trades, "trades"):
        return few
    amounts = [float(pnl) for pnl in pnls]
    drawn = resampled((amounts,), lambda sums, n: sums[0] / n)
    found = interval(drawn, convention.level, block_length(len(pnls)))
    return _of(figures.mean(amounts), amounts, convention, found)


def equity_of(values: Sequence[float]) -> list[float]:
    """Return the curve that returns make of one unit of money, which comes first."""
    curve = [1.0]
    for value in values:
        curve.append(curve[-1] * (1.0 + value))
    return curve


def too_few(n: int, minimum: int, noun: str = "daily returns") -> Statistic | None:
    """Return an absent statistic if there are fewer observations than it takes."""
    return absent(n, f"{n} {noun}, at least {minimum} are needed") if n < minimum else None


def bootstrapped(name: str, values: Sequence[float], convention: Convention) -> Interval | None:
    """Return the bootstrap's interval of something that it knows; None if all was lost, or none is wanted."""
    if not convention.intervals or min(values) <= -1.0:
        return None
    target = convention.per_period(convention.target)
    return intervals(tuple(values), convention.periods, target, convention.level).get(name)


def _of(value: float, values: Sequence[float], convention: Convention, found: Interval | None) -> Statistic:
    if not math.isfinite(value):
        return absent(len(values), "the result is too large to be a number")
    return Statistic.of(value, len(values), convention.level, found)
