from __future__ import annotations

import pytest

from ares_otel.orders.states import ANSWERS, DONE, TRANSITIONS, is_done, is_legal
from ares_otel.semconv.enums import OrderStatus, TimeInForce

# Written by hand from FIX Appendix D and the deviations of the module's docstring: a row is the present state ("none":
# nothing heard), a column the reported one; x is legal.
COLUMNS = "pnew new part fill canc pcan repl prep rej exp susp dfd den"
MATRIX = """
none  x x x x x x x x x x x . x
pnew  x x x x x x x x x x x . .
new   . x x x x x x x x x x x .
part  . . x x x x x x . x x x .
fill  . . . x . . . . . . . . .
canc  . . . . x . . . . . . . .
pcan  . x x x x x x x x x x x .
repl  . x x x x x x x . x x x .
prep  . x x x x x x x x x x x .
rej   . . . . . . . . x . . . .
exp   . . . . . . . . . x . . .
susp  . x x x x x x x x x x x .
dfd   . x x x x x x x . x x x .
den   . . . . . . . . . . . . x
"""
SHORT: dict[str, OrderStatus | None] = {
    "none": None,
    "pnew": OrderStatus.PENDING_NEW,
    "new": OrderStatus.NEW,
    "part": OrderStatus.PARTIALLY_FILLED,
    "fill": OrderStatus.FILLED,
    "canc": OrderStatus.CANCELED,
    "pcan": OrderStatus.PENDING_CANCEL,
    "repl": OrderStatus.REPLACED,
    "prep": OrderStatus.PENDING_REPLACE,
    "rej": OrderStatus.REJECTED,
    "exp": OrderStatus.EXPIRED,
    "susp": OrderStatus.SUSPENDED,
    "dfd": OrderStatus.DONE_FOR_DAY,
    "den": OrderStatus.DENIED,
}
ROWS = {line.split()[0]: line.split()[1:] for line in MATRIX.strip().splitlines()}
CASES = [
    (SHORT[row], SHORT[column], mark == "x")
    for row, marks in ROWS.items()
    for column, mark in zip(COLUMNS.split(), marks, strict=True)
]


@pytest.mark.parametrize(("prior", "status", "legal"), CASES)
def test_every_transition(prior: OrderStatus | None, status: OrderStatus, legal: bool) -> None:  # noqa: FBT001
    """Each of the 14 x 13 transitions is legal exactly where the matrix has an x."""
    assert is_legal(prior, status) is legal


def test_the_matrix_is_complete() -> None:
    """The matrix has every state as a row and as a column, and the table has no other."""
    assert {SHORT[row] for row in ROWS} == {None, *OrderStatus} == set(TRANSITIONS)
    assert {SHORT[column] for column in COLUMNS.split()} == set(OrderStatus)
    assert len(CASES) == 14 * 13


# pairs marked in the overview table of FIX 5.0 SP2, Appendix D, without "stopped"
FIX = {
    "pnew": "new rej",
    "new": "new part fill dfd pcan prep rej",
    "part": "part fill dfd pcan prep canc",
    "fill": "part fill prep",
    "dfd": "part",
    "pcan": "new part fill pcan canc",
    "prep": "new part fill prep canc",
}


def test_what_fix_illustrates_is_legal() -> None:
    """All transitions of the overview table of FIX are legal, but for trade busts and growing a filled order."""
    illegal = {
        (row, column)
        for row, columns in FIX.items()
        for column in columns.split()
        if not is_legal(SHORT[row], SHORT[column] or OrderStatus.NEW)
    }

    assert illegal == {("fill", "part"), ("fill", "prep")}


def test_ended_orders_stay_ended() -> None:
    """No legal transition leads out of a state in which an order is done, and every other state can be left."""
    for status in OrderStatus:
        assert is_done(status) == (TRANSITIONS[status] == {status}) == (status in DONE)


@pytest.mark.parametrize("status", OrderStatus)
def test_only_the_day_ends_a_day_order(status: OrderStatus) -> None:
    """`done_for_day` ends orders for the day only; no other state depends on the time in force."""
    for kind in (None, *TimeInForce):
        day = status is OrderStatus.DONE_FOR_DAY and kind is TimeInForce.DAY
        assert is_done(status, kind) is (day or status in DONE)
    assert is_done(None) is False


def test_the_bots_own_notes_are_no_answers() -> None:
    """What the bot may note itself says nothing about whether the venue has answered."""
    assert set(OrderStatus) - ANSWERS == {"pending_new", "pending_cancel", "pending_replace", "denied"}
