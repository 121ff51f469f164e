"""The paper venue: does what its table declares, and nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from demo_samples import DAY, START, drawn_bars, make_bar, order, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.account import Account
from ares_otel.demo.bars import Bar
from ares_otel.demo.fills import PriceGrid, delay, limit_fills, market_fills
from ares_otel.demo.orders import FINAL, ExecutionReport, signed
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.venue import PaperVenue, UnknownOrderError, VenueState

RANDOM = Random
MILLISECOND = timedelta(milliseconds=1)
ZERO = Decimal(0)
RICH = VenueRules(initial_cash=Decimal(10) ** 9, max_notional=Decimal(10) ** 9, price_band=Decimal(10) ** 9)
TOMORROW = make_bar(101.0, open=100.0, low=99.0, high=102.0, time=START + DAY)


def venue(rules: VenueRules = RICH, seed: int = 1, last: float = 100.0) -> PaperVenue:
    """Return a venue where X was traded at a price."""
    made = PaperVenue(rules, seed)
    made.trade(make_bar(last))
    return made


def rejection(rules: VenueRules = VenueRules(), **changes: Any) -> str | None:  # noqa: B008 - rules never change
    """Return why an order is refused at a last price of 100, None if it is not."""
    return venue(rules).submit(order(**changes)).reason


def statuses(reports: Iterable[ExecutionReport]) -> list[str]:
    """Return the states that an order went through."""
    return [report.status for report in reports]


lots = st.integers(1, 10_000).map(lambda value: Decimal(value) / 100)
sides = st.sampled_from(["buy", "sell", "sell_short"])
limits = st.none() | st.integers(100, 100_000).map(lambda value: Decimal(value) / 100)


@settings(max_examples=300, deadline=None)
@given(drawn_bars(), sides, lots, limits, st.sampled_from(["day", "gtc"]), st.integers(0, 99))
def test_one_order_in_one_bar(
    bar: Bar, side: Any, quantity: Decimal, price: Decimal | None, force: Any, seed: int
) -> None:
    """No fill lies outside its bar or is worse than its limit; pieces sum up; times run forward; the books agree."""
    market = venue(seed=seed, last=bar.open)
    sent = order(side=side, quantity=quantity, price=price, time_in_force=force)
    reports = [market.submit(sent), *market.trade(bar)]
    filled = [report for report in reports if report.last_quantity is not None]

    for report in filled:
        assert report.last_price is not None
        assert Decimal(repr(bar.low)) <= report.last_price <= Decimal(repr(bar.high))
        if price is not None:
            assert report.last_price <= price if side == "buy" else report.last_price >= price
    assert [report.time for report in reports] == sorted(report.time for report in reports)
    assert all(START < report.time <= bar.time for report in reports)
    assert len(filled) <= 4
    total = sum((report.last_quantity or ZERO for report in filled), ZERO)
    assert reports[-1].cumulative_quantity == total == abs(market.account("a").quantity("X"))
    assert market.account("a").cash == RICH.initial_cash - sum(
        (signed(side, r.last_quantity or ZERO) * (r.last_price or ZERO) + r.fee for r in filled), ZERO
    )
    assert_ended_as_declared(reports[-1], price, force)


def assert_ended_as_declared(last: ExecutionReport, price: Decimal | None, force: str) -> None:
    """Market orders are filled whole, orders of the day end with it, others rest unless they are filled."""
    if price is None:
        assert last.status == "filled"
    if force == "day":
        assert last.status in {"filled", "expired"}
    assert (last.cumulative_quantity == last.quantity) == (last.status == "filled")
    assert (last.average_price is None) == (last.cumulative_quantity == 0)


wishes = st.tuples(
    st.integers(0, 6),
    st.sampled_from("ab"),
    sides,
    lots,
    st.none() | st.integers(-300, 300).map(lambda way: Decimal(way) / 100),
    st.sampled_from(["day", "gtc"]),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(wishes, max_size=12))
def test_many_orders(seed: int, wanted: list[tuple[int, str, Any, Decimal, Decimal | None, Any]]) -> None:
    """Over many bars: ids are unique and rise, reports run in time, every account is what its reports say."""
    market = PaperVenue(VenueRules(), seed)
    reports: list[ExecutionReport] = []
    for number, bar in enumerate(walk(8, seed)):
        settled = market.trade(bar)
        assert [report.time for report in settled] == sorted(report.time for report in settled)
        reports += settled
        for place, (day, account, side, quantity, away, force) in enumerate(wanted):
            if day == number:
                sent = order(
                    client_id=f"c{place}",
                    account=account,
                    side=side,
                    quantity=quantity,
                    price=None if away is None else Decimal(repr(bar.close)) + away,
                    time_in_force=force,
                    time=bar.time,
                )
                reports.append(market.submit(sent))
    trades = [report.trade_id for report in reports if report.trade_id is not None]
    executions = [report.execution_id for report in reports]

    assert trades == sorted(set(trades))
    assert executions == sorted(set(executions))
    for name in "ab":
        assert market.account(name) == booked(reports, name)


def booked(reports: Iterable[ExecutionReport], name: str) -> Account:
    """Return the account that a reader of the reports arrives at."""
    account = Account.open(VenueRules().initial_cash)
    for report in reports:
        if report.account == name and report.last_quantity is not None and report.last_price is not None:
            account.apply("X", signed(report.side, report.last_quantity), report.last_price, report.fee)
    return account


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 5))
def test_restart(seed: int, stop: int) -> None:
    """A venue that was saved as JSON and started again answers to the last bit as one that went on."""

    def play(restart_at: int | None) -> list[ExecutionReport]:
        market = PaperVenue(VenueRules(), seed)
        reports = []
        for number, bar in enumerate(walk(6, seed)):
            if number == restart_at:
                state = msgspec.json.decode(msgspec.json.encode(market.state), type=VenueState)
                market = PaperVenue(VenueRules(), seed, state)
            reports += market.trade(bar)
            limit = Decimal(repr(bar.close))
            for name, price in (("m", None), ("l", limit)):
                sent = order(client_id=f"{name}{number}", price=price, time=bar.time, time_in_force="gtc")
                reports.append(market.submit(sent))
        return reports

    assert play(stop) == play(None)


def test_seed_matters() -> None:
    """Another seed is another history."""
    assert len({tuple(_prices(seed)) for seed in range(5)}) > 1


def _prices(seed: int) -> list[Decimal | None]:
    market = venue(seed=seed)
    market.submit(order(quantity=Decimal(100)))
    return [report.last_price for report in market.trade(TOMORROW)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"symbol": "Y"}, "unknown_symbol"),
        ({"quantity": ZERO}, "incorrect_quantity"),
        ({"quantity": Decimal(-1)}, "incorrect_quantity"),
        ({"quantity": Decimal("1.001")}, "incorrect_quantity"),
        ({"price": Decimal("100.001")}, "price_increment"),
        ({"price": Decimal(105)}, None),
        ({"price": Decimal("105.01")}, "price_band"),
        ({"price": Decimal("94.99")}, "price_band"),
        ({"quantity": Decimal(700)}, None),
        ({"quantity": Decimal("700.01")}, "exceeds_limit"),
    ],
)
def test_rejections(changes: dict[str, Any], reason: str | None) -> None:
    """Each limit holds on its own side of the border, and the answer names it."""
    assert rejection(**changes) == reason


def test_rejected_order_does_nothing() -> None:
    """A refused order has a reason for people, too, and is never filled."""
    market = venue(VenueRules())
    report = market.submit(order(quantity=Decimal(5_000)))

    assert report.status == "rejected"
    assert "worth 500000.00, more than 70000" in report.text
    assert market.trade(TOMORROW) == []
    assert market.account("a") == Account(Decimal(100_000), Decimal(100_000))


def test_duplicate() -> None:
    """A client id that is working is refused; once it is done the venue has forgotten it."""
    market = venue()
    market.submit(order())

    assert market.submit(order()).reason == "duplicate_order"
    market.trade(TOMORROW)
    assert market.submit(order()).status == "new"


def test_funds_count_working_orders() -> None:
    """Two orders that are too much together: the second is refused, whatever side; a way out is always open."""
    rules = VenueRules(max_notional=Decimal(10) ** 6)
    market = venue(rules)

    assert market.submit(order(client_id="c1", quantity=Decimal(900))).status == "new"
    short = market.submit(order(client_id="c2", quantity=Decimal(1_001), side="sell_short"))
    assert (short.reason, short.text) == ("insufficient_funds", "short of 100.00")
    assert market.submit(order(client_id="c3", quantity=Decimal(101))).reason == "insufficient_funds"
    assert market.submit(order(client_id="c4", quantity=Decimal(100))).status == "new"
    market.trade(TOMORROW)
    assert market.submit(order(client_id="c5", quantity=Decimal(1_000), side="sell")).status == "new"


def test_closing_needs_no_funds() -> None:
    """An account that lost everything may still close what it holds, and open nothing."""
    market = venue(VenueRules(max_notional=Decimal(10) ** 6))
    market.submit(order(client_id="c1", quantity=Decimal(1_000), side="sell_short"))
    market.trade(TOMORROW)
    market.trade(make_bar(250.0, time=START + 2 * DAY))

    assert market.account("a").equity(market.state.last) < 0
    assert market.submit(order(client_id="c2", quantity=Decimal(1_001))).status == "new"
    assert market.submit(order(client_id="c3", side="sell_short")).reason == "insufficient_funds"


def test_cancel() -> None:
    """A canceled order is told so after its acknowledgement, keeps what was filled, and is never filled again."""
    market = venue()
    sent = order(price=Decimal(90), time_in_force="gtc")
    accepted = market.submit(sent)
    done = market.cancel("c1", START)

    assert statuses([accepted, done]) == ["new", "canceled"]
    assert done.time >= accepted.time
    assert market.trade(make_bar(80.0, time=START + DAY)) == []
    with pytest.raises(UnknownOrderError, match="'c1'"):
        market.cancel("c1", START)


def test_good_till_canceled_rests() -> None:
    """A gtc order waits for the bar that reaches it; a day order does not."""
    market = venue()
    market.submit(order(client_id="day", price=Decimal(95)))
    market.submit(order(client_id="gtc", price=Decimal(95), time_in_force="gtc"))
    quiet = market.trade(TOMORROW)
    deep = market.trade(make_bar(94.0, low=90.0, high=101.0, open=100.0, time=START + 2 * DAY))

    assert [(report.client_id, report.status) for report in quiet] == [("day", "expired")]
    assert {report.client_id for report in deep} == {"gtc"}
    assert deep[-1].status == "filled"


def test_touched_limit_is_filled_in_part() -> None:
    """A bar that only just reaches a limit fills a part; the rest of a day order expires, with what was filled."""
    market = venue()
    market.submit(order(price=Decimal("99.10"), quantity=Decimal(10)))
    reports = market.trade(TOMORROW)

    assert set(statuses(reports)) == {"partially_filled", "expired"}
    # 0.10 beyond the limit, 0.45 (15 % of the range) would be enough for all.
    assert reports[-1].cumulative_quantity == Decimal("2.22")
    assert {report.liquidity for report in reports} == {"maker", None}


def test_limit_beyond_the_open() -> None:
    """A limit that the bar opens beyond is filled at the open, and takes."""
    market = venue()
    market.submit(order(price=Decimal(103)))
    (report,) = market.trade(TOMORROW)

    assert (report.status, report.last_price, report.liquidity) == ("filled", Decimal("100.0"), "taker")


def test_fees() -> None:
    """Takers pay two basis points, makers are paid half a one, in whole cents."""
    market = venue()
    market.submit(order(client_id="take", price=Decimal(103), quantity=Decimal(10)))
    market.submit(order(client_id="make", price=Decimal(100), quantity=Decimal(10), side="sell", time_in_force="gtc"))
    market.submit(order(client_id="rest", price=Decimal("101.5"), quantity=Decimal(10), side="sell_short"))
    fees = dict.fromkeys(("take", "make", "rest"), ZERO)
    for report in market.trade(TOMORROW):
        fees[report.client_id] += report.fee

    assert fees["take"] == fees["make"] == Decimal("0.20")
    assert Decimal("-0.06") <= fees["rest"] < 0
    assert market.account("a").fees == Decimal("0.40")
    assert market.account("a").rebates == -fees["rest"]


def test_no_price_on_the_grid() -> None:
    """A bar between two ticks trades nothing: a market order of the day ends without a fill."""
    bar = make_bar(100.005, time=START + DAY)
    market = venue()
    market.submit(order())

    assert not PriceGrid(bar, Decimal("0.01"))
    assert statuses(market.trade(bar)) == ["expired"]
    assert limit_fills(RANDOM(1), RICH, bar, "buy", Decimal(1), Decimal(200), START) == []


def test_latency_is_as_declared() -> None:
    """The medians of a thousand draws lie near the declared ones, and none is zero."""
    random = RANDOM(1)
    waits = [delay(random, 12.0, 0.6) for _ in range(1_000)]

    assert min(waits) > timedelta()
    assert statistics.median(wait / MILLISECOND for wait in waits) == pytest.approx(12, rel=0.1)
    assert delay(random, 0.0, 0.6) == timedelta(microseconds=1)


def test_market_fills_are_as_declared() -> None:
    """Slippage, improvement and partial fills of a thousand orders lie near their declared shares."""
    rules, random = VenueRules(), RANDOM(2)
    made = [market_fills(random, rules, TOMORROW, "buy", Decimal(50), START) for _ in range(1_000)]
    prices = [float(fill.price) for fills in made for fill in fills]
    worse = [price for price in prices if price > 100]

    assert sum(len(fills) > 1 for fills in made) / len(made) == pytest.approx(rules.partial_share, abs=0.05)
    assert {len(fills) for fills in made} == {1, 2, 3, 4}
    assert statistics.mean(price - 100 for price in worse) == pytest.approx(rules.slippage_share * 2, abs=0.01)
    assert sum(price < 100 for price in prices) / len(prices) == pytest.approx(rules.improvement_share, abs=0.06)
    assert min(fills[0].time for fills in made) > TOMORROW.time - rules.session


@pytest.mark.parametrize("price", [None, Decimal("99.5")])
def test_no_fill_before_the_acknowledgement(price: Decimal | None) -> None:
    """An order that was acknowledged late is filled later still, even past the end of the bar."""
    late = TOMORROW.time + timedelta(hours=1)
    fills = (
        market_fills(RANDOM(1), RICH, TOMORROW, "buy", Decimal(9), late)
        if price is None
        else limit_fills(RANDOM(1), RICH, TOMORROW, "buy", Decimal(9), price, late)
    )

    assert fills
    assert all(fill.time >= late for fill in fills)


def test_every_rule_is_declared() -> None:
    """The table in the documentation names every rule with its default, and no other."""
    lines = [line.split("|") for line in (VenueRules.__doc__ or "").splitlines() if line.strip().startswith("|")]
    table = {cells[1].strip(): cells[2].strip() for cells in lines[2:]}
    rules = msgspec.structs.asdict(VenueRules())
    hours = rules.pop("session") / timedelta(hours=1)

    assert table.pop("session") == f"{hours} h"
    assert {name: Decimal(value) for name, value in table.items()} == {
        name: Decimal(repr(value)) if isinstance(value, float) else Decimal(value) for name, value in rules.items()
    }


def test_states_are_final() -> None:
    """No report follows one that says an order is done."""
    market = venue(VenueRules())
    done: set[str] = set()
    for number, bar in enumerate(walk(60, seed=8)):
        for report in market.trade(bar):
            assert report.client_id not in done
            if report.status in FINAL:
                done.add(report.client_id)
        market.submit(order(client_id=f"c{number}", price=Decimal(repr(bar.close)), quantity=Decimal(5), time=bar.time))
    assert len(done) >= 58
