from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_story import metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics, portfolio
from ares_otel.records.model import Equity, Mark, Position

USD = {"strategy": "s", "currency": "USD"}


def position(
    target: Metrics,
    symbol: str = "A",
    quantity: float | None = 1.0,
    notional: float | None = None,
    mark: float | None = None,
    unrealized: float | None = None,
    realized: float | None = None,
    currency: str | None = "USD",
    position_id: str | None = None,
) -> None:
    """Record a position of strategy `s`."""
    record = Position(
        symbol, quantity, notional=notional, mark=mark, unrealized_pnl=unrealized, realized_pnl=realized,
        currency=currency, position_id=position_id,
    )  # fmt: skip
    target.record(noted(record, strategy="s"))


def equity(target: Metrics, amount: float | None, currency: str | None = "USD", realized: float | None = None) -> None:
    """Record the equity of strategy `s`."""
    target.record(noted(Equity(amount, currency=currency, realized_pnl=realized), strategy="s"))


def test_a_position_is_shown_as_it_is_reported() -> None:
    """Quantity and value are signed; value is the reported notional, else quantity times mark."""
    target = metrics()
    position(target, "A", -2.0, notional=-210.0, unrealized=-4.0)
    position(target, "B", 3.0, mark=10.0)

    assert series(target, "ares_position_quantity") == {("s", "A"): -2.0, ("s", "B"): 3.0}
    assert series(target, "ares_position_notional") == {("USD", "s", "A"): -210.0, ("USD", "s", "B"): 30.0}
    assert series(target, "ares_unrealized_pnl") == {("USD", "s", "A"): -4.0}
    assert value(target, "ares_gross_exposure", **USD) == 240.0
    assert value(target, "ares_net_exposure", **USD) == -180.0


def test_exposure_is_unknown_while_one_position_has_no_value() -> None:
    """A position without mark and notional makes the exposure absent; a mark makes it known."""
    target = metrics()
    position(target, "A", 1.0, mark=100.0)
    position(target, "B", 2.0)
    assert value(target, "ares_gross_exposure", **USD) is None
    assert series(target, "ares_position_notional") == {("USD", "s", "A"): 100.0}

    target.record(noted(Mark("B", 50.0)))

    assert value(target, "ares_gross_exposure", **USD) == 200.0


def test_marks_move_value_and_unrealized_profit() -> None:
    """A new mark scales the value (a multiplier stays in it) and moves unrealized profit by the difference."""
    target = metrics()
    position(target, "A", 2.0, notional=2_000.0, mark=100.0, unrealized=50.0)
    target.record(noted(Mark("A", 110.0, currency="USD")))

    assert series(target, "ares_position_notional") == {("USD", "s", "A"): pytest.approx(2_200.0)}
    assert series(target, "ares_unrealized_pnl") == {("USD", "s", "A"): pytest.approx(250.0)}

    target.record(noted(Mark("A", 1.0, currency="EUR")))
    target.record(noted(Mark("A", None)))
    target.record(noted(Mark("Z", 5.0)))
    assert series(target, "ares_position_notional") == {("USD", "s", "A"): pytest.approx(2_200.0)}


def test_notional_without_its_mark_is_left_as_reported() -> None:
    """A mark cannot revalue what was valued at a price that nobody told."""
    target = metrics()
    position(target, "A", 2.0, notional=2_000.0)
    target.record(noted(Mark("A", 110.0)))

    assert series(target, "ares_position_notional") == {("USD", "s", "A"): 2_000.0}


def test_a_later_report_keeps_what_it_does_not_say() -> None:
    """A quantity that is bad or missing leaves the one before; a mark stays good for the new quantity."""
    target = metrics()
    position(target, "A", 1.0, mark=100.0, realized=5.0)
    position(target, "A", None, currency=None)
    assert value(target, "ares_position_quantity", strategy="s", symbol="A") == 1.0

    position(target, "A", 3.0, currency=None)

    assert value(target, "ares_position_notional", **USD, symbol="A") == 300.0
    assert value(target, "ares_realized_pnl", **USD) == 5.0


def test_a_position_that_changes_its_currency_leaves_the_former_one() -> None:
    """Money in the former currency is gone, not stuck: no position is in both."""
    target = metrics()
    position(target, "A", 1.0, notional=100.0, realized=2.0)
    position(target, "A", 1.0, notional=90.0, realized=1.0, currency="EUR")

    assert series(target, "ares_position_notional") == {("EUR", "s", "A"): 90.0}
    assert series(target, "ares_gross_exposure") == {("EUR", "s"): 90.0, ("USD", "s"): 0.0}
    assert series(target, "ares_realized_pnl") == {("EUR", "s"): 1.0}


def test_flat_is_zero_not_unknown() -> None:
    """A position that was closed has no value and no unrealized profit, which is known without any mark."""
    target = metrics()
    position(target, "A", 1.0, mark=100.0, unrealized=5.0)
    position(target, "A", 0.0)

    assert value(target, "ares_position_quantity", strategy="s", symbol="A") == 0.0
    assert value(target, "ares_position_notional", **USD, symbol="A") == 0.0
    assert value(target, "ares_unrealized_pnl", **USD, symbol="A") == 0.0
    assert value(target, "ares_gross_exposure", **USD) == 0.0


def test_positions_with_ids_add_up_and_keep_their_realized_profit_when_closed() -> None:
    """Two positions in one symbol (hedging) are one quantity; a closed one leaves its profit in the sum."""
    target = metrics()
    position(target, "A", 2.0, mark=100.0, realized=3.0, position_id="p1")
    position(target, "A", -0.5, mark=100.0, realized=1.0, position_id="p2")
    assert value(target, "ares_position_quantity", strategy="s", symbol="A") == 1.5
    assert value(target, "ares_gross_exposure", **USD) == 250.0
    assert value(target, "ares_net_exposure", **USD) == 150.0

    position(target, "A", 0.0, realized=7.0, position_id="p1")
    position(target, "A", 0.0, realized=1.5, position_id="p2")
    position(target, "A", 1.0, mark=100.0, realized=0.25, position_id="p3")

    assert value(target, "ares_position_quantity", strategy="s", symbol="A") == 1.0
    assert value(target, "ares_realized_pnl", **USD) == 8.75


def test_realized_profit_of_the_bot_replaces_the_sum_of_positions() -> None:
    """A bot that keeps its own account of realized profit is believed from then on."""
    target = metrics()
    position(target, "A", 1.0, mark=1.0, realized=5.0)
    equity(target, 100.0, realized=4.5)
    position(target, "A", 1.0, mark=1.0, realized=9.0)

    assert value(target, "ares_realized_pnl", **USD) == 4.5


def test_leverage_needs_equity_in_the_same_currency() -> None:
    """Gross exposure in dollars and equity in euros make no ratio; with equity in dollars there is one."""
    target = metrics()
    position(target, "A", 3.0, mark=100.0)
    equity(target, 1_000.0, "EUR")
    assert value(target, "ares_leverage_ratio", strategy="s") is None

    equity(target, 600.0)
    assert value(target, "ares_leverage_ratio", strategy="s") == 0.5

    position(target, "B", 1.0, mark=1.0, currency="EUR")
    assert value(target, "ares_leverage_ratio", strategy="s") is None


def test_margin_use_needs_both_of_one_currency() -> None:
    """Used margin by its limit; without one of the two, or in two currencies, there is none."""
    target = metrics()

    def say(currency: str, used: float | None, limit: float | None) -> float | None:
        record = Equity(100.0, currency=currency, margin=used, margin_limit=limit)
        target.record(noted(record, strategy="s"))
        return value(target, "ares_margin_use_ratio", strategy="s")

    assert say("USD", 30.0, 40.0) == 0.75
    assert say("USD", None, 40.0) is None
    assert say("USD", 30.0, 0.0) is None
    assert say("USD", 0.0, 40.0) == 0.0
    assert say("EUR", 10.0, 40.0) is None
    assert say("EUR", None, None) == 0.0


def test_no_leverage_on_unknown_exposure_or_lost_equity() -> None:
    """Leverage is absent while a value is unknown, and when there is no equity left to divide by."""
    target = metrics()
    equity(target, 100.0)
    position(target, "A", 1.0, mark=50.0)
    assert value(target, "ares_leverage_ratio", strategy="s") == 0.5

    position(target, "B", 1.0)
    assert value(target, "ares_leverage_ratio", strategy="s") is None

    position(target, "B", 0.0)
    equity(target, -5.0)
    assert value(target, "ares_leverage_ratio", strategy="s") is None


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=50))
def test_drawdown_is_measured_from_the_running_peak(curve: list[float]) -> None:
    """Drawdown is 1 - E / max(E), the maximum its largest so far; both absent while the peak is not above zero."""
    target = metrics()
    peaks, deepest = [], 0.0
    for amount in curve:
        equity(target, amount)
        peaks.append(amount)
        peak = max(peaks)
        if peak > 0.0:
            deepest = max(deepest, 1.0 - amount / peak)

    peak = max(curve)
    expected = 1.0 - curve[-1] / peak if peak > 0.0 else None
    assert value(target, "ares_drawdown_ratio", strategy="s") == expected
    assert value(target, "ares_max_drawdown_ratio", strategy="s") == (None if expected is None else deepest)
    assert value(target, "ares_equity", **USD) == curve[-1]


def test_drawdown_of_two_currencies_is_not_one_number() -> None:
    """The ratio has no currency label, so a second currency makes it absent."""
    target = metrics()
    equity(target, 100.0)
    equity(target, 90.0)
    assert value(target, "ares_drawdown_ratio", strategy="s") == pytest.approx(0.1)

    equity(target, 50.0, "EUR")

    assert value(target, "ares_drawdown_ratio", strategy="s") is None
    assert value(target, "ares_max_drawdown_ratio", strategy="s") is None


def test_equity_that_is_unknown_or_of_a_strategy_too_many_is_left_out() -> None:
    """A bad value shows nothing; strategies beyond the limit have no gauges that would mix them."""
    target = metrics()
    equity(target, None)
    for number in range(60):
        target.record(noted(Equity(1.0), strategy=f"s{number}"))

    assert len(series(target, "ares_equity")) == 50


def test_positions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the exposure is said to be unknown, and the rest goes on."""
    monkeypatch.setattr(portfolio, "POSITIONS_LIMIT", 2)
    target = metrics()
    for symbol in ("A", "B", "C"):
        position(target, symbol, 1.0, mark=10.0)

    assert GUARD.counts() == {"metrics.portfolio": 1}
    assert value(target, "ares_gross_exposure", **USD) is None
    assert len(series(target, "ares_position_quantity")) == 2
