from __future__ import annotations

import math
from decimal import Decimal

import pytest
from portfolio_curves import autoregressive, curve_of

from ares_otel.portfolio import figures
from ares_otel.portfolio.bootstrap import REPLICATES, block_length, interval, intervals, replicates, resampled
from ares_otel.portfolio.conventions import CONVENTION, DAY, Convention
from ares_otel.portfolio.performance import performance, performances
from ares_otel.portfolio.ratios import (
    cagr,
    calmar,
    equity_of,
    expectancy,
    max_drawdown,
    profit_factor,
    sharpe,
    sortino,
    volatility,
    win_rate,
)
from ares_otel.portfolio.returns import Curve, daily_curve, day_of, returns_of
from ares_otel.portfolio.statistic import Statistic
from ares_otel.portfolio.tails import expected_shortfall, value_at_risk
from ares_otel.portfolio.windows import monthly, rolling, underwater

DAILY = autoregressive(250, 0.1, 1)


def gone(found: Statistic) -> str:
    """Return why a statistic is absent: nothing of it may be a number then."""
    assert found.value is found.low is found.high is None
    assert found.reason is not None
    return found.reason


def test_last_value_of_each_day_of_market_time() -> None:
    """Points in any order become one value a UTC day: the last by time, of equal times the later one; no NaN."""
    points = [
        (2 * DAY + 5, 12.0), (DAY + 1, 10.0), (2 * DAY - 1, 11.0), (2 * DAY + 5, 12.5), (2 * DAY + 6, math.nan),
        (7 * DAY, 14.0), (-1, 9.0),
    ]  # fmt: skip
    curve = daily_curve(points)

    assert curve == Curve((-1, 1, 2, 7), (9.0, 11.0, 12.5, 14.0))
    assert day_of(curve.days[0]).isoformat() == "1969-12-31"


def test_missing_days_give_no_return_and_no_zero() -> None:
    """The return after a gap spans it: as many returns as there are days with values, less one."""
    returns = returns_of(Curve((1, 2, 7), (10.0, 11.0, 12.1)))

    assert returns.days == (2, 7)
    assert returns.values == pytest.approx((0.1, 0.1))


def test_equity_that_is_not_above_zero_has_no_returns() -> None:
    """A return on nothing is no number: the reason names the day."""
    found = performance(Curve((0, 1, 2), (1.0, 0.0, 1.0)))

    assert gone(found.sharpe) == gone(found.tails[0].value_at_risk) == "equity was not above zero on 1970-01-02"
    assert found.total_return is None
    assert underwater(Curve((0, 1), (1.0, -1.0))) == []


def test_days_a_year() -> None:
    """What tells a curve of exchange days from one of every day."""
    weekdays = [day for day in range(7 * 300) if day % 7 < 5]

    assert Curve(tuple(range(800)), (1.0,) * 800).days_a_year == pytest.approx(365.25)
    assert Curve(tuple(weekdays), (1.0,) * len(weekdays)).days_a_year == pytest.approx(261, abs=1)
    assert Curve((1,), (1.0,)).days_a_year is None
    assert Curve().days_a_year is None


def test_windows_of_a_curve_keep_their_base() -> None:
    """The last three days have three returns: the value before them is their base."""
    curve = Curve((1, 2, 5, 8, 9), (1.0, 2.0, 3.0, 4.0, 5.0))

    assert curve.last(4) == Curve((5, 8, 9), (3.0, 4.0, 5.0))
    assert curve.last(99) == curve
    assert Curve().last(3) == Curve()
    assert curve.since(9) == Curve((), ())
    assert curve.on([2, 9, 10]) == Curve((2, 9), (2.0, 5.0))


def test_ratios_by_hand() -> None:
    """A week that can be computed on paper."""
    values = [0.01, -0.02, 0.03, 0.0, 0.01]
    paper = Convention(periods=252, minimum=2)

    assert sharpe(values, paper).value == pytest.approx(0.006 / 0.018165902124584951 * math.sqrt(252))
    assert sortino(values, paper).value == pytest.approx(0.006 / math.sqrt(0.0004 / 5) * math.sqrt(252))
    assert volatility(values, paper).value == pytest.approx(0.018165902124584951 * math.sqrt(252))
    assert max_drawdown(values, paper).value == pytest.approx(0.02)
    assert figures.cagr(values, 252) == pytest.approx((1.01 * 0.98 * 1.03 * 1.01) ** (252 / 5) - 1)
    assert equity_of([1.0, -0.5]) == [1.0, 2.0, 1.0]


def test_risk_free_rate_and_target() -> None:
    """A yearly rate is taken from each return at its compound part, as quantstats does."""
    rich = Convention(periods=252, risk_free=0.05, target=0.05)
    free = 1.05 ** (1 / 252) - 1
    excess = [value - free for value in DAILY]

    assert sharpe(DAILY, rich).value == pytest.approx(sharpe(excess, Convention(periods=252)).value)
    assert sortino(DAILY, rich).value == pytest.approx(sortino(excess, Convention(periods=252)).value)


def test_too_few_is_absent_with_its_reason() -> None:
    """Below the stated minimum there is no value: not zero, not a guess."""
    few = DAILY[:19]

    for of in (sharpe, sortino, volatility, max_drawdown):
        assert gone(of(few)) == "19 daily returns, at least 20 are needed"
    for of in (cagr, calmar):
        assert gone(of(DAILY[:90])) == "90 daily returns, at least 91 are needed"
    assert gone(value_at_risk(DAILY[:99])) == "99 daily returns, at least 100 are needed"
    assert gone(expected_shortfall(DAILY, "historical", 0.99)) == "250 daily returns, at least 500 are needed"
    assert gone(value_at_risk(few, "parametric")) == "19 daily returns, at least 20 are needed"
    assert gone(win_rate([1.0] * 9)) == "9 trades, at least 10 are needed"
    assert gone(profit_factor([])) == gone(expectancy([])) == "0 trades, at least 10 are needed"


def test_what_cannot_be_divided_is_absent() -> None:
    """No deviation, no loss, no drawdown, nothing left: a reason instead of zero or infinity."""
    still, rising, ruin = [0.001] * 200, [0.001, 0.002] * 100, [*[0.01] * 200, -1.0]

    assert gone(sharpe(still)) == gone(volatility(still)) == gone(value_at_risk(still)) == "all returns are equal"
    assert gone(sortino(rising)) == "no return was below the target"
    assert gone(calmar(rising)) == "equity never fell"
    assert gone(cagr(ruin)) == "everything was lost"
    assert max_drawdown(ruin).value == 1.0
    assert max_drawdown(ruin).low is None
    assert gone(cagr([9.0] * 200, Convention(minimum=5))) == "the result is too large to be a number"
    assert gone(profit_factor([1.0] * 10)) == "no trade lost"
    assert max_drawdown(rising).value == 0.0


def test_every_interval_holds_its_value() -> None:
    """Of an ordinary curve all ratios have n, both ends around the value, level and method."""
    found = performance(curve_of(autoregressive(600, 0.1, 3)))
    tails = [each for tail in found.tails for each in (tail.value_at_risk, tail.expected_shortfall)]

    for each in (found.sharpe, found.sortino, found.cagr, found.calmar, found.volatility, found.max_drawdown, *tails):
        assert each.value is not None
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high
        assert (each.n, each.level) == (600, 0.95)
        assert each.method


def test_win_rate() -> None:
    """Trades that made nothing are not won; the interval is Wilson's (by hand for 6 of 10)."""
    found = win_rate([Decimal(1)] * 6 + [Decimal(-1)] * 3 + [Decimal(0)])

    assert (found.value, found.n) == (0.6, 10)
    assert found.low == pytest.approx(0.3126738)
    assert found.high == pytest.approx(0.8318197)
    assert win_rate([1.0] * 20).high == pytest.approx(1.0)


def test_trades() -> None:
    """Profit factor and expectancy of trades in money, with intervals."""
    pnls = [Decimal(3), Decimal(-1), Decimal(2), Decimal("-0.5")] * 10

    factor, each = profit_factor(pnls), expectancy(pnls)

    assert factor.value == pytest.approx(50 / 15)
    assert each.value == pytest.approx(0.875)
    assert factor.low is not None
    assert factor.low < 50 / 15
    assert each.low is not None
    assert each.low < 0.875


def test_one_loss_gives_a_value_without_an_interval() -> None:
    """Where a third of the replicates have no loss, their profit factor says nothing, so there is no interval."""
    found = profit_factor([1.0] * 30 + [-1.0])

    assert found.value == pytest.approx(30.0)
    assert (found.low, found.high, found.method) == (None, None, "")


def test_the_bootstrap_is_the_same_each_time() -> None:
    """A fixed seed: a page that is loaded twice shows the same interval."""
    first = intervals(tuple(DAILY), 365, 0.0, 0.95)
    intervals.cache_clear()

    assert intervals(tuple(DAILY), 365, 0.0, 0.95) == first
    assert block_length(1) == 1
    assert block_length(1_000) == 10


def test_the_quick_bootstrap_is_the_plain_one() -> None:
    """Sums, curves and tails by blocks are those of the returns that the blocks stand for."""
    n, length = len(DAILY), block_length(len(DAILY))
    around = [*DAILY, *DAILY]
    found: dict[str, list[float]] = {}
    from ares_otel.portfolio.bootstrap import _draws  # noqa: PLC0415

    for starts in _draws(n, length):
        drawn = [value for start in starts for value in around[start : start + length]]
        deepest, yearly = figures.max_drawdown(equity_of(drawn)), figures.cagr(drawn, 365)
        assert yearly is not None
        plain = {
            "max_drawdown": deepest,
            "cagr": yearly,
            "calmar": yearly / deepest,
            "sortino": figures.sortino(drawn, 365) or math.nan,
            "volatility": figures.volatility(drawn, 365) or math.nan,
            "value_at_risk historical 0.95": figures.value_at_risk(sorted(drawn), 0.95),
            "expected_shortfall historical 0.95": figures.shortfall(sorted(drawn), 0.95),
        }
        for name, value in plain.items():
            found.setdefault(name, []).append(value)

    quick = replicates(tuple(DAILY), 365, 0.0)
    for name, values in found.items():
        assert quick[name] == pytest.approx(sorted(values), rel=1e-9, abs=1e-12)


def test_replicates_without_value_are_counted() -> None:
    """Too many of them, and there is no interval."""
    drawn = resampled(([1.0, 2.0, 3.0],), lambda sums, n: sums[0] / n)

    assert len(drawn) == REPLICATES
    assert interval(drawn, 0.95, 1) is not None
    assert interval(drawn[: REPLICATES // 2], 0.95, 1) is None


def test_tails() -> None:
    """Losses are positive; the shortfall is no smaller than the value at risk; 99 % is no smaller than 95 %."""
    values = autoregressive(1_000, 0.0, 5)
    for method in ("historical", "parametric"):
        at95, at99 = (value_at_risk(values, method, level).value or 0.0 for level in (0.95, 0.99))
        beyond = expected_shortfall(values, method, 0.95).value or 0.0
        assert 0.0 < at95 < beyond < at99 * 1.1
        assert at95 < at99
        assert at95 == pytest.approx(0.0165, rel=0.15)


def test_rolling_is_each_window_on_its_own() -> None:
    """Prefix sums give what the formulas give for each window; what cannot be said is None."""
    returns = returns_of(curve_of([*DAILY, *[0.0] * 40]))
    rolled = rolling(returns, 30, Convention(periods=252))

    assert len(rolled) == 290 - 29
    for place in (0, 100, 219):
        part, found = returns.values[place : place + 30], rolled[place]
        assert found.day == returns.days[place + 29]
        assert found.sharpe == pytest.approx(figures.sharpe(part, 252))
        assert found.sortino == pytest.approx(figures.sortino(part, 252))
        assert found.volatility == pytest.approx(figures.volatility(part, 252))
    assert (rolled[-1].sharpe, rolled[-1].sortino, rolled[-1].volatility) == (None, None, None)
    assert rolling(returns, 19) == []
    assert rolling(returns, 999) == []


def test_underwater() -> None:
    """Depth and days since the peak; a new peak of the same height ends a drawdown."""
    found = underwater(Curve((1, 2, 5, 6, 7), (10.0, 8.0, 9.0, 10.0, 12.0)))

    assert [(each.depth, each.since_peak) for each in found] == [
        (0.0, 0), (pytest.approx(0.2), 1), (pytest.approx(0.1), 4), (0.0, 0), (0.0, 0)
    ]  # fmt: skip


def test_months() -> None:
    """Returns of a month compound; the first and the last month may be parts."""
    found = monthly(returns_of(Curve((30, 31, 58, 60, 92), (100.0, 110.0, 121.0, 133.1, 133.1))))

    assert [(each.year, each.month, round(each.value, 9), each.days, each.complete) for each in found] == [
        (1970, 2, 0.21, 2, False), (1970, 3, 0.1, 1, True), (1970, 4, 0.0, 1, False)
    ]  # fmt: skip
    assert monthly(returns_of(Curve())) == []


def test_windows() -> None:
    """A month, a quarter, a year and all of a curve of every day; the growth rate of a month is absent."""
    found = {each.window: each for each in performances(curve_of(DAILY))}

    assert [each.sharpe.n for each in found.values()] == [30, 90, 250, 250]
    assert found["30d"].cagr.value is None
    assert found["all"].total_return == pytest.approx(math.prod(1 + value for value in DAILY) - 1)
    assert performance(Curve()).first is None


def test_the_convention_says_itself() -> None:
    """What is printed under every ratio."""
    assert "365 periods a year" in CONVENTION.sentence()
    assert "simple daily returns of equity" in CONVENTION.sentence()
    assert CONVENTION.minimum_growth == 91
    assert Convention(periods=252).minimum_growth == 63
