from __future__ import annotations

import pytest

from ares_otel.portfolio.returns import Curve, returns_of
from ares_otel.portfolio.totals import total_of


def test_the_sum_of_two_curves() -> None:
    """Both counted from the first day: the total is the sum, and its returns are those of the sum."""
    total = total_of([Curve((1, 2, 3), (100.0, 110.0, 99.0)), Curve((1, 2, 3), (50.0, 40.0, 51.0))])

    assert total.money == Curve((1, 2, 3), (150.0, 150.0, 150.0))
    assert total.linked.values == pytest.approx(total.money.values)


def test_capital_that_joins_is_no_return() -> None:
    """A second strategy begins with as much money: the sum doubles, the return is the first one's alone."""
    total = total_of([Curve((1, 2, 3), (100.0, 101.0, 102.01)), Curve((2, 3), (100.0, 100.0))])

    assert total.money.values == (100.0, 201.0, 202.01)
    assert returns_of(total.linked).values == pytest.approx((0.01, 1.01 / 201.0))


def test_a_day_without_a_value_counts_with_the_last_one() -> None:
    """A gap is bridged; after ten days without a value a strategy leaves the total, which is no loss."""
    total = total_of([Curve((1, 2, 3, 20), (10.0, 11.0, 12.0, 12.0)), Curve((1, 3), (10.0, 10.0))])

    assert total.money.values == (20.0, 21.0, 22.0, 12.0)
    assert total.linked.values == pytest.approx((20.0, 21.0, 22.0, 22.0))


def test_nothing() -> None:
    """No curves, no total."""
    assert total_of([]).money == total_of([]).linked == Curve()
