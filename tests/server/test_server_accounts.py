"""Accounts from stored fills: equal to a ledger on paper in whatever order they come."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import fresh, put, rows
from spans import key_values, span

from ares_otel.portfolio.holding import Method
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.api.promised.earnings import EarningsAsked, analytics
from ares_otel.server.query.accounts import BooksAsked, KeptAccounts, kept_accounts
from ares_otel.server.query.console import orders as console
from ares_otel.server.query.execution import ExecutionAsked, execution
from ares_otel.server.query.holdings import AccountsAsked, accounts
from ares_otel.server.query.results import TradesAsked, trades
from ares_otel.server.store import accounting
from ares_otel.server.store.accounting import GRACE, IDLE, Accounting
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader

SECOND = 10**9
START = 1_700_000_000 * SECOND
LATER = START + 10**6 * SECOND


class Deal(NamedTuple):
    """A fill of one order: signed quantity."""

    strategy: str
    symbol: str
    quantity: float
    price: float
    fee: float
    at: int


def told(number: int, deal: Deal, **changed: Any) -> list[Span]:
    """Return the spans of an order and its fill."""
    facts: dict[Any, Any] = {
        a.STRATEGY: deal.strategy,
        a.SYMBOL: deal.symbol,
        a.CLIENT_ID: f"c{number}",
        a.SIDE: "buy" if deal.quantity > 0 else "sell",
        a.CURRENCY: "USD",
        a.VENUE: "paper",
    }
    fill = {
        a.STATUS: "filled",
        a.FILL_QUANTITY: abs(deal.quantity),
        a.CUM_QUANTITY: abs(deal.quantity),
        a.AVG_PRICE: deal.price,
        a.FILL_PRICE: deal.price,
        a.FEE: deal.fee,
        a.EVENT_TIME: deal.at,
    } | changed.pop("fill", {})
    trace, order = (number + 1).to_bytes(16, "big"), facts | {a.QUANTITY: abs(deal.quantity)} | changed.pop("order", {})
    sent = span(s.ORDER_SUBMIT, order, trace=trace, start=deal.at, seconds=0.0)
    update = {key: value for key, value in (facts | fill).items() if value is not None}
    return [sent, span(s.ORDER_UPDATE, update, trace=trace, start=deal.at + 1_000_000, own=b"U" * 8, seconds=0.0)]


def mark(symbol: str, price: float, at: int) -> Span:
    """Return a mark outside of any decision."""
    facts = {a.SYMBOL: symbol, a.MARK_PRICE: price, a.CURRENCY: "USD"}
    return span(s.MARK, facts, trace=at.to_bytes(16, "big"), start=at, seconds=0.0)


def deals(count: int, seed: int) -> list[Deal]:
    """Return fills of two strategies in two symbols, a second apart, often flat."""
    draw = random.Random(seed)  # noqa: S311  a fixed sequence, no secret
    return [
        Deal(
            draw.choice("st"), draw.choice("AB"), draw.choice((-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)) / 10,
            draw.randint(100, 999) / 100, draw.randint(-20, 50) / 1_000, START + number * SECOND,
        )
        for number in range(count)
    ]  # fmt: skip


def same(*values: object) -> tuple[object, ...]:
    """Return values as they compare with anything: a decimal number equals a whole one."""
    return values


def settle(store: Store, chore: Accounting, limit: int = 500) -> None:
    """Do the chore until there is nothing to do."""
    for _ in range(limit):
        if chore(store) == IDLE:
            return
    raise AssertionError("it does not end")


def seen(database: Path, **asked: str) -> KeptAccounts:
    """Return the accounts as a reader sees them."""
    with Reader(database) as reader:
        return kept_accounts(reader, BooksAsked(**asked))


def on_paper(made: Iterable[Deal]) -> tuple[dict[tuple[str, str], Fraction], list[tuple[Any, ...]], Fraction]:
    """Return quantities, trades (strategy, symbol, direction, profit, fees, end) and fees less rebates."""
    open_: dict[tuple[str, str], list[Fraction]] = {}
    trades, fees = [], Fraction(0)
    for deal in sorted(made, key=lambda deal: deal.at):
        place = (deal.strategy, deal.symbol)
        quantity, price, fee = (Fraction(repr(value)) for value in (deal.quantity, deal.price, deal.fee))
        fees += fee
        book = open_.setdefault(place, [Fraction(0)] * 3)
        turns = book[0] * quantity < 0 and abs(quantity) > abs(book[0])
        for part in [-book[0], quantity + book[0]] if turns else [quantity]:
            before = book[0]
            book[0] += part
            book[1] -= part * price
            book[2] += fee * part / quantity
            if not book[0]:
                trades.append((*place, 1 if before > 0 else -1, book[1], book[2], deal.at))
                book[1] = book[2] = Fraction(0)
    return {place: book[0] for place, book in open_.items()}, trades, fees


def compare(database: Path, made: Sequence[Deal]) -> None:
    """Check positions, trades and fees against the ledger on paper."""
    quantities, trades, fees = on_paper(made)
    found = seen(database)
    assert {(each.strategy, each.symbol): Fraction(each.quantity) for each in found.positions} == quantities
    paid = [(each.fees, each.rebates) for each in found.earned]
    assert sum(Fraction(one or 0) - Fraction(other or 0) for one, other in paid) == fees
    query = """SELECT s.value, y.value, direction, pnl, fees, exit_time FROM trade
        JOIN name s ON s.id = strategy JOIN name y ON y.id = symbol ORDER BY exit_time"""
    stored = [
        (*place, round(Fraction(pnl), 12), round(Fraction(cost), 12), at)
        for *place, pnl, cost, at in rows(database, query)
    ]
    assert stored == [(*place, round(pnl, 12), round(cost, 12), at) for *place, pnl, cost, at in trades]


def test_accounts_equal_those_on_paper(tmp_path: Path) -> None:
    """300 fills in one go, in steps of some rows."""
    database, made = fresh(tmp_path), deals(300, 1)
    with closing(Store(database)) as store:
        put(store, [each for number, deal in enumerate(made) for each in told(number, deal)])
        settle(store, Accounting(lambda: LATER))
        compare(database, made)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_order_in_which_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Fills that come late, between steps and over restarts of the server, end in the same accounts."""
    monkeypatch.setattr(accounting, "ROWS", 7)
    database, made = fresh(tmp_path), deals(120, seed)
    draw = random.Random(seed)  # noqa: S311  a fixed sequence, no secret
    order = list(enumerate(made))
    draw.shuffle(order)
    chore = Accounting(lambda: LATER)
    for begin in range(0, len(order), 20):
        with closing(Store(database)) as store:
            put(store, [each for number, deal in order[begin : begin + 20] for each in told(number, deal)])
            for _ in range(draw.randint(0, 12)):
                chore(store)
            if draw.random() < 0.5:
                chore = Accounting(lambda: LATER)
    with closing(Store(database)) as store:
        settle(store, chore)
        compare(database, made)
        assert rows(database, "SELECT data FROM checkpoint WHERE kind = 'accounts.late'") == [(b"[]",)]


def test_what_is_too_new_waits(tmp_path: Path) -> None:
    """What several bots send may meet in any order within the grace."""
    database, made = fresh(tmp_path), deals(1, 1)
    now = START
    chore = Accounting(lambda: now)
    with closing(Store(database)) as store:
        put(store, told(0, made[0]))
        assert chore(store) == IDLE
        assert seen(database) == KeptAccounts(as_of=None, positions=(), earned=(), left_out=0)
        now += GRACE + SECOND
        settle(store, chore)

    assert len(seen(database).positions) == 1


def test_marks_value_positions_and_trades(tmp_path: Path) -> None:
    """Stored marks give unrealized profit, exposure, and the excursions of trades."""
    database = fresh(tmp_path)
    bought = Deal("s", "A", 2.0, 10.0, 0.5, START)
    sold = Deal("s", "A", -1.0, 12.0, 0.0, START + 10 * SECOND)
    with closing(Store(database)) as store:
        put(
            store,
            [
                *told(1, bought, order={a.MULTIPLIER: 5.0}),
                mark("A", 9.0, START + SECOND),
                mark("A", 14.0, START + 5 * SECOND),
            ],
        )
        put(
            store,
            [
                *told(2, sold, order={a.MULTIPLIER: 5.0}),
                *told(3, sold._replace(at=sold.at + SECOND), order={a.MULTIPLIER: 5.0}),
            ],
        )
        put(store, [*told(4, bought._replace(symbol="B", at=LATER - SECOND * 9)), mark("B", 11.0, LATER - 8 * SECOND)])
        settle(store, Accounting(lambda: LATER))

    (trade,) = rows(database, "SELECT direction, quantity, pnl, fees, mae, mfe, entry_price, exit_price FROM trade")
    assert (trade[0], trade[1], *trade[4:]) == (1, 2.0, -10.0, 40.0, 10.0, 12.0)
    assert same(Decimal(trade[2]), Decimal(trade[3])) == (20, Decimal("0.5"))
    (earned,) = seen(database).earned
    assert same(earned.realized, earned.unrealized, earned.fees, earned.gross, earned.net) == (20, 2, 1, 22, 22)
    assert same(earned.net_realized, earned.largest, earned.concentration) == (19, 1.0, 1.0)
    (only,) = seen(database, symbol="B").positions
    assert same(only.quantity, only.avg_price, only.mark, only.notional, only.unrealized, only.fills) == (
        2,
        10.0,
        11,
        22,
        2,
        1,
    )
    assert seen(database, strategy="nobody").positions == ()


def decided(number: int, regime: str, at: int) -> Span:
    """Return the decision of an order that names it."""
    facts = {a.STRATEGY: "s", a.SYMBOL: "A", a.REGIME: regime, a.DECISION_ID: f"d{number}"}
    return span(s.DECISION, facts, trace=(number + 1).to_bytes(16, "big"), own=b"D" * 8, start=at)


def test_trades_are_found_by_where_and_when_they_began(tmp_path: Path) -> None:
    """A trade has the venue of all its fills, or none where they were several, and the regime that it began in."""
    database = fresh(tmp_path)
    venues = ("binance", "binance", "binance", "kraken", "binance", "binance")
    regimes = ("bull_trend", "sideways", "bear_trend", "bear_trend", "", "")
    with closing(Store(database)) as store:
        for number, (venue, regime) in enumerate(zip(venues, regimes, strict=True)):
            quantity = -1.0 if number in {1, 3, 4} else 1.0
            deal = Deal("s", "A", quantity, 10.0, 0.0, START + number * SECOND)
            order = {a.VENUE: venue, a.DECISION_ID: f"d{number}"}
            spans = told(number, deal, order=order, fill={a.VENUE: venue, a.DECISION_ID: f"d{number}"})
            put(store, [*([decided(number, regime, deal.at)] if regime else []), *spans])
        settle(store, Accounting(lambda: LATER))

    def listed(**asked: Any) -> list[tuple[str | None, str | None, int]]:
        with Reader(database) as reader:
            return [(each.venue, each.regime, each.direction) for each in trades(reader, TradesAsked(**asked)).items]

    first, second, third = ("binance", "bull_trend", 1), (None, "bear_trend", 1), ("binance", None, -1)
    assert listed() == [third, second, first]
    assert listed(venue="binance") == [third, first]
    assert listed(regime="bear_trend") == [second]
    assert listed(regime="sideways") == listed(venue="nowhere") == []
    assert (listed(direction="short"), listed(direction="long", venue="binance")) == ([third], [first])


def paid(number: int, amount: float, at: int) -> Span:
    """Return funding of the strategy `s` in `A`."""
    facts = {a.STRATEGY: "s", a.SYMBOL: "A", a.FUNDING: amount, a.FUNDING_KIND: "funding"}
    return span(s.FUNDING, facts, trace=(number + 1_000).to_bytes(16, "big"), start=at, seconds=0.0)


@pytest.mark.parametrize("rows_a_step", [1, 500])
def test_funding_is_booked_with_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_step: int) -> None:
    """It is in the net profit, in its position's currency where it says none; without a symbol it is the strategy's."""
    monkeypatch.setattr(accounting, "ROWS", rows_a_step)
    database = fresh(tmp_path)
    bought = Deal("s", "A", 2.0, 10.0, 0.5, START)
    sold = Deal("s", "A", -2.0, 12.0, 0.0, START + 10 * SECOND)
    with closing(Store(database)) as store:
        put(store, [*told(1, bought), *told(2, sold)])
        put(store, [paid(1, -0.3, START + SECOND), paid(2, 0.1, sold.at + SECOND)])
        put(store, [span(
            s.FUNDING, {a.STRATEGY: "s", a.FUNDING: -1.0, a.CURRENCY: "EUR"}, trace=b"E" * 16, start=START + SECOND,
            seconds=0.0,
        )])  # fmt: skip
        settle(store, Accounting(lambda: LATER))

    found = seen(database)
    sums = {each.currency: (each.funding, each.net_realized) for each in found.earned}
    assert same(*sums["USD"], *sums["EUR"]) == (Decimal("-0.2"), Decimal("3.3"), -1, -1)
    assert [(each.symbol, each.fills) for each in found.positions] == [("A", 2)]
    with Reader(database) as reader:
        (trade,) = trades(reader, TradesAsked()).items
    told_of = same(trade.pnl, trade.fees, trade.funding, trade.net)
    assert told_of == (4, Decimal("0.5"), Decimal("-0.3"), Decimal("3.2"))


def realized(database: Path) -> dict[str | None, tuple[object, ...]]:
    """Return what each strategy has realized, and by which method."""
    return {each.strategy: same(each.realized, each.method) for each in seen(database).positions}


def kept_by(store: Store, method: Method) -> None:
    """Let the accounts settle as a server does that was started with a method."""
    settle(store, Accounting(lambda: LATER, method))


def test_accounts_by_first_in_first_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sale takes the cost of the first fill; another method derives all anew, also after a stop in the middle."""
    monkeypatch.setattr(accounting, "ROWS", 1)
    database, deal = fresh(tmp_path), Deal("s", "A", 2.0, 10.0, 0.0, START)
    with closing(Store(database)) as store:
        for number, owner in enumerate("st"):
            own = deal._replace(strategy=owner, at=START + number * 10 * SECOND)
            second = own._replace(price=20.0, at=own.at + SECOND)
            sold = own._replace(quantity=-1.0, price=30.0, at=own.at + 2 * SECOND)
            for place, one in enumerate((own, second, sold)):
                put(store, told(number * 3 + place, one))
        kept_by(store, Method.AVERAGE)
        average = realized(database)
        begun = Accounting(lambda: LATER, Method.FIFO)
        for _ in range(3):
            begun(store)
        kept_by(store, Method.FIFO)
        fifo = realized(database)
        store.db.execute("DELETE FROM order_update WHERE id = (SELECT min(id) FROM order_update)")
        kept_by(store, Method.AVERAGE)

    assert average == {"s": (15, "average"), "t": (15, "average")}
    assert fifo == {"s": (20, "fifo"), "t": (20, "fifo")}
    assert realized(database) == {"s": (20, "fifo"), "t": (15, "average")}


def test_positions_with_ids_are_kept_apart(tmp_path: Path) -> None:
    """Hedged positions do not net; a flat one leaves its sums, and fees and funding that come later, to the symbol."""
    database, chore = fresh(tmp_path), Accounting(lambda: LATER)
    deal = Deal("s", "A", 2.0, 10.0, 0.0, START)
    long, short = {a.POSITION_ID: "long"}, {a.POSITION_ID: "short"}
    alone = long | {a.FILL_QUANTITY: None, a.STATUS: "new", a.CUM_QUANTITY: None, a.FEE: 0.25}
    of_short = {a.STRATEGY: "s", a.SYMBOL: "A", a.FUNDING: -0.5, a.POSITION_ID: "short"}
    with closing(Store(database)) as store:
        put(store, [*told(1, deal, order=long), *told(2, deal._replace(quantity=-1.0, at=START + SECOND), fill=short)])
        put(store, [span(s.FUNDING, of_short, trace=b"F" * 16, start=START + 2 * SECOND, seconds=0.0)])
        settle(store, chore)
        held = {each.position_id: same(each.quantity, each.fills) for each in seen(database).positions}
        put(store, told(3, deal._replace(quantity=-2.0, price=11.0, at=START + 3 * SECOND), order=long))
        put(store, told(4, deal._replace(at=START + 4 * SECOND), fill=alone))
        settle(store, chore)

    assert held == {"long": same(2, 1), "short": same(-1, 1)}
    found = {each.position_id: same(each.quantity, each.realized, each.fills) for each in seen(database).positions}
    assert found == {"short": same(-1, 0, 1), None: same(0, 2, 2)}
    (earned,) = seen(database).earned
    assert same(earned.funding, earned.fees, earned.realized) == (Decimal("-0.5"), Decimal("0.25"), 2)


@pytest.mark.parametrize("kept", [True, False])
def test_funding_that_comes_late(tmp_path: Path, kept: bool) -> None:  # noqa: FBT001  a parameter
    """It is booked once: accounts are derived anew, or, where the first rows are gone, it counts as of now."""
    database, chore = fresh(tmp_path), Accounting(lambda: LATER)
    deal = Deal("s", "A", 2.0, 10.0, 0.5, START)
    with closing(Store(database)) as store:
        put(store, [*told(1, deal), paid(1, -0.3, START + SECOND), *told(2, deal._replace(at=START + 9 * SECOND))])
        settle(store, chore)
        if not kept:
            store.db.execute("DELETE FROM funding")
        put(store, [paid(2, -0.5, START + 5 * SECOND)])
        settle(store, chore)
        put(store, told(3, deal._replace(at=START + 2 * SECOND)))
        settle(store, chore)
        waiting = rows(
            database,
            "SELECT kind, data FROM checkpoint WHERE kind IN ('accounts.late', 'accounts.late_funding') ORDER BY kind",
        )

    (earned,) = seen(database).earned
    (position,) = seen(database).positions
    assert same(earned.funding, earned.fees, position.quantity) == (Decimal("-0.8"), Decimal("1.5"), 6)
    assert waiting == [("accounts.late", b"[]"), ("accounts.late_funding", b"[]")]


def reported(worth: float, at: int) -> Span:
    """Return equity as the bot says it."""
    facts = {a.STRATEGY: "s", a.CURRENCY: "USD", a.EQUITY: worth, a.EVENT_TIME: at}
    return span(s.EQUITY, facts, trace=at.to_bytes(16, "big"), start=at, seconds=0.0)


def test_leverage_and_turnover_by_the_equity_that_was_reported(tmp_path: Path) -> None:
    """Both are of the newest equity; where it, a mark or the time of the fills is missing, the answer says so."""
    database, chore = fresh(tmp_path), Accounting(lambda: LATER)
    bought = Deal("s", "A", 2.0, 10.0, 0.0, START)
    with closing(Store(database)) as store:
        put(store, told(1, bought))
        settle(store, chore)
        (alone,) = seen(database).earned
        put(store, [reported(50.0, START + SECOND)])
        (once,) = seen(database).earned
        later = bought._replace(at=START + 43_200 * SECOND)
        put(store, [*told(2, later), mark("A", 15.0, later.at + SECOND), reported(40.0, later.at + 2 * SECOND)])
        settle(store, chore)
        (twice,) = seen(database).earned
        put(store, [reported(-1.0, later.at + 3 * SECOND)])
        (broke,) = seen(database).earned

    missing = "no equity is reported"
    assert (alone.equity, alone.leverage, alone.reasons) == (None, None, {"leverage": missing, "turnover": missing})
    assert (once.equity, once.leverage, once.turnover, sorted(once.reasons)) == (
        50,
        None,
        None,
        ["leverage", "turnover"],
    )
    assert (twice.equity, twice.leverage, twice.turnover, twice.reasons) == (40.0, 1.5, 2.0, {})
    assert set(broke.reasons.values()) == {"equity is not above zero"}


def test_margin_that_is_reported(tmp_path: Path) -> None:
    """It is told with the equity that it came with; of all accounts there is one use only if all of them say it."""
    database = fresh(tmp_path)

    def told_of() -> tuple[object, ...]:
        with Reader(database) as reader:
            (first, *_), use = accounts(reader, AccountsAsked()), analytics(reader, EarningsAsked())
            why = use.reasons.get("margin_usage")
            return (first.margin, first.margin_limit, first.margin_use, use.margin_usage, why)

    with closing(Store(database)) as store:
        put(store, [reported(50.0, START)])
        without = told_of()
        with_it = reported(50.0, START + SECOND)
        with_it.attributes.extend(key_values({a.MARGIN: 10.0, a.MARGIN_LIMIT: 40.0}))
        put(store, [with_it])
        once = told_of()
        other = reported(50.0, START + 2 * SECOND)
        next(each for each in other.attributes if each.key == a.STRATEGY.key).value.string_value = "t"
        put(store, [other])

    missing = "no margin and its limit are reported with the equity"
    assert without == (None, None, None, None, missing)
    assert once == (10.0, 40.0, 0.25, 0.25, None)
    assert told_of() == (10.0, 40.0, 0.25, None, missing)


def test_the_time_of_fills_that_was_not_kept_is_not_guessed(tmp_path: Path) -> None:
    """Books of a checkpoint of before times were kept have no turnover, also after further fills."""
    database, chore = fresh(tmp_path), Accounting(lambda: LATER)
    deal = Deal("s", "A", 2.0, 10.0, 0.0, START)
    with closing(Store(database)) as store:
        put(store, [*told(1, deal), reported(50.0, START + SECOND)])
        settle(store, chore)
        ((kept,),) = rows(database, "SELECT data FROM checkpoint WHERE kind = 'accounts'")
        state = json.loads(bytes(kept))
        for book in state["books"]:
            del book["first"], book["last"]
        store.db.execute("UPDATE checkpoint SET data = ? WHERE kind = 'accounts'", (json.dumps(state).encode(),))
        put(store, told(2, deal._replace(at=START + 5 * SECOND)))
        settle(store, Accounting(lambda: LATER))

    (earned,) = seen(database).earned
    assert (earned.turnover, "no time" in earned.reasons["turnover"]) == (None, True)


def test_the_page_and_the_api_say_the_same_of_execution(tmp_path: Path) -> None:
    """Means, intervals and quantiles of the console are those of the API."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        for number in range(9):
            fill = {a.SLIPPAGE: float(number**2), a.SHORTFALL: float(number), a.ACK_DURATION: 0.01 * (number + 1) ** 2}
            put(store, told(number, Deal("s", "A", 2.0, 10.0, 0.0, START + number * SECOND), fill=fill))
    with Reader(database) as reader:
        (said,) = execution(reader, ExecutionAsked())
        shown = console.execution(reader)

    (slippage,), (shortfall,), (answers,) = shown.slippage, shown.shortfall, shown.acknowledged
    assert (slippage.mean, slippage.low, slippage.high) == (said.slippage.value, said.slippage.low, said.slippage.high)
    assert (shortfall.n, shortfall.mean) == (said.shortfall.n, said.shortfall.value)
    assert (answers.p50, answers.p99) == (said.ack_median.value, said.ack_p99.value)


def test_fees_alone_and_fills_that_cannot_be_booked(tmp_path: Path) -> None:
    """A fee without a fill is booked; a fill without side is left out and counted; the average may be the price."""
    database, deal = fresh(tmp_path), Deal("s", "A", 2.0, 10.0, 0.5, START)
    alone = {a.FILL_QUANTITY: None, a.STATUS: "new", a.CUM_QUANTITY: None}
    with closing(Store(database)) as store:
        put(store, [*told(1, deal, fill={a.FILL_PRICE: None}), *told(2, deal._replace(at=START + SECOND), fill=alone)])
        put(store, told(3, deal._replace(at=START + 2 * SECOND), fill={a.SIDE: None}, order={a.SIDE: "none"}))
        settle(store, Accounting(lambda: LATER))

    found = seen(database)
    (position,) = found.positions
    assert same(position.quantity, position.avg_price, position.fees, found.left_out) == (2, 10.0, {"USD": 1}, 1)


def test_a_late_fill_after_the_first_ones_were_pruned(tmp_path: Path) -> None:
    """Nothing can be derived anew from fills that are not kept; the late one is booked as it comes."""
    database, made = fresh(tmp_path), deals(40, 5)
    late, chore = made[20], Accounting(lambda: LATER)
    with closing(Store(database)) as store:
        put(store, [each for number, deal in enumerate(made) if deal is not late for each in told(number, deal)])
        settle(store, chore)
        store.db.execute("DELETE FROM order_update WHERE id < ?", (START + 10 * SECOND,))
        put(store, told(20, late))
        settle(store, chore)

        quantities, _, _ = on_paper(made)
        assert {
            (each.strategy, each.symbol): Fraction(each.quantity) for each in seen(database).positions
        } == quantities


def test_a_step_that_fails_is_done_again(tmp_path: Path) -> None:
    """What was not committed is not remembered either."""
    database, made = fresh(tmp_path), deals(30, 2)
    chore = Accounting(lambda: LATER)
    with closing(Store(database)) as store:
        put(store, [each for number, deal in enumerate(made) for each in told(number, deal)])
        store.db.execute("CREATE TRIGGER stop BEFORE INSERT ON checkpoint BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(sqlite3.DatabaseError, match="no"):
            chore(store)
        store.db.execute("DROP TRIGGER stop")
        settle(store, chore)
        compare(database, made)


def test_quality_of_execution(tmp_path: Path) -> None:
    """Ratios with n and an interval, denied apart from rejected; costs and times by venue."""
    database = fresh(tmp_path)
    statuses = ["filled"] * 6 + ["rejected", "canceled", "denied", "new"]
    with closing(Store(database)) as store:
        for number, status in enumerate(statuses):
            fill: dict[Any, Any] = {a.STATUS: status, a.ACK_DURATION: 0.01 * (number + 1)}
            fill |= (
                {a.SLIPPAGE: float(number), a.SHORTFALL: 2.0}
                if status == "filled"
                else {a.FILL_QUANTITY: None, a.CUM_QUANTITY: None}
            )
            put(store, told(number, Deal("s", "A", 2.0, 10.0, 0.0, START + number * SECOND), fill=fill))
    with Reader(database) as reader:
        (found,) = execution(reader, ExecutionAsked())
        (whole,) = execution(reader, ExecutionAsked(symbol="A", strategy="s", venue="paper"))
        assert execution(reader, ExecutionAsked(symbol="Z")) == ()

    assert (found.venue, found.sent) == ("paper", 9)
    assert (found.filled.value, found.filled.n) == (0.75, 8)
    assert (found.rejected.value, found.rejected.n, found.denied.value, found.denied.n) == (1 / 9, 9, 0.1, 10)
    assert found.filled.low is not None
    assert found.filled.low < 0.75
    assert (found.slippage.value, found.slippage.n, found.shortfall.low, found.shortfall.high) == (2.5, 6, 2.0, 2.0)
    assert same(found.ack_median.value, found.ack_median.n) == (pytest.approx(0.055), 10)
    assert (found.ack_p99.low, found.ack_p99.reason, found.filled_quantity) == (None, None, None)
    assert whole.filled_quantity == 0.75


def test_quality_of_nothing(tmp_path: Path) -> None:
    """An order that nobody has answered: counted, and everything else is absent with its reason."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        put(store, told(1, Deal("s", "A", 2.0, 10.0, 0.0, START))[:1])
    with Reader(database) as reader:
        (found,) = execution(reader, ExecutionAsked())

    assert (found.sent, found.filled.value, found.filled.reason) == (1, None, "no such order")
    assert (found.slippage.value, found.slippage.reason, found.ack_p95.value) == (None, "not measured", None)
