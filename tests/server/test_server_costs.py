"""What orders cost against the price that their decision saw: parts that add up, or the reason why there are none."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from server_kit import fresh, put
from spans import span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.query import shortfalls
from ares_otel.server.query.execution import ExecutionAsked, execution
from ares_otel.server.query.shortfalls import VenueCosts
from ares_otel.server.store.store import Store
from ares_otel.server.story.costs import Told, costs_of
from ares_otel.server.story.reader import Reader

SECOND = 10**9
START = 1_700_000_000 * SECOND
BUY = Told(
    side="buy", status="filled", quantity=10, filled=10, average=102.0, arrival=101.0, multiplier=None, currency="USD",
    price=100.0, stated=250.0, fees={"USD": Decimal(5)},
)  # fmt: skip


def same(*values: object) -> tuple[object, ...]:
    """Return values as they compare with anything: a decimal number equals a whole one."""
    return values


def replaced(**changed: Any) -> Told:
    """Return the order with other facts."""
    return Told(**{name: getattr(BUY, name) for name in BUY.__struct_fields__} | changed)


def test_a_whole_fill() -> None:
    """Ten at 102, decided at 100, arrived at 101, fees of 5: 10 of delay, 10 of execution, 25 in all."""
    found = costs_of(BUY)

    assert same(found.base, found.total, found.delay, found.execution) == (1_000, 25, 10, 10)
    assert same(found.opportunity, found.explicit, found.currency, found.reasons) == (0, 5, "USD", {})
    assert found.bps == {"total": 250, "delay": 100, "execution": 100, "opportunity": 0, "explicit": 50}


def test_what_was_not_filled_follows_from_the_total_that_was_reported() -> None:
    """Four of ten: 4 of delay, 4 of execution, 2 of fees, and 60 of 700 bp are left for the other six at 110."""
    found = costs_of(replaced(status="canceled", filled=4, stated=700.0, fees={"USD": Decimal(2)}))

    assert same(found.total, found.delay, found.execution, found.explicit, found.opportunity) == (70, 4, 4, 2, 60)


def test_a_short_sale_of_contracts() -> None:
    """The sign turns with the side, and the multiplier makes money of it."""
    found = costs_of(replaced(side="sell_short", multiplier=50.0, average=99.0, arrival=99.5))

    assert same(found.total, found.delay, found.execution) == (505, 250, 250)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"status": "new"}, "the order is not done"),
        ({"status": None}, "the order is not done"),
        ({"status": "rejected", "filled": None}, "the order never worked in the market"),
        ({"side": None}, "the side of the order is not known"),
        ({"quantity": None}, "the quantity of the order is not known"),
        ({"price": None}, "the price that the decision saw is not known"),
        ({"average": None}, "a fill has no price"),
        ({"filled": 4, "stated": None}, "no price is known of when the order ended"),
    ],
)
def test_none(changed: dict[str, Any], why: str) -> None:
    """Without one of the facts there is no shortfall, and the reason is said."""
    found = costs_of(replaced(**changed))

    assert same(found.total, found.base, found.bps, found.reasons) == (None, None, {}, {"total": why})


def test_parts_that_are_not_known() -> None:
    """Without an arrival mid delay and execution cannot be told apart; fees of another currency are not guessed."""
    found = costs_of(replaced(arrival=None, fees={"USD": Decimal(1), "": Decimal(2), "BNB": Decimal(9)}))

    assert same(found.total, found.delay, found.execution, found.explicit) == (23, None, None, 3)
    assert found.bps["delay"] is None
    assert set(found.reasons) == {"delay", "execution", "explicit"}
    assert found.reasons["explicit"] == "fees in BNB are not in it"


def placed(
    number: int, price: float, *, arrival: float | None = 101.0, venue: str = "paper", fill: Any = ()
) -> list[Any]:
    """Return the spans of a decision at 100 that bought 10 for a price, with a fee of 5."""
    trace, at = (number + 1).to_bytes(16, "big"), START + number * SECOND
    facts: dict[Any, Any] = {a.CLIENT_ID: f"c{number}", a.SIDE: "buy", a.CURRENCY: "USD", a.VENUE: venue, a.SYMBOL: "A"}
    sent = facts | {a.QUANTITY: 10.0} | ({} if arrival is None else {a.ARRIVAL_MID: arrival})
    said = {
        a.STATUS: "filled", a.FILL_QUANTITY: 10.0, a.CUM_QUANTITY: 10.0, a.AVG_PRICE: price, a.FILL_PRICE: price,
        a.FEE: 5.0, a.SHORTFALL: 7.0,
    } | (fill or {})  # fmt: skip
    update = facts | {key: value for key, value in said.items() if value is not None}
    root, own = number.to_bytes(4, "big") + b"root", number.to_bytes(4, "big") + b"send"
    return [
        span(s.DECISION, {a.MARKET_PRICE: 100.0, a.DECISION_ID: f"d{number}"}, trace=trace, own=root, start=at),
        span(s.ORDER_SUBMIT, sent, trace=trace, own=own, parent=root, start=at + 1_000_000, seconds=0.0),
        span(s.ORDER_UPDATE, update, trace=trace, own=b"U" * 8, parent=root, start=at + 2_000_000, seconds=0.0),
    ]


def asked(database: Path, **wanted: Any) -> dict[str | None, VenueCosts | None]:
    """Return the costs by venue."""
    with Reader(database) as reader:
        return {each.venue: each.costs for each in execution(reader, ExecutionAsked(**wanted))}


def test_costs_of_a_venue(tmp_path: Path) -> None:
    """Means with n and interval over the same orders, exact sums of money, and what was left out for which reason."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        put(store, [*placed(1, 102.0), *placed(2, 104.0), *placed(3, 103.0, arrival=None), *placed(4, 99.0, venue="x")])
        refused: dict[Any, Any] = {a.STATUS: "rejected", a.FILL_QUANTITY: None, a.CUM_QUANTITY: None, a.FEE: None}
        put(store, placed(5, 102.0, fill=refused))

    found = asked(database)
    paper = found["paper"]
    assert paper is not None
    means = [getattr(paper, part).value for part in ("delay", "execution", "opportunity", "explicit", "total")]
    assert means == [100, 200, 0, 50, 350]
    assert (paper.total.n, paper.left_out) == (2, {"the order had no arrival mid": 1})
    assert paper.total.low is not None
    assert paper.total.low < 350
    (money,) = paper.money
    assert same(money.currency, money.orders, money.base, money.total, money.explicit) == ("USD", 2, 2_000, 70, 10)
    assert found["x"] is not None
    assert found["x"].total.value == -50
    assert asked(database, venue="x") == {"x": found["x"]}


def test_an_order_whose_first_reports_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fees would be incomplete: it is in no sum, and the newest that are whole are."""
    monkeypatch.setattr(shortfalls, "REPORTS", 3)
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        put(store, [each for number in range(5) for each in placed(number, 102.0)])

    (found,) = asked(database).values()
    assert found is not None
    assert found.total.n == 2
