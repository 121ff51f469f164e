from __future__ import annotations

import math
import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ares_otel.metrics.cells import Count, Exact, Level, Spread

MONEY = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


@given(st.lists(MONEY, max_size=200))
def test_exact_sum_is_fsum_of_all_amounts(amounts: list[float]) -> None:
    """The running sum equals the correctly rounded sum of the whole list, at any length."""
    cell = Exact()
    for amount in amounts:
        cell.inc(amount)

    assert math.fsum(amounts) == cell.total()


@given(st.lists(MONEY, max_size=60), st.lists(MONEY, max_size=60), st.randoms())
def test_exact_sum_does_not_depend_on_order_or_folding(
    first: list[float], second: list[float], shuffle: random.Random
) -> None:
    """Two books that saw the same amounts in another order, or one folded into another, agree to the last digit."""
    one, other, folded = Exact(), Exact(), Exact()
    mixed = [*first, *second]
    shuffle.shuffle(mixed)
    for amount in first:
        one.inc(amount)
    for amount in second:
        other.inc(amount)
    for amount in mixed:
        folded.inc(amount)
    one.absorb(other)

    assert folded.total() == one.total()


def test_sum_of_ten_thousand_fees_is_the_exact_sum() -> None:
    """10,000 fees add up to their decimal sum to 1e-9, where adding floats one by one does not."""
    draw = random.Random(7)  # noqa: S311  amounts, no secret
    fees = [Decimal(draw.randrange(1, 10**9)) / Decimal(10**6) for _ in range(10_000)]
    cell, naive = Exact(), 0.0
    for fee in fees:
        cell.inc(float(fee))
        naive += float(fee)

    assert round(sum(fees), 9) == round(Decimal(repr(cell.total())), 9)
    assert math.fsum(map(float, fees)) == cell.total()
    assert naive != cell.total()


@given(st.lists(st.floats(min_value=0.0, max_value=100.0), max_size=100))
def test_histogram_counts_each_value_once_in_the_right_bucket(values: list[float]) -> None:
    """Buckets are cumulative, `le` includes its bound, count and sum are those of the values."""
    bounds = (0.5, 1.0, 10.0)
    cell = Spread(bounds)
    for value in values:
        cell.observe(value)
    *buckets, count, total = [point[0] for point in cell.points()]

    assert [sum(value <= bound for value in values) for bound in (*bounds, math.inf)] == buckets
    assert len(values) == count
    assert math.isclose(math.fsum(values), total, abs_tol=1e-9)


def test_exemplar_stays_until_a_newer_one_comes() -> None:
    """An observation without a trace does not take the example away."""
    cell, count = Spread((1.0,)), Count()
    cell.observe(0.5, "aa", 1.0)
    cell.observe(0.6)
    count.mark("aa", 1.0, 1.0)
    count.mark(None, 1.0, 2.0)

    assert cell.traces == {0: ("aa", 0.5, 1.0)}
    assert count.trace == ("aa", 1.0, 1.0)


def test_gauge_is_unknown_until_set_and_after_clear() -> None:
    """A gauge has no value before somebody measured one; adding to nothing starts at zero."""
    cell = Level()
    assert not cell.known()

    cell.inc(2.0)
    cell.inc(-0.5)
    assert cell.points()[0] == (1.5, None)

    cell.clear()
    assert not cell.known()
    cell.set(3.0)
    assert cell.known()


def test_folded_cells_keep_what_they_counted() -> None:
    """Counters and histograms add up when one is folded into another; a gauge does not."""
    count, other_count = Count(), Count()
    other_count.inc(3.0)
    count.absorb(other_count)
    exact = Exact()
    exact.absorb(other_count)
    spread, other_spread = Spread((1.0,)), Spread((1.0,))
    other_spread.observe(0.5)
    spread.absorb(other_spread)
    level, other_level = Level(), Level()
    other_level.set(1.0)
    level.absorb(other_level)

    assert count.total() == 3.0
    assert exact.total() == 3.0
    assert spread.points() == other_spread.points()
    assert not level.known()
