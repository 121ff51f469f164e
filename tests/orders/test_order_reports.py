from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from orders_kit import ORIGIN, SECOND, WALL, decimal, known, opened, order, plain, sent, told, update

from ares_otel.guard import GUARD
from ares_otel.orders import is_legal, make_client_id
from ares_otel.orders.known import FILLS, SIGNATURES
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.semconv.enums import OrderStatus


def test_an_update_joins_its_order() -> None:
    """A report has the origin of its order, whose span is the submit span, and the order as it was sent."""
    with opened(None) as ledger:
        given = sent(ledger)
        facts = ledger.update(update("new"), 2 * SECOND, WALL, Origin(trace_id=9, span_id=9))

    assert facts == UpdateFacts(
        update=update("new"),
        origin=ORIGIN,
        order=given,
        cum_quantity=0.0,
        leaves_quantity=10.0,
        ack_seconds=1.0,
    )


def test_the_life_of_an_order() -> None:
    """Acceptance, two fills: states, sums, latencies and costs of the whole order."""
    with opened(None) as ledger:
        sent(ledger, quantity=4)
        facts = [
            told(ledger, "new", at=1.25),
            told(ledger, "partially_filled", at=2, quantity=1, price=101, fee=0.1, trade_id="a"),
            told(ledger, "filled", at=3, quantity=3, price=102, fee=0.3, fee_currency="USDT", trade_id="b"),
        ]

    assert [each.prior for each in facts] == [None, "new", "partially_filled"]
    assert [each.done for each in facts] == [False, False, True]
    assert [each.ack_seconds for each in facts] == [0.25, None, None]
    assert [each.fill_seconds for each in facts] == [None, None, 2.0]
    assert [each.cum_quantity for each in facts] == [0, 1, 4]
    assert [each.leaves_quantity for each in facts] == [4, 3, 0]
    assert [each.avg_price for each in facts] == [None, 101, 101.75]
    assert [each.slippage_cost for each in facts] == [None, 1, 6]
    assert [each.slippage_bps for each in facts] == [None, None, 175]
    assert [each.shortfall_bps for each in facts] == [None, None, 185]
    assert all(each.valid and not each.duplicate and not each.negative_latency for each in facts)


STATES = (None, *OrderStatus)


@pytest.mark.parametrize(("prior", "status"), list(product(STATES, OrderStatus)))
def test_states_move_by_the_table(prior: OrderStatus | None, status: OrderStatus) -> None:
    """A legal report moves the order to its state; any other is kept, marked invalid, and moves nothing."""
    with opened(None) as ledger:
        sent(ledger)
        if prior is OrderStatus.DONE_FOR_DAY:
            told(ledger, "new")
        if prior is not None:
            told(ledger, prior, event_time=WALL)
        facts = told(ledger, status, event_time=WALL + 1)
        after = known(ledger).status
    legal = is_legal(prior, status)

    assert (facts.prior, facts.valid, facts.duplicate) == (prior, legal, False)
    assert after == (status if legal else prior)


@pytest.mark.parametrize(
    "status", ["new", "rejected", "partially_filled", "canceled", "expired", "suspended", "filled"]
)
def test_any_first_answer_acknowledges(status: str) -> None:
    """The first report that comes from the venue is the acknowledgement, and no later one is."""
    with opened(None) as ledger:
        sent(ledger)
        notes = [told(ledger, "pending_new"), told(ledger, "pending_cancel")]
        facts = [told(ledger, status, at=3, event_time=WALL + number) for number in range(2)]

    assert [each.ack_seconds for each in (*notes, *facts)] == [None, None, 2.0, None]


def test_a_fill_is_an_answer_in_any_state() -> None:
    """A fill that is reported while the cancel is pending shows that the venue has the order."""
    with opened(None) as ledger:
        sent(ledger)
        facts = told(ledger, "pending_cancel", quantity=1, price=100)

    assert (facts.ack_seconds, facts.fill_quantity) == (1.0, 1.0)


def test_a_denied_order_was_never_sent() -> None:
    """The bot's own refusal is no answer of the venue, ends the order, and has no shortfall."""
    with opened(None) as ledger:
        sent(ledger)
        ledger.mark("ETHUSDT", 120.0)
        facts = told(ledger, "denied", reject_reason="exceeds_limit")

    assert (facts.ack_seconds, facts.done, facts.leaves_quantity, facts.shortfall_bps) == (None, True, 0.0, None)


def test_other_processes_are_timed_by_the_wall_clock() -> None:
    """A monotonic clock is compared within one process; a child is another one."""
    with opened(None) as ledger:
        sent(ledger)
        sent(ledger, "c2")
        ledger.after_fork("child")
        facts = ledger.update(update("filled"), 50 * SECOND, WALL + 3 * SECOND)
        back = ledger.update(update("new", "c2"), 50 * SECOND, WALL - 1)

    assert (facts.ack_seconds, facts.fill_seconds, facts.negative_latency) == (3.0, 3.0, False)
    assert (back.ack_seconds, back.negative_latency) == (0.0, True)


def test_latency_is_never_negative() -> None:
    """An answer that is older than the order, by the monotonic clock, took no time and is marked."""
    with opened(None) as ledger:
        sent(ledger)
        facts = told(ledger, "filled", at=0.5)
        later = told(ledger, "filled", at=0.5, event_time=WALL)

    assert (facts.ack_seconds, facts.fill_seconds, facts.negative_latency) == (0.0, 0.0, True)
    assert later.negative_latency is False


@pytest.mark.parametrize(
    "fields",
    [
        {"trade_id": "t1", "quantity": 1, "price": 100, "fee": 0.1},
        {"cum_quantity": 1, "avg_price": 100, "event_time": WALL},
        {"cum_quantity": 1, "avg_price": 100},
        {"quantity": 1, "price": 100, "event_time": WALL},
    ],
)
def test_duplicates_change_no_sum(fields: dict[str, Any]) -> None:
    """The same fill id, or the same content, is a duplicate: counted by nobody twice, and not invalid."""
    with opened(None) as ledger:
        sent(ledger)
        first = told(ledger, "partially_filled", **fields)
        sums = known(ledger).sums
        again = told(ledger, "partially_filled", at=3, **fields)
        after = known(ledger).sums

    assert (first.duplicate, first.fill_quantity) == (False, 1.0)
    assert (again.duplicate, again.valid) == (True, True)
    assert (again.fill_quantity, again.cum_quantity, again.slippage_cost) == (None, 1.0, None)
    assert after == sums


def test_a_known_fill_may_still_end_the_order() -> None:
    """A state that comes with a fill that was reported before is news; the fill and its fee are not."""
    with opened(None) as ledger:
        sent(ledger, quantity=1)
        told(ledger, "partially_filled", trade_id="t", quantity=1, price=101, fee=0.1)
        facts = told(ledger, "filled", at=3, trade_id="t", quantity=1, price=101, fee=0.1)
        again = told(ledger, "filled", at=4, trade_id="t", quantity=1, price=101, fee=0.1)
        fees = known(ledger).sums.fees

    assert (facts.duplicate, facts.valid, facts.fill_quantity, facts.done) == (False, True, None, True)
    assert (facts.fill_seconds, facts.slippage_bps, facts.update.fee) == (2.0, 100.0, None)
    assert (again.duplicate, again.fill_seconds, again.slippage_bps) == (True, None, None)
    assert fees == decimal(0.1)


def test_a_report_that_is_delivered_again_moves_nothing() -> None:
    """The very same report, by fill id or time, does not take a pending cancel back."""
    for fields in ({"trade_id": "t", "quantity": 1, "price": 101}, {"event_time": WALL}):
        with opened(None) as ledger:
            sent(ledger)
            told(ledger, "partially_filled", **fields)
            told(ledger, "pending_cancel")
            facts = told(ledger, "partially_filled", **fields)

            assert (facts.duplicate, facts.valid) == (True, True)
            assert known(ledger).status == OrderStatus.PENDING_CANCEL


def test_a_state_without_a_time_may_come_back() -> None:
    """When a cancel is refused the order is `new` again; without a time that looks like before, but is news."""
    with opened(None) as ledger:
        sent(ledger)
        facts = [told(ledger, status) for status in ("new", "pending_cancel", "new", "new")]
        after = known(ledger)

    assert [each.duplicate for each in facts] == [False, False, False, True]
    assert after.status == OrderStatus.NEW


def test_a_fee_in_another_currency_is_handed_on() -> None:
    """What is not part of our sums is still part of the report."""
    with opened(None) as ledger:
        sent(ledger)

        assert told(ledger, "filled", fee=0.01, fee_currency="BNB").update.fee == 0.01


def test_polling_repeats_the_state() -> None:
    """A poll that finds nothing new is a duplicate; one with a new time is a valid repetition."""
    with opened(None) as ledger:
        sent(ledger)
        facts = [told(ledger, "new", event_time=WALL + number // 2) for number in range(4)]

    assert [each.duplicate for each in facts] == [False, True, False, True]
    assert all(each.valid for each in facts)


def test_late_reports_are_kept_but_move_nothing() -> None:
    """`new` after `filled`, and a smaller total, are marked invalid; state and sums stay."""
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, "partially_filled", cum_quantity=5, avg_price=100)
        less = told(ledger, "partially_filled", cum_quantity=3, avg_price=100)
        pending = told(ledger, "pending_cancel", cum_quantity=0)
        told(ledger, "filled", cum_quantity=10, avg_price=100)
        late = told(ledger, "new", cum_quantity=0)
        after = known(ledger)

    assert [each.valid for each in (less, pending, late)] == [False] * 3
    assert [each.cum_quantity for each in (less, pending, late)] == [5, 5, 10]
    assert (late.prior, late.done, late.ack_seconds) == ("filled", True, None)
    assert plain(after.status, after.sums.quantity) == ("filled", 10)


def test_an_end_is_believed() -> None:
    """A cancel whose total was left at zero ends the order, but takes no fill away and is marked."""
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, "partially_filled", quantity=4, price=101)
        facts = told(ledger, "canceled", cum_quantity=0)

    assert (facts.valid, facts.done, facts.cum_quantity, facts.leaves_quantity) == (False, True, 4.0, 0.0)
    assert facts.slippage_bps == 100


def test_a_fill_while_the_cancel_is_pending_is_legal() -> None:
    """Matrix B.1.b: executions occur while the cancel request is active."""
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, "new")
        told(ledger, "pending_cancel")
        fill = told(ledger, "partially_filled", quantity=4, price=100)
        end = told(ledger, "canceled")

    assert (fill.valid, fill.fill_quantity, end.valid, end.prior) == (True, 4.0, True, "partially_filled")


@pytest.mark.parametrize("status", ["partially_filled", "filled", "canceled"])
def test_a_fill_after_the_end_counts(status: str) -> None:
    """The race of a fill with a cancel: an illegal transition, but the position has changed, so the sums do."""
    with opened(None) as ledger:
        sent(ledger)
        end = told(ledger, "canceled")
        fill = told(ledger, status, quantity=4, price=101, trade_id="t")
        after = known(ledger)

    assert (fill.valid, fill.fill_quantity, fill.cum_quantity, fill.done) == (False, 4.0, 4.0, True)
    assert plain(after.status, after.sums.quantity) == ("canceled", 4)
    assert (end.slippage_bps, fill.slippage_bps, fill.slippage_cost) == (None, 100, 4)


def test_slippage_of_an_order_is_stated_once() -> None:
    """It comes with the end, not again with a fill after it: an order is one observation."""
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, "partially_filled", quantity=4, price=101)
        end = told(ledger, "canceled")
        fill = told(ledger, "partially_filled", quantity=4, price=101)

    assert (end.slippage_bps, fill.slippage_bps, fill.slippage_cost) == (100, None, 4)


def test_filled_with_less_than_ordered_is_kept() -> None:
    """`filled` is what the venue says; the missing quantity is not made up."""
    with opened(None) as ledger:
        sent(ledger)
        facts = told(ledger, "filled", quantity=4, price=101)

    assert (facts.valid, facts.done, facts.cum_quantity, facts.leaves_quantity) == (True, True, 4.0, 0.0)
    assert facts.shortfall_bps is None


def test_a_day_order_ends_with_its_day() -> None:
    """`done_for_day` ends a day order, with its costs, and no other."""
    with opened(None) as ledger:
        sent(ledger, time_in_force="day")
        sent(ledger, "c2", time_in_force="gtc")
        for client_id in ("c1", "c2"):
            told(ledger, "partially_filled", client_id, quantity=4, price=101)
        ends = [told(ledger, "done_for_day", client_id) for client_id in ("c1", "c2")]

    assert [(each.done, each.leaves_quantity, each.slippage_bps) for each in ends] == [(True, 0, 100), (False, 6, None)]


def test_an_unknown_state_moves_nothing() -> None:
    """A report whose state was bad still tells its fill."""
    with opened(None) as ledger:
        sent(ledger)
        facts = told(ledger, "no such state", quantity=4, price=101)
        after = known(ledger)

    assert (facts.valid, facts.fill_quantity, after.status, after.acked) == (True, 4.0, None, True)


def test_unknown_orders_keep_the_callers_context() -> None:
    """Nobody knows the order: no order, no state before, any first state, and figures as far as they were told."""
    here = Origin(trace_id=7, span_id=8)
    with opened(None) as ledger:
        first = ledger.update(update("done_for_day", cum_quantity=5, avg_price=100), 1, WALL, here)
        second = ledger.update(update("partially_filled", quantity=1, price=106), 2, WALL, here)
        again = ledger.update(update("new", quantity=1, price=106, event_time=WALL), 2, WALL, here)
        bare = ledger.update(update("new", "other"), 1, WALL)

    assert (first.origin, first.order, first.prior, first.valid) == (here, None, None, True)
    assert (first.fill_quantity, first.cum_quantity, first.avg_price, first.leaves_quantity) == (None, 5.0, 100.0, None)
    assert (second.fill_quantity, second.cum_quantity, second.avg_price) == (1.0, 6.0, 101.0)
    assert (again.valid, again.prior, again.fill_quantity) == (False, None, 1.0)
    assert (bare.cum_quantity, bare.ack_seconds, bare.slippage_cost) == (None, None, None)


def test_unknown_orders_join_the_trace_in_their_client_id() -> None:
    """A client id that carries a trace id is enough to find the trace; in that very trace the context is better."""
    client_id = make_client_id(ORIGIN.trace_id, 1)
    with opened(None) as ledger:
        lost = ledger.update(update("new", client_id), 1, WALL, Origin(trace_id=7, span_id=8, correlation_id="x"))
        inside = ledger.update(update("new", client_id), 1, WALL, ORIGIN)

    assert lost.origin == Origin(trace_id=ORIGIN.trace_id, exemplar=f"{ORIGIN.trace_id:032x}")
    assert inside.origin == ORIGIN


def test_reports_that_overtake_their_order_count() -> None:
    """A report may be recorded before the order is; what it said holds when the order comes."""
    with opened(None) as ledger:
        early = told(ledger, "partially_filled", quantity=4, price=100, trade_id="t")
        sent(ledger)
        again = told(ledger, "partially_filled", quantity=4, price=100, trade_id="t")
        late = told(ledger, "filled", quantity=6, price=100)

    assert (early.order, early.fill_quantity) == (None, 4.0)
    assert (again.duplicate, again.prior, again.origin) == (True, "partially_filled", ORIGIN)
    assert (late.cum_quantity, late.ack_seconds, late.fill_seconds) == (10.0, None, 1.0)


def test_an_order_that_ended_before_it_was_recorded_is_not_open() -> None:
    """A market order may be filled before the bot has come to record it."""
    with opened(None) as ledger:
        told(ledger, "filled", quantity=10, price=100)
        sent(ledger)

        assert set(ledger.open_orders().values()) <= {0}


def test_sending_again_changes_nothing() -> None:
    """The same order of the same trace, still open: the venue knows it, and so do we."""
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, "partially_filled", quantity=4, price=100)
        ledger.submit(order(), ORIGIN, 9 * SECOND, WALL + 8 * SECOND, 50.0)
        facts = told(ledger, "filled", quantity=6, price=100, at=3)

    assert (facts.cum_quantity, facts.fill_seconds, facts.shortfall_bps) == (10.0, 2.0, 0.0)
    assert GUARD.counts() == {}


@pytest.mark.parametrize(("status", "trace", "complaints"), [("filled", 0, 0), ("new", 1, 1), ("filled", 1, 0)])
def test_a_client_id_that_is_used_again_is_a_new_order(status: str, trace: int, complaints: int) -> None:
    """After the end, or from another trace, the id means another order; one that was open is complained of."""
    origin = Origin(trace_id=ORIGIN.trace_id + trace, span_id=3)
    with opened(None) as ledger:
        sent(ledger)
        told(ledger, status, quantity=1, price=100)
        ledger.submit(order(quantity=2), origin, 5 * SECOND, WALL)
        facts = told(ledger, "new", at=6)

    assert (facts.origin, facts.prior, facts.cum_quantity, facts.leaves_quantity) == (origin, None, 0.0, 2.0)
    assert GUARD.counts().get("orders.ledger", 0) == complaints


def test_memory_of_an_order_is_bounded() -> None:
    """Only so many fill ids and contents of reports are remembered for one order."""
    with opened(None) as ledger:
        sent(ledger, quantity=FILLS * 2)
        for number in range(FILLS + 5):
            told(ledger, "partially_filled", quantity=1, price=100, trade_id=f"t{number}")
        for number in range(SIGNATURES + 5):
            told(ledger, "partially_filled", event_time=WALL + number)
        last = told(ledger, "partially_filled", quantity=1, price=100, trade_id=f"t{FILLS + 4}")
        first = told(ledger, "partially_filled", quantity=1, price=100, trade_id="t0")
        found = known(ledger)

    assert (len(found.fills), len(found.signatures)) == (FILLS, SIGNATURES)
    assert (last.duplicate, first.duplicate) == (True, False)
    assert found.sums.quantity == FILLS + 6


def test_text_that_is_no_unicode() -> None:
    """Ids with lone surrogates are ids like others."""
    with opened(None) as ledger:
        sent(ledger, "c\ud800")
        facts = [told(ledger, "new", "c\ud800", trade_id="t\udfff") for _ in range(2)]

    assert [each.duplicate for each in facts] == [False, True]
    assert facts[0].origin == ORIGIN


def test_costs_of_the_fills_add_up() -> None:
    """The signed costs of single fills are those of the whole order, corrections by average prices included."""
    with opened(None) as ledger:
        sent(ledger, side="sell", arrival_mid=100.1)
        facts = [
            told(ledger, "partially_filled", quantity=1, price=99.9, cum_quantity=1),
            told(ledger, "partially_filled", cum_quantity=3, avg_price=100.3),
            told(ledger, "partially_filled", quantity=2, cum_quantity=5),
            told(ledger, "partially_filled", cum_quantity=5, avg_price=100.7),
            told(ledger, "filled", quantity=5, price=98.7, cum_quantity=10),
        ]
    costs = [each.slippage_cost for each in facts]

    assert [each.avg_price for each in facts] == [99.9, 100.3, None, 100.7, 99.7]
    assert costs[2] is None
    assert sum(map(decimal, costs)) == -(decimal(99.7) - decimal(100.1)) * 10
