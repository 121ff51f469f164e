from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orders_kit import opened, order, sent, told

from ares_otel.orders.costs import as_float, shortfall_bps, slippage_bps, slippage_cost
from ares_otel.orders.sums import Sums


def filled(quantity: float, price: float, fees: float = 0) -> Sums:
    """Return the sums of one fill."""
    amount = Decimal(str(quantity))
    return Sums(quantity=amount, priced=amount, money=amount * Decimal(str(price)), fees=Decimal(str(fees)))


@pytest.mark.parametrize(("side", "sign"), [("buy", 1), ("sell", -1), ("sell_short", -1)])
def test_slippage(side: str, sign: int) -> None:
    """Paying more than the mid, or getting less, is a cost; the other way it is a gain."""
    sums = filled(4, 101)

    assert slippage_bps(order(side=side), sums) == sign * 100.0
    assert slippage_cost(order(side=side), Sums(), sums) == sign * 4.0


def test_shortfall_of_a_whole_fill() -> None:
    """Bought 10 at 102 that the decision saw at 100, fees 5: 250 basis points of 1,000."""
    assert shortfall_bps(order(), filled(10, 102, 5), 100, None) == 250.0


def test_shortfall_of_a_part() -> None:
    """Perold: 4 of 10 bought at 102, the rest has run away to 110; fees 2: (8 + 60 + 2) / 1,000."""
    assert shortfall_bps(order(), filled(4, 102, 2), 100, 110) == 700.0


def test_shortfall_of_a_sale() -> None:
    """4 of 10 sold at 98, the market has risen to 105, which is a gain for what was not sold: (8 - 30 + 2) / 1,000."""
    assert shortfall_bps(order(side="sell"), filled(4, 98, 2), 100, 105) == -200.0


def test_shortfall_of_nothing() -> None:
    """An order that was never filled has missed the whole move."""
    assert shortfall_bps(order(), Sums(), 100, 103) == 300.0


def test_a_multiplier_makes_money_of_points() -> None:
    """A contract of 50 a point: 4 points cost 50 times as much money and as many basis points."""
    contract = order(multiplier=50)

    assert slippage_cost(contract, Sums(), filled(4, 101)) == 200.0
    assert slippage_bps(contract, filled(4, 101)) == 100.0
    assert shortfall_bps(contract, filled(10, 102, 250), 100, None) == 250.0


MISSING = [{"side": None}, {"quantity": None}, {"quantity": 0}, {"side": "no such side"}]


@pytest.mark.parametrize("fields", [*MISSING, {"arrival_mid": None}, {"arrival_mid": 0}])
def test_no_number_without_a_measurement(fields: dict[str, Any]) -> None:
    """What a formula needs and nobody told leaves the result out."""
    sums, given_order = filled(4, 101), order(**fields)

    assert (shortfall_bps(given_order, sums, 100, 100) is None) == (fields in MISSING)
    if not {"quantity"} & set(fields):
        assert slippage_bps(given_order, sums) is None
        assert slippage_cost(given_order, Sums(), sums) is None


def test_unknown_prices() -> None:
    """Without the price of each fill, the decision's price, or a mark for the rest, there is no shortfall."""
    unpriced = Sums(quantity=Decimal(4), priced=Decimal(3), money=Decimal(300))

    assert slippage_bps(order(), unpriced) is None
    assert slippage_bps(order(), Sums()) is None
    assert shortfall_bps(order(), unpriced, 100, 100) is None
    assert shortfall_bps(order(), filled(10, 100), None, 100) is None
    assert shortfall_bps(order(), filled(10, 100), 0, 100) is None
    assert shortfall_bps(order(), filled(4, 100), 100, None) is None
    assert shortfall_bps(order(), filled(10.0, 100), 100, None) == 0.0


def test_no_cost_where_nothing_changed() -> None:
    """A report that tells no money has no cost; one that only corrects the money has."""
    assert slippage_cost(order(), filled(4, 101), filled(4, 101)) is None
    assert slippage_cost(order(), filled(4, 101), filled(4, 102)) == 4.0


def test_beyond_floats() -> None:
    """A number that no float can hold is left out."""
    assert as_float(Decimal("1e400")) is None
    assert as_float(Decimal("0.1")) == 0.1


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=8),
    st.integers(1, 10**6),
    st.sampled_from(["buy", "sell"]),
)
def test_slippage_is_the_cost_over_the_money(parts: list[tuple[int, int]], mid: int, side: str) -> None:
    """Costs of single fills over the order's value at the mid are the order's slippage (trading.md 3.4)."""
    quantity = sum(part for part, _ in parts) / 100
    with opened(None) as ledger:
        sent(ledger, side=side, quantity=quantity, arrival_mid=mid / 100)
        facts = [told(ledger, "partially_filled", quantity=part / 100, price=price / 100) for part, price in parts]
        end = told(ledger, "filled")
    cost = sum(each.slippage_cost or 0.0 for each in facts)

    assert end.slippage_bps == pytest.approx(cost / (quantity * mid / 100) * 1e4, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("currency", "fee_currency", "expected"),
    [("USDT", "USDT", 100), ("USDT", None, 100), (None, None, 100), ("USDT", "BNB", 0), (None, "USDT", 0)],
)
def test_fees_in_other_currencies_are_left_out(currency: str | None, fee_currency: str | None, expected: float) -> None:
    """A fee counts if its currency is the order's or is not named; others are neither converted nor guessed."""
    with opened(None) as ledger:
        sent(ledger, currency=currency)
        facts = told(ledger, "filled", quantity=10, price=100, fee=10, fee_currency=fee_currency)

    assert facts.shortfall_bps == expected


def test_marks_are_the_end_price() -> None:
    """The last mark of the order's symbol values what was not filled; without one there is no shortfall."""
    with opened(None) as ledger:
        for number in range(3):
            sent(ledger, f"c{number}", symbol=f"S{number}")
        ledger.mark("S0", 90.0)
        ledger.mark("S0", 103.0)
        ledger.mark("S2", 97.0)
        facts = [told(ledger, "canceled", f"c{number}") for number in range(3)]

    assert [each.shortfall_bps for each in facts] == [300, None, -300]


def test_rejected_orders_have_no_shortfall() -> None:
    """An order that never worked in the market has missed nothing there."""
    with opened(None) as ledger:
        sent(ledger)
        ledger.mark("ETHUSDT", 103.0)

        assert told(ledger, "rejected").shortfall_bps is None


def test_marks_are_bounded() -> None:
    """The least recently marked symbols are forgotten beyond a thousand."""
    with opened(None) as ledger:
        ledger.mark("kept", 1.0)
        for number in range(1_000):
            ledger.mark("kept", 2.0)
            ledger.mark(f"S{number}", 1.0)

        assert len(ledger._marks) == 1_000
        assert ledger._marks["kept"] == 2.0
        assert "S0" not in ledger._marks
