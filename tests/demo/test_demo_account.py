"""The account: exact, first in first out, and always in balance."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.account import Account, Lot, Position
from ares_otel.demo.orders import FINAL, ExecutionReport, rounded, signed, whole_lots

cents = st.integers(1, 10_000_000).map(lambda value: Decimal(value) / 100)
fees = st.integers(-5_000, 5_000).map(lambda value: Decimal(value) / 100)
quantities = st.integers(-1_000, 1_000).filter(bool).map(lambda value: Decimal(value) / 100)
fills = st.lists(st.tuples(st.sampled_from("XY"), quantities, cents, fees), max_size=30)


@settings(deadline=None)
@given(fills, cents, cents)
def test_balance(trades: list[tuple[str, Decimal, Decimal, Decimal]], mark_x: Decimal, mark_y: Decimal) -> None:
    """Whatever was traded: equity = initial + realized + unrealized - fees + rebates, to the last digit."""
    account = Account.open(Decimal(1_000))
    realized = sum((account.apply(*trade) for trade in trades), Decimal(0))
    marks = {"X": mark_x, "Y": mark_y}
    open_profit = sum((account.position(symbol).unrealized(mark) for symbol, mark in marks.items()), Decimal(0))

    assert account.equity(marks) == 1_000 + realized + open_profit - account.fees + account.rebates
    assert realized == sum((position.realized for position in account.positions.values()), Decimal(0))
    assert account.fees == sum((max(fee, Decimal(0)) for *_, fee in trades), Decimal(0))
    assert account.rebates == -sum((min(fee, Decimal(0)) for *_, fee in trades), Decimal(0))
    for symbol in marks:
        assert account.quantity(symbol) == sum((amount for name, amount, *_ in trades if name == symbol), Decimal(0))


@settings(deadline=None)
@given(fills)
def test_lots_have_one_sign(trades: list[tuple[str, Decimal, Decimal, Decimal]]) -> None:
    """A position is long or short, never both, and holds no empty lot."""
    account = Account.open(Decimal(0))
    for trade in trades:
        account.apply(*trade)
        for position in account.positions.values():
            signs = {lot.quantity > 0 for lot in position.lots}
            assert len(signs) <= 1
            assert all(lot.quantity for lot in position.lots)


@settings(deadline=None)
@given(fills)
def test_survives_json(trades: list[tuple[str, Decimal, Decimal, Decimal]]) -> None:
    """An account that was saved and loaded is the same account."""
    account = Account.open(Decimal(5))
    for trade in trades:
        account.apply(*trade)

    assert msgspec.json.decode(msgspec.json.encode(account), type=Account) == account


def test_first_in_first_out() -> None:
    """The oldest lot is closed first, part by part."""
    position = Position()
    position.apply(Decimal(2), Decimal(10))
    position.apply(Decimal(3), Decimal(20))

    assert position.apply(Decimal(-3), Decimal(30)) == 2 * 20 + 1 * 10
    assert position.lots == [Lot(Decimal(2), Decimal(20))]
    assert (position.quantity, position.average_price) == (Decimal(2), Decimal(20))


def test_from_long_to_short() -> None:
    """A sale of more than is held closes all and opens the rest short; a fall is a profit then."""
    position = Position()
    position.apply(Decimal(1), Decimal(10))

    assert position.apply(Decimal(-3), Decimal(15)) == 5
    assert (position.quantity, position.average_price) == (Decimal(-2), Decimal(15))
    assert position.unrealized(Decimal(12)) == 6
    assert position.apply(Decimal(2), Decimal(12)) == 6
    assert position == Position([], Decimal(11))
    assert position.average_price is None


def test_exposure() -> None:
    """Gross exposure adds what is long and what is short."""
    account = Account.open(Decimal(100))
    account.apply("X", Decimal(2), Decimal(10), Decimal(0))
    account.apply("Y", Decimal(-1), Decimal(30), Decimal(0))

    assert account.gross_exposure({"X": Decimal(11), "Y": Decimal(29)}) == 22 + 29
    assert account.equity({"X": Decimal(11), "Y": Decimal(29)}) == 100 + 2 + 1


def test_accounts_share_nothing() -> None:
    """Two new accounts are two accounts."""
    one, other = Account.open(Decimal(1)), Account.open(Decimal(1))
    one.apply("X", Decimal(1), Decimal(1), Decimal(0))

    assert other.positions == {}


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.sampled_from([Decimal("0.01"), Decimal("0.00001"), Decimal(10), Decimal("0.25")]))
def test_rounding(value: float, step: Decimal) -> None:
    """Prices go to the nearest step, quantities towards zero; both are exact multiples."""
    price, quantity = rounded(value, step), whole_lots(value, step)

    assert price % step == 0
    assert quantity % step == 0
    assert abs(price - Decimal(repr(value))) <= step / 2
    assert abs(quantity) <= abs(Decimal(repr(value))) < abs(quantity) + step


def test_signs() -> None:
    """Both kinds of sale take away."""
    assert [signed(side, Decimal(2)) for side in ("buy", "sell", "sell_short")] == [2, -2, -2]


@pytest.mark.parametrize("status", ["new", "partially_filled", *sorted(FINAL)])
def test_leaves(status: str) -> None:
    """An order that is done has nothing left, whatever was filled of it."""
    report = msgspec.convert(
        {
            "execution_id": "E1",
            "venue_id": "V1",
            "client_id": "c",
            "account": "a",
            "symbol": "X",
            "side": "buy",
            "status": status,
            "time": "2020-01-01T00:00:00Z",
            "quantity": 3,
            "cumulative_quantity": 1,
        },
        ExecutionReport,
    )

    assert report.leaves_quantity == (0 if status in FINAL else 2)
