"""Exact numbers, rates, statements, exposure, drawdown, costs."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import told

from ares_otel.portfolio.accounts import Accounts, Book, Key
from ares_otel.portfolio.costs import BPS, Execution, Quality, shortfall, slippage, stated_slippage, turnover
from ares_otel.portfolio.drawdown import Drawdown
from ares_otel.portfolio.holding import Fill
from ares_otel.portfolio.money import Rates, exact, exactly, fraction, less, plus
from ares_otel.portfolio.statement import Exposure, exposure, statement, statements

EURO = Rates({"EUR/USD": Decimal("1.25")})
cents = st.integers(1, 10**7).map(lambda value: Decimal(value) / 100)


def test_floats_count_as_they_print() -> None:
    """0.1 + 0.2 is 0.3, and a decimal number stays what it is."""
    assert exact(0.1) + exact(0.2) == Decimal("0.3")
    assert exact(Decimal("0.10")) == Decimal("0.1")
    assert exact(3) == 3


def test_the_context_of_the_caller_does_not_matter() -> None:
    """Sixty digits are kept even where the bot works with four."""
    add = exactly(lambda: Decimal("1e20") + Decimal("1e-20"))
    with localcontext() as context:
        context.prec = 4
        assert add() == Decimal("100000000000000000000.00000000000000000001")
        assert exactly(lambda: add() + 0)() == add()
        assert getcontext() is context


def test_the_context_of_the_caller_comes_back_after_an_error() -> None:
    """What fails within sixty digits leaves the bot its own number of them."""
    before = getcontext()
    with pytest.raises(ZeroDivisionError):
        exactly(lambda: Decimal(1) / 0)()
    assert getcontext() is before


@settings(deadline=None)
@given(st.decimals(-(10**12), 10**12, places=8), st.lists(cents, min_size=1, max_size=9))
def test_fractions_add_up(amount: Decimal, parts: list[Decimal]) -> None:
    """What is taken away part by part is the whole, to the last digit."""
    with localcontext() as context:
        context.prec = 60
        left, rest, taken = sum(parts), amount, Decimal(0)
        for part in parts:
            share = exactly(fraction)(rest, part, Decimal(left))
            rest, taken, left = rest - share, taken + share, left - part

        assert told(rest, taken) == (0, amount)


def test_huge_numbers_split_without_an_error() -> None:
    """Beyond 40 digits a share keeps sixty of them."""
    assert exactly(fraction)(Decimal("1e50"), Decimal(1), Decimal(3)) > Decimal("3.3e49")


def test_unknown_stays_unknown() -> None:
    """A sum or difference with an unknown part is unknown."""
    one = Decimal(1)
    assert [plus(one, None), plus(None, one), less(one, None), less(None, one)] == [None] * 4
    assert told(plus(one, one), less(one, one)) == (2, 0)


def test_rates_are_stated_or_there_is_none() -> None:
    """A pair is used as stated or inverted; nothing goes by a third currency."""
    assert EURO.convert(Decimal(4), "EUR", "USD") == 5
    assert EURO.convert(Decimal(5), "USD", "EUR") == 4
    assert EURO.convert(Decimal(5), None, "") == 5
    assert EURO.convert(Decimal(5), "USD", "JPY") is None
    assert EURO.convert(None, "USD", "EUR") is None
    assert Rates({"USD/EUR": Decimal(0)}).rate("EUR", "USD") is None
    assert Rates({"EUR/USD": Decimal(1), "USD/JPY": Decimal(1)}).rate("EUR", "JPY") is None


def test_no_sum_without_a_rate() -> None:
    """Sums of two currencies are one with a rate and none without; zero needs no rate."""
    assert EURO.total({"EUR": Decimal(4), "USD": Decimal(1)}, "USD") == 6
    assert EURO.total({"JPY": Decimal(4), "USD": Decimal(1)}, "USD") is None
    assert EURO.total({"JPY": Decimal(0), "USD": Decimal(1)}, "USD") == 1
    assert EURO.total({"USD": None}, "USD") is None


def books() -> list[Book]:
    """Return a position in dollars with a fee in euros, and one in euros."""
    accounts = Accounts()
    accounts.fill(Key("s", "A", "USD"), Fill(Decimal(2), Decimal(10), fee=Decimal(1), fee_currency="EUR"))
    accounts.fill(Key("s", "A", "USD"), Fill(Decimal(-1), Decimal(13), fee=Decimal("-0.5")))
    accounts.fill(Key("s", "B", "EUR"), Fill(Decimal(-1), Decimal(8)))
    accounts.mark("A", Decimal(12))
    accounts.mark("B", Decimal(10))
    return accounts.of("s")


def test_statement_in_one_currency() -> None:
    """All sums are converted at the stated rate, or unknown."""
    found = statement(books(), "USD", EURO)

    assert told(found.realized, found.unrealized, found.fees, found.rebates, found.funding) == (
        3, 2 - Decimal("2.5"), Decimal("1.25"), Decimal("0.5"), 0,
    )  # fmt: skip
    assert found.net_realized == Decimal("2.25")
    assert found.equity(Decimal(100)) == Decimal("101.75")
    alone = statement(books(), "USD")
    assert told(alone.realized, alone.unrealized, alone.fees) == (3, None, None)
    assert (alone.net_realized, alone.equity()) == (None, None)


def test_statements_by_currency() -> None:
    """Nothing is converted: each currency has its own sums."""
    found = statements(books())

    assert list(found) == ["EUR", "USD"]
    assert told(found["EUR"].realized, found["EUR"].unrealized, found["EUR"].fees) == (0, -2, 1)
    assert told(found["USD"].realized, found["USD"].unrealized, found["USD"].fees) == (3, 2, 0)
    assert statements([]) == {}


def test_one_unknown_mark_makes_the_sum_unknown() -> None:
    """A position that was never valued leaves unrealized profit and equity unknown, realized profit known."""
    accounts = Accounts()
    accounts.fill(Key("s", "A", "USD"), Fill(Decimal(1), Decimal(10)))
    accounts.fill(Key("s", "B", "USD"), Fill(Decimal(1), Decimal(10)))
    accounts.mark("A", Decimal(12))
    found = statement(accounts.of("s"), "USD")

    assert told(found.realized, found.unrealized, found.equity()) == (0, None, None)


def test_exposure_adds_absolute_values() -> None:
    """Gross, net, leverage, largest share, Herfindahl index, use of margin."""
    values = [Decimal(60), Decimal(-20), Decimal(0), Decimal(20)]

    assert exposure(values, Decimal(50), Decimal(10), Decimal(40)) == Exposure(
        Decimal(100), Decimal(60), 2.0, 0.6, 0.44, 0.25
    )


def test_exposure_is_unknown_or_empty() -> None:
    """One unknown value makes all unknown; no positions are zero, with no shares; no leverage without equity."""
    assert exposure([Decimal(1), None]) is None
    assert exposure([]) == Exposure(Decimal(0), Decimal(0))
    assert exposure([Decimal(1)], Decimal(0)) == Exposure(Decimal(1), Decimal(1), None, 1.0, 1.0)


def test_drawdown_has_a_depth_and_a_duration() -> None:
    """Depth since the peak, deepest, seconds below the peak, longest; late values change nothing."""
    curve = Drawdown(100.0, 100.0)
    for at, value in enumerate((100.0, 110.0, 99.0, 104.5, 110.0, 120.0, 90.0)):
        curve.add(value, at * 10**9)
    curve.add(1.0, 10**9)

    assert curve.depth == pytest.approx(0.25)
    assert told(curve.deepest, curve.seconds, curve.longest, curve.n) == (pytest.approx(0.25), 1.0, 3 * 10**9, 7)


def test_a_curve_that_only_rises_has_no_drawdown() -> None:
    """Every value is a peak; a curve that is never above zero has no depth."""
    curve = Drawdown(1.0, 1.0)
    for at in range(5):
        curve.add(1.0 + at, at)
    lost = Drawdown(-1.0, -1.0)
    lost.add(-2.0, 1)

    assert (curve.depth, curve.deepest, curve.longest) == (0.0, 0.0, 0)
    assert (lost.depth, lost.deepest) == (None, 0.0)


@settings(deadline=None)
@given(
    st.sampled_from([1, -1]), cents, st.decimals(0, 1, places=2), cents, cents, cents, cents, st.sampled_from([1, 50])
)
def test_parts_of_the_shortfall_add_up(
    sign: int,
    ordered: Decimal,
    share: Decimal,
    decided: Decimal,
    arrival: Decimal,
    price: Decimal,
    last: Decimal,
    by: int,
) -> None:
    """Delay, execution, opportunity and fees are the total exactly, and the total is Perold's formula."""
    filled = ordered * share
    found = shortfall(
        Execution(
            sign=sign, ordered=ordered, filled=filled, money=price * filled, fees=Decimal("0.25"), decided=decided,
            arrival=arrival, last=last, multiplier=Decimal(by),
        )
    )  # fmt: skip

    assert found is not None
    assert found.delay is not None
    assert found.execution is not None
    assert found.delay + found.execution + found.opportunity + found.explicit == found.total
    paper = sign * (price * filled - decided * filled) * by + sign * (last - decided) * (ordered - filled) * by
    assert found.total == paper + Decimal("0.25")
    assert found.bps(found.total) == pytest.approx(found.total / (decided * ordered * by) * BPS)


def test_shortfall_without_its_prices() -> None:
    """No decision price, quantity or fill price: none; unfilled without a last price: none; no arrival: no split."""
    whole = Execution(sign=1, ordered=Decimal(2), filled=Decimal(2), money=Decimal(22), decided=Decimal(10))
    found = shortfall(whole)

    assert found is not None
    assert told(found.total, found.delay, found.execution, found.opportunity) == (2, None, None, 0)
    assert found.bps(None) is None
    for other in (
        Execution(sign=1, ordered=Decimal(2), filled=Decimal(2), money=Decimal(22)),
        Execution(sign=1, filled=Decimal(2), money=Decimal(22), decided=Decimal(10)),
        Execution(sign=1, ordered=Decimal(2), filled=Decimal(2), decided=Decimal(10)),
        Execution(sign=1, ordered=Decimal(2), filled=Decimal(1), money=Decimal(11), decided=Decimal(10)),
        Execution(sign=1, ordered=Decimal(0), decided=Decimal(10)),
    ):
        assert shortfall(other) is None
    missed = shortfall(Execution(sign=-1, ordered=Decimal(2), decided=Decimal(10), last=Decimal(9)))
    assert missed is not None
    assert told(missed.total, missed.opportunity) == (2, 2)


def test_slippage_is_signed() -> None:
    """A buy above and a sale below the arrival mid cost; without one of the prices there is none."""
    assert slippage(1, Decimal(101), Decimal(100)) == 100
    assert slippage(-1, Decimal(101), Decimal(100)) == -100
    assert [slippage(1, None, Decimal(1)), slippage(1, Decimal(1), None), slippage(1, Decimal(1), Decimal(0))] == [
        None
    ] * 3


def test_slippage_of_what_was_reported() -> None:
    """Sides are words of reports, a short sale sells; an unknown side has no sign, and no price is no price."""
    assert [stated_slippage(side, 101.0, 100.0) for side in ("buy", "sell", "sell_short")] == [100.0, -100.0, -100.0]
    assert [stated_slippage(side, 101.0, 100.0) for side in ("none", None)] == [None, None]
    assert [stated_slippage("buy", 0.0, 100.0), stated_slippage("buy", 1.0, None), stated_slippage("buy", 1, -1)] == [
        None
    ] * 3


def test_quality_says_which_ratio() -> None:
    """Denied orders were never sent: they are in no other ratio."""
    found = Quality(sent=10, denied=2, ended=8, filled=6, rejected=1, ordered=Decimal(80), executed=Decimal(70))

    assert (found.fill_ratio, found.quantity_ratio, found.reject_ratio) == (0.75, 0.875, 0.1)
    assert found.denied_ratio == pytest.approx(2 / 12)
    nothing = Quality()
    assert [nothing.fill_ratio, nothing.quantity_ratio, nothing.reject_ratio, nothing.denied_ratio] == [None] * 4


def test_turnover_is_a_day() -> None:
    """Traded notional by days and equity; unknown without one of them."""
    day = 86_400 * 10**9
    assert turnover(Decimal(300), 2 * day, Decimal(100)) == 1.5
    assert turnover(Decimal(300), 0, Decimal(100)) is None
    assert turnover(Decimal(300), day, Decimal(0)) is None
    assert turnover(None, day, Decimal(1)) is None
    assert turnover(Decimal(1), day, None) is None
