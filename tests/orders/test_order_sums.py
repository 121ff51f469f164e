from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from itertools import accumulate
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orders_kit import WALL, decimal, known, opened, plain, sent, told, update

from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.orders.sums import EXACT, Sums, add, is_late, said_by, vwap
from ares_otel.records.facts import UpdateFacts


class Fill(NamedTuple):
    """A fill as the venue made it."""

    number: int
    quantity: float
    price: float
    fee: float
    cumulative: float
    average: float


def fills_of(parts: list[tuple[int, int, int]]) -> list[Fill]:
    """Return fills of so many thousandths, at so many hundredths, for so many thousandths of a fee."""
    quantities = [Decimal(quantity) / 1000 for quantity, _, _ in parts]
    prices = [Decimal(price) / 100 for _, price, _ in parts]
    money = accumulate(quantity * price for quantity, price in zip(quantities, prices, strict=True))
    sums = list(accumulate(quantities))
    averages = [total / quantity for total, quantity in zip(money, sums, strict=True)]
    return [
        Fill(number, float(quantities[number]), float(prices[number]), fee / 1000, float(total), float(average))
        for number, ((_, _, fee), total, average) in enumerate(zip(parts, sums, averages, strict=True))
    ]


PARTS = st.lists(
    st.tuples(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(-500, 500)), min_size=1, max_size=8
)
FILLS = PARTS.map(fills_of)


def as_fill(fill: Fill) -> dict[str, Any]:
    """Say a fill as a trade stream does."""
    return {"trade_id": f"t{fill.number}", "quantity": fill.quantity, "price": fill.price, "fee": fill.fee}


def as_report(fill: Fill) -> dict[str, Any]:
    """Say a fill as a FIX execution report does, without the average."""
    return {**as_fill(fill), "cum_quantity": fill.cumulative}


def as_full_report(fill: Fill) -> dict[str, Any]:
    """Say a fill as a FIX execution report does."""
    return {**as_report(fill), "avg_price": fill.average}


def as_total(fill: Fill) -> dict[str, Any]:
    """Say what is filled so far, as a poll of the order does."""
    return {"cum_quantity": fill.cumulative, "avg_price": fill.average}


def shuffled(fills: list[Fill], data: st.DataObject) -> list[Fill]:
    """Return each fill at least once, in any order, some again."""
    again = data.draw(st.lists(st.sampled_from(fills), max_size=6))
    return data.draw(st.permutations(fills + again))


def status_of(fill: Fill, fills: list[Fill]) -> str:
    """Return the state that a report of this fill carries."""
    return "filled" if fill.number == len(fills) - 1 else "partially_filled"


def reported(ledger: Ledger, fills: list[Fill], said: list[Fill], how: Callable[[Fill], dict[str, Any]]) -> Decimal:
    """Report fills and return the sum of what the facts call this fill's quantity."""
    sent(ledger, quantity=fills[-1].cumulative)
    facts = [told(ledger, status_of(fill, fills), **how(fill)) for fill in said]
    return sum((decimal(each.fill_quantity) for each in facts), Decimal(0))


def brute(fills: list[Fill]) -> tuple[Decimal, Decimal, Decimal]:
    """Return quantity, money and fees of the unique fills."""
    with localcontext(EXACT):
        quantity = sum((decimal(fill.quantity) for fill in fills), Decimal(0))
        money = sum((decimal(fill.quantity) * decimal(fill.price) for fill in fills), Decimal(0))
        return quantity, money, sum((decimal(fill.fee) for fill in fills), Decimal(0))


@pytest.mark.parametrize("how", [as_fill, as_report])
@given(FILLS, st.data())
def test_sums_are_those_of_the_unique_fills(
    how: Callable[[Fill], dict[str, Any]], fills: list[Fill], data: st.DataObject
) -> None:
    """Fills in any order, some twice, with or without cumulative quantities, add up exactly."""
    with opened(None) as ledger:
        counted = reported(ledger, fills, shuffled(fills, data), how)
        sums = known(ledger).sums

    assert (sums.quantity, sums.money, sums.fees) == brute(fills)
    assert sums.priced == sums.quantity == counted


@given(FILLS, st.data())
def test_average_prices_change_nothing_that_fits(fills: list[Fill], data: st.DataObject) -> None:
    """Average prices beside the fills leave quantity and fees exact, and money up to the average's last digit."""
    with opened(None) as ledger:
        counted = reported(ledger, fills, shuffled(fills, data), as_full_report)
        sums = known(ledger).sums
    quantity, money, fees = brute(fills)

    assert (sums.quantity, counted, sums.fees) == (quantity, quantity, fees)
    assert float(sums.money) == pytest.approx(float(money), rel=1e-12)


@given(FILLS, st.data())
def test_cumulative_reports_alone(fills: list[Fill], data: st.DataObject) -> None:
    """From totals in any order come the last total, and single fills that add up to it."""
    with opened(None) as ledger:
        counted = reported(ledger, fills, shuffled(fills, data), as_total)
        sums = known(ledger).sums
    quantity, money, _ = brute(fills)

    assert (sums.quantity, counted) == (quantity, quantity)
    assert float(sums.money) == pytest.approx(float(money), rel=1e-12)


@given(FILLS, st.data())
@example(fills_of([(3, 100, 0)] * 3), None)
def test_two_streams(fills: list[Fill], data: st.DataObject | None) -> None:
    """A trade stream and an order stream, each in its order, however they overtake each other, count each fill once."""
    turns = [False] * len(fills) + [True] * len(fills)
    turns = data.draw(st.permutations(turns)) if data is not None else turns
    streams = {True: iter(fills), False: iter(fills)}
    with opened(None) as ledger:
        sent(ledger, quantity=fills[-1].cumulative)
        for trades in turns:
            fill = next(streams[trades])
            told(
                ledger, status_of(fill, fills), event_time=WALL + fill.number, **(as_fill if trades else as_total)(fill)
            )
        sums = known(ledger).sums
    quantity, money, fees = brute(fills)

    assert (sums.quantity, sums.fees) == (quantity, fees)
    assert float(sums.money) == pytest.approx(float(money), rel=1e-12)


@given(FILLS)
def test_in_order_every_report_fits(fills: list[Fill]) -> None:
    """Reports in order are valid, no duplicates, and give this fill, the total and what is left."""
    with opened(None) as ledger:
        sent(ledger, quantity=fills[-1].cumulative)
        facts = [told(ledger, status_of(fill, fills), **as_report(fill)) for fill in fills]

    assert all(each.valid and not each.duplicate for each in facts)
    assert [each.fill_quantity for each in facts] == [fill.quantity for fill in fills]
    assert [each.cum_quantity for each in facts] == [fill.cumulative for fill in fills]
    left = [decimal(fills[-1].cumulative) - decimal(fill.cumulative) for fill in fills]
    assert [decimal(each.leaves_quantity) for each in facts] == left
    assert GUARD.counts() == {}


def tell(*reports: dict[str, Any], quantity: float | None = 10) -> tuple[list[UpdateFacts], Sums]:
    """Report partial fills of an order and return the facts and the sums."""
    with opened(None) as ledger:
        sent(ledger, quantity=quantity)
        facts = [told(ledger, "partially_filled", **fields) for fields in reports]
        return facts, known(ledger).sums


def test_float_noise_is_no_disagreement() -> None:
    """A bot that adds up floats itself reports 0.30000000000000004, which is 0.3."""
    (_, _, last), sums = tell(
        {"quantity": 0.1, "price": 10, "cum_quantity": 0.1},
        {"quantity": 0.2, "price": 10, "cum_quantity": 0.1 + 0.2},
        {"cum_quantity": 0.3, "avg_price": 10},
    )

    assert (sums.quantity, sums.money) == (Decimal("0.3"), Decimal(3))
    assert (last.fill_quantity, last.valid) == (None, True)
    assert GUARD.counts() == {}


def test_the_cumulative_quantity_wins() -> None:
    """Where a fill and its cumulative quantity disagree, either way, the latter counts and the guard is told."""
    more, more_sums = tell({"quantity": 1, "price": 10, "cum_quantity": 3})
    less, less_sums = tell({"quantity": 3, "price": 10, "cum_quantity": 1})

    assert (more[0].fill_quantity, less[0].fill_quantity) == (3.0, 1.0)
    assert plain(more_sums.quantity, less_sums.quantity) == (3, 1)
    assert plain(vwap(more_sums), vwap(less_sums)) == (None, 10)
    assert GUARD.counts() == {"orders.sums": 2}


def test_a_late_fill_explains_the_difference() -> None:
    """Quantity that was found by difference gets its price, and its fee, when the fill comes at last."""
    (second, first), sums = tell(
        {"trade_id": "t2", "quantity": 2, "price": 20, "cum_quantity": 3, "fee": 0.2},
        {"trade_id": "t1", "quantity": 1, "price": 10, "cum_quantity": 1, "fee": 0.1},
    )

    assert (second.fill_quantity, second.avg_price, second.valid) == (3.0, None, True)
    assert (first.fill_quantity, first.cum_quantity, first.valid, first.duplicate) == (None, 3.0, False, False)
    assert first.avg_price == pytest.approx(50 / 3)
    assert plain(sums.quantity, sums.money, sums.derived, sums.fees) == (3, 50, 0, Decimal("0.3"))


def test_the_average_prices_what_no_fill_has() -> None:
    """From totals the price of each fill follows; the report is handed on with it."""
    (one, two), sums = tell({"cum_quantity": 1, "avg_price": 10}, {"cum_quantity": 3, "avg_price": 20})

    assert (one.fill_quantity, one.update.price) == (1.0, 10.0)
    assert (two.fill_quantity, two.update.price, two.avg_price) == (2.0, 25.0, 20.0)
    assert plain(sums.money, sums.derived) == (60, 3)


def test_an_average_without_a_total() -> None:
    """An average price beside a fill's quantity prices it."""
    (fact,), sums = tell({"quantity": 2, "avg_price": 10})

    assert (fact.fill_quantity, fact.avg_price, fact.update.price) == (2.0, 10.0, 10.0)
    assert sums.money == 20


def test_a_rounded_average_is_no_disagreement() -> None:
    """The exact sum of the fills stays where the average agrees within a basis point; beyond, the average wins."""
    _, rounded = tell({"quantity": 3, "price": 10.0004, "cum_quantity": 3, "avg_price": 10})
    quiet = GUARD.counts()
    _, wrong = tell({"quantity": 3, "price": 10.01, "cum_quantity": 3, "avg_price": 10})

    assert plain(rounded.money, wrong.money) == (Decimal("30.0012"), 30)
    assert (quiet, GUARD.counts()) == ({}, {"orders.sums": 1})


def test_an_average_that_rises_too_little_gives_no_price() -> None:
    """Where totals imply that a fill earned money instead of costing it, its price stays unknown."""
    (_, fact), sums = tell({"cum_quantity": 2, "avg_price": 30}, {"cum_quantity": 3, "avg_price": 10})

    assert (fact.fill_quantity, fact.update.price, fact.avg_price) == (1.0, None, 10.0)
    assert sums.money == 30


def test_zero_prices_are_unknown() -> None:
    """An empty field that a client fills with zero is no price."""
    (one, two), sums = tell({"quantity": 1, "price": 0, "avg_price": 0}, {"quantity": 1, "price": 10})

    assert (one.avg_price, two.avg_price) == (None, None)
    assert plain(sums.quantity, sums.priced, sums.money) == (2, 1, 10)


def test_fills_without_any_id_are_all_counted() -> None:
    """Two equal fills that nothing tells apart are two fills."""
    _, sums = tell({"quantity": 1, "price": 10}, {"quantity": 1, "price": 10})

    assert sums.quantity == 2


def test_a_fill_after_a_total_is_new() -> None:
    """A fill without a total that comes after one adds to it, unless time or quantity say that it was counted."""
    total = {"cum_quantity": 3, "avg_price": 10, "event_time": WALL}
    fill = {"quantity": 1, "price": 10, "trade_id": "t"}
    cases = {
        "no time": (fill, 4),
        "later": ({**fill, "event_time": WALL + 1}, 4),
        "earlier": ({**fill, "event_time": WALL - 1}, 3),
        "at once": ({**fill, "event_time": WALL}, 3),
        "more than the total": ({**fill, "quantity": 5, "event_time": WALL}, 8),
    }

    found = {case: tell(total, said)[1].quantity for case, (said, _) in cases.items()}

    assert found == {case: quantity for case, (_, quantity) in cases.items()}
    assert tell({"cum_quantity": 10}, fill)[1].quantity == 10
    assert tell({"cum_quantity": 10}, fill, quantity=None)[1].quantity == 11


def test_overfilled_orders_are_kept_as_reported() -> None:
    """More than was ordered is possible; nothing is left of it then."""
    (fact,), sums = tell({"quantity": 12, "price": 10})

    assert plain(fact.cum_quantity, fact.leaves_quantity, sums.quantity) == (12.0, 0.0, 12)


def test_many_digits() -> None:
    """Large and small numbers keep all their digits."""
    _, sums = tell(
        {"quantity": 1e-8, "price": 123456789.12345678}, {"quantity": 1e12, "price": 0.00000001}, quantity=1e13
    )

    assert sums.money == Decimal("1.2345678912345678") + Decimal(10_000)


@given(
    st.lists(st.tuples(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1e300)), max_size=6)
)
def test_nonsense_is_summed_without_an_error(reports: list[tuple[float, float, float, float]]) -> None:
    """Whatever venues say, the quantity never falls, and no part is larger than the whole."""
    sums = Sums()
    with localcontext(EXACT):
        for quantity, price, cumulative, average in reports:
            fill: dict[str, Any] = {"quantity": quantity, "price": price}
            said = said_by(update("partially_filled", **fill, cum_quantity=cumulative, avg_price=average), None)
            after = add(sums, said, Decimal(1), late=is_late(sums, said))
            assert after.quantity >= sums.quantity
            assert 0 <= after.priced <= after.quantity
            assert 0 <= after.derived <= after.quantity
            sums = after
