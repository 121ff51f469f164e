"""What other libraries would call the same curve, and why.

One curve has a Sharpe ratio of 0.1 to 1.0 by seven libraries, because each means something else by it.
"""

from __future__ import annotations

import math

import msgspec

from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.libraries import FIGURES, LEVEL, LIBRARIES, Case, Library, Values
from ares_otel.portfolio.performance import performance
from ares_otel.portfolio.ratios import profit_factor
from ares_otel.portfolio.returns import returns_of
from ares_otel.portfolio.statistic import Statistic

__all__ = ["Comparison", "Row", "compare"]


class Row(msgspec.Struct, frozen=True):
    """What one library says; `why` has a line for each figure that differs from ours or is missing."""

    library: str
    version: str
    values: Values
    why: dict[str, str]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, ours first, and the convention that ours are computed by.

    Attributes:
        convention: in words.
        own: our statistics with their intervals.
        n: daily returns.
        trades: closed trades.
        days_a_year: days with a value per year of the calendar.
        rows: ours and theirs.
    """

    convention: str
    own: dict[str, Statistic]
    n: int
    trades: int
    days_a_year: float | None
    rows: tuple[Row, ...]


def compare(case: Case, convention: Convention = CONVENTION) -> Comparison:
    """Return what each library would say about a curve.

    Raises:
        ValueError: fewer than two days have a value, or equity was not above zero.
    """
    returns = returns_of(case.daily)
    if returns.reason is not None or not returns.values:
        raise ValueError(returns.reason or "at least two days with a value are needed")
    own = _ours(case, convention)
    ours = {name: each.value for name, each in own.items()}
    missing = {name: each.reason for name, each in own.items() if each.reason is not None}
    rows = [Row(f"ares-otel (periods={convention.periods})", "", ours, missing)]
    for library in LIBRARIES:
        values = library.values(case)
        differing = [name for name in FIGURES if _differs(ours.get(name), values.get(name))]
        why = {name: _why(case, library, name, values.get(name)) for name in differing}
        rows.append(Row(library.name, library.version, {name: values.get(name) for name in FIGURES}, why))
    daily = case.daily
    return Comparison(
        convention=convention.sentence(),
        own=own,
        n=len(returns.values),
        trades=len(case.trades),
        days_a_year=daily.days_a_year,
        rows=tuple(rows),
    )


def _differs(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return True
    return not math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)


def _why(case: Case, library: Library, name: str, value: float | None) -> str:
    if value is None and not case.trades and name in library.needs_trades:
        return "needs closed trades, which are not given"
    return library.why.get(name, "not a number for this curve")


def _ours(case: Case, convention: Convention) -> dict[str, Statistic]:
    found = performance(case.daily, "all", convention)
    tail = next(each for each in found.tails if each.method == "historical" and each.level == LEVEL)
    return {
        "sharpe": found.sharpe,
        "sortino": found.sortino,
        "calmar": found.calmar,
        "max_drawdown": found.max_drawdown,
        "profit_factor": profit_factor([trade.pnl for trade in case.trades], convention),
        "value_at_risk_95": tail.value_at_risk,
        "cagr": found.cagr,
        "volatility": found.volatility,
    }
