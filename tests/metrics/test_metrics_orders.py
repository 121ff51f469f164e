from __future__ import annotations

import math

import pytest
from metrics_story import TRACE, metrics, series, value

from ares_otel.metrics import Metrics
from ares_otel.records.facts import OrderFacts, Origin, UpdateFacts
from ares_otel.records.model import Order, OrderUpdate
from ares_otel.semconv.enums import Liquidity, OrderStatus, OrderType, RejectReason, Side

ORIGIN = Origin(strategy="s", symbol="A", venue="v", exemplar=TRACE)
ORDER = Order("c1", Side.BUY, OrderType.LIMIT, quantity=1.0, price=100.0, currency="USD", arrival_mid=100.0)
S, V = {"strategy": "s"}, {"venue": "v"}


def filled(
    target: Metrics,
    quantity: float = 0.5,
    price: float | None = 100.5,
    fee: float | None = None,
    fee_currency: str | None = None,
    order: Order | None = ORDER,
    cum_quantity: float | None = None,
    avg_price: float | None = None,
) -> None:
    """Apply a fill of the order."""
    update = OrderUpdate(
        "c1", OrderStatus.FILLED, quantity=quantity, price=price, fee=fee, fee_currency=fee_currency,
        liquidity=Liquidity.TAKER,
    )  # fmt: skip
    facts = UpdateFacts(
        update, ORIGIN, order, fill_quantity=quantity, cum_quantity=cum_quantity, avg_price=avg_price, done=True
    )
    target.update(facts)


def test_a_first_order_makes_statuses_and_reasons_start_at_zero() -> None:
    """With the first order of a strategy, symbol and venue all its updates and rejections are shown as zero."""
    target = metrics()
    target.order(OrderFacts(ORDER, ORIGIN, tick_to_order=0.002))

    assert series(target, "ares_orders_submitted_total") == {("buy", "limit", "s", "A", "v"): 1.0}
    assert series(target, "ares_order_updates_total") == {(status, "s", "A", "v"): 0.0 for status in OrderStatus}
    assert series(target, "ares_order_rejections_total") == {(reason, "s", "v"): 0.0 for reason in RejectReason}
    for name in ("invalid_transitions", "duplicate_updates", "unknown_updates"):
        assert value(target, f"ares_order_{name}_total", **V) == 0.0
    assert value(target, "ares_clock_negative_latency_total", where="order_update") == 0.0
    assert value(target, "ares_tick_to_order_seconds_count", **S) == 1.0


def test_names_of_the_order_go_before_those_of_its_origin() -> None:
    """An order routed to another venue than its decision is counted where it went."""
    target = metrics()
    order = Order("c2", Side.SELL, OrderType.MARKET, symbol="B", strategy="t", venue="w")
    target.order(OrderFacts(order, ORIGIN))
    target.update(UpdateFacts(OrderUpdate("c2", OrderStatus.NEW), ORIGIN, order, ack_seconds=0.01))

    assert series(target, "ares_orders_submitted_total") == {("sell", "market", "t", "B", "w"): 1.0}
    assert series(target, "ares_order_updates_total")["new", "t", "B", "w"] == 1.0
    assert value(target, "ares_order_ack_duration_seconds_count", venue="w", order_type="market") == 1.0


def test_updates_by_status_with_their_times() -> None:
    """Acknowledgement and fill are timed by venue and order type, with exemplars."""
    target = metrics()
    target.update(UpdateFacts(OrderUpdate("c1", OrderStatus.NEW), ORIGIN, ORDER, ack_seconds=0.03))
    target.update(
        UpdateFacts(
            OrderUpdate("c1", OrderStatus.FILLED, quantity=1.0, price=100.0),
            ORIGIN,
            ORDER,
            fill_quantity=1.0,
            fill_seconds=2.0,
            negative_latency=True,
        )
    )

    assert series(target, "ares_order_updates_total")["new", "s", "A", "v"] == 1.0
    assert series(target, "ares_order_updates_total")["filled", "s", "A", "v"] == 1.0
    assert value(target, "ares_order_ack_duration_seconds_sum", venue="v", order_type="limit") == 0.03
    assert value(target, "ares_order_fill_duration_seconds_sum", venue="v", order_type="limit") == 2.0
    assert value(target, "ares_clock_negative_latency_total", where="order_update") == 1.0
    assert target.render().count(TRACE.encode()) == 3


def test_a_duplicate_is_counted_and_changes_nothing_else() -> None:
    """An update that was seen before adds neither to the counts by status nor to any money."""
    target = metrics()
    update = OrderUpdate("c1", OrderStatus.FILLED, quantity=1.0, price=100.0, fee=0.1)
    target.update(UpdateFacts(update, ORIGIN, ORDER, fill_quantity=1.0, duplicate=True))

    assert value(target, "ares_order_duplicate_updates_total", **V) == 1.0
    assert series(target, "ares_order_updates_total") == {}
    assert series(target, "ares_filled_notional_total") == {}
    assert series(target, "ares_fees_total") == {}


def test_unknown_orders_and_illegal_transitions_are_counted_beside_their_status() -> None:
    """Nothing is lost: the update counts by status, and as what is odd about it; a fill's money counts, too."""
    target = metrics()
    target.update(UpdateFacts(OrderUpdate("c9", OrderStatus.CANCELED), Origin(venue="v")))
    target.update(UpdateFacts(OrderUpdate("c1", OrderStatus.NEW), ORIGIN, ORDER, valid=False))
    filled(target, 2.0, 10.0, order=None)

    assert value(target, "ares_order_unknown_updates_total", **V) == 2.0
    assert value(target, "ares_order_invalid_transitions_total", **V) == 1.0
    updates = series(target, "ares_order_updates_total")
    assert updates["canceled", "", "", "v"] == 1.0
    assert updates["new", "s", "A", "v"] == 1.0
    assert series(target, "ares_filled_notional_total") == {("", "taker", "", "s", "A"): 20.0}


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.DENIED])
@pytest.mark.parametrize(("reason", "label"), [(RejectReason.PRICE_BAND, "price_band"), (None, "other")])
def test_rejections_by_reason(status: OrderStatus, reason: RejectReason | None, label: str) -> None:
    """Refusals by the venue and denials by the bot are counted by reason; without one it is `other`."""
    target = metrics()
    target.update(UpdateFacts(OrderUpdate("c1", status, reject_reason=reason), ORIGIN, ORDER, done=True))

    assert value(target, "ares_order_rejections_total", **S, **V, order_reject_reason=label) == 1.0
    assert sum(series(target, "ares_order_rejections_total").values()) == 1.0


def test_fees_and_rebates_are_kept_apart() -> None:
    """A negative fee is a rebate; a first fee makes the other side of the account known: zero."""
    target = metrics()
    filled(target, fee=0.25)
    assert value(target, "ares_rebates_total", **S, **V, currency="USD") == 0.0

    filled(target, fee=-0.125)
    filled(target, fee=0.001, fee_currency="BNB")

    assert series(target, "ares_fees_total") == {("BNB", "s", "v"): 0.001, ("USD", "s", "v"): 0.25}
    assert series(target, "ares_rebates_total") == {("BNB", "s", "v"): 0.0, ("USD", "s", "v"): 0.125}


def test_sums_of_money_are_those_of_the_bots_own_list() -> None:
    """10,000 fees and fills agree with the exact sums of the list, to the last printed digit."""
    target = metrics()
    fees = [number * 0.0001 + 0.1 for number in range(10_000)]
    for fee in fees:
        filled(target, 0.1, 100.0 + fee, fee=fee)

    assert value(target, "ares_fees_total", **S, **V, currency="USD") == math.fsum(fees)
    assert series(target, "ares_filled_notional_total") == {
        ("USD", "taker", "buy", "s", "A"): math.fsum(0.1 * (100.0 + fee) for fee in fees)
    }
    assert f"}} {math.fsum(fees)}\n" in target.render(openmetrics=False).decode()


@pytest.mark.parametrize(
    ("price", "cum_quantity", "avg_price", "expected"),
    [(None, 0.5, 100.0, 50.0), (None, 1.0, 100.0, None), (None, 0.5, None, None), (90.0, 1.0, 100.0, 45.0)],
)
def test_price_of_a_fill(
    price: float | None, cum_quantity: float, avg_price: float | None, expected: float | None
) -> None:
    """Without a price of its own a fill has the average price as long as it is the only one, else it is unknown."""
    target = metrics()
    filled(target, price=price, cum_quantity=cum_quantity, avg_price=avg_price)

    notional = series(target, "ares_filled_notional_total")
    assert notional == ({} if expected is None else {("USD", "taker", "buy", "s", "A"): expected})


def test_slippage_and_shortfall_have_size_direction_and_signed_cost() -> None:
    """Signed quantities are sizes with a direction; their signed sum is a gauge that goes down, too."""
    target = metrics()
    for bps, cost in ((2.5, 0.25), (-4.0, -0.5), (0.0, 0.0)):
        update = OrderUpdate("c1", OrderStatus.FILLED)
        facts = UpdateFacts(
            update, ORIGIN, ORDER, slippage_bps=bps, slippage_cost=cost, shortfall_bps=2 * bps, done=True
        )
        target.update(facts)

    counts = series(target, "ares_slippage_bps_count")
    assert counts == {("adverse", "s", "v"): 1.0, ("favorable", "s", "v"): 2.0}
    assert value(target, "ares_slippage_bps_sum", **S, **V, direction="favorable") == 4.0
    assert value(target, "ares_implementation_shortfall_bps_sum", **S, **V, direction="adverse") == 5.0
    assert value(target, "ares_slippage_cost", **S, currency="USD") == -0.25
