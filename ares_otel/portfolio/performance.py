"""All that is said about one equity curve in one window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from ares_otel.portfolio.bootstrap import LEVELS
from ares_otel.portfolio.conventions import CONVENTION, PERIODS, Convention
from ares_otel.portfolio.ratios import cagr, calmar, max_drawdown, sharpe, sortino, volatility
from ares_otel.portfolio.returns import Curve, returns_of
from ares_otel.portfolio.statistic import Statistic, absent
from ares_otel.portfolio.tails import METHODS, expected_shortfall, value_at_risk
from ares_otel.portfolio.windows import WINDOWS

__all__ = ["Performance", "Tail", "fitted", "performance", "performances"]

Of: TypeAlias = Callable[[Sequence[float], Convention], Statistic]


class Tail(msgspec.Struct, frozen=True):
    """Value at risk and expected shortfall of one day by one method at one level."""

    method: str
    level: float
    value_at_risk: Statistic
    expected_shortfall: Statistic


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios of a window. `first` and `last` are its days with equity (days since 1970), None without any."""

    window: str
    first: int | None
    last: int | None
    total_return: float | None
    sharpe: Statistic
    sortino: Statistic
    calmar: Statistic
    cagr: Statistic
    volatility: Statistic
    max_drawdown: Statistic
    tails: tuple[Tail, ...]


def fitted(curve: Curve, convention: Convention = CONVENTION) -> Convention:
    """Return a convention with the periods a year that are nearest to the days on which a curve has values.

    For whoever did not say them: 365 on a curve of exchange days would make its Sharpe ratio a fifth too large.
    """
    observed = curve.days_a_year or PERIODS[0]
    return msgspec.structs.replace(convention, periods=min(PERIODS, key=lambda periods: abs(periods - observed)))


def performances(
    curve: Curve, convention: Convention = CONVENTION, windows: Iterable[str] = WINDOWS
) -> tuple[Performance, ...]:
    """Return the performance of each window, by the names of `WINDOWS`."""
    return tuple(performance(curve, window, convention) for window in windows)


def performance(curve: Curve, window: str = "all", convention: Convention = CONVENTION) -> Performance:
    """Return what is said about a curve in a window.

    Raises:
        KeyError: no such window.
    """
    days = WINDOWS[window]
    part = curve if days is None else curve.last(days)
    returns = returns_of(part)

    def said(of: Of) -> Statistic:
        return of(returns.values, convention) if returns.reason is None else absent(0, returns.reason)

    known = bool(returns.values)
    return Performance(
        window=window,
        first=part.days[0] if part.days else None,
        last=part.days[-1] if part.days else None,
        total_return=part.values[-1] / part.values[0] - 1.0 if known else None,
        sharpe=said(sharpe),
        sortino=said(sortino),
        calmar=said(calmar),
        cagr=said(cagr),
        volatility=said(volatility),
        max_drawdown=said(max_drawdown),
        tails=tuple(_tails(said)),
    )


def _tails(said: Callable[[Of], Statistic]) -> Iterable[Tail]:
    for method in METHODS:
        for level in LEVELS:
            yield Tail(
                method,
                level,
                said(lambda values, by, m=method, q=level: value_at_risk(values, m, q, by)),  # type: ignore[misc]
                said(lambda values, by, m=method, q=level: expected_shortfall(values, m, q, by)),  # type: ignore[misc]
            )
