"""Strategies: when they open, what they send, how they get out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from demo_samples import order, regime, situation, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.strategy import Draft, Plan, Reversion, Strategy, Swing, Working

SWING = Swing(name="swing", horizon=5, threshold=0.6, max_weight=0.5)
REVERSION = Reversion(name="reversion", horizon=2, threshold=0.6, max_weight=0.5)
LONG = {"position": Decimal(50), "entry_price": Decimal(99), "held": 1}
SHORT = {"position": Decimal(-50), "entry_price": Decimal(101), "held": 1}
SELL = {"verdict": verdict("sell"), "stretch": 2.0}
RESTING = (Working(order(client_id="tp"), "take_profit"),)


def only(plan: Plan) -> Draft:
    """Return the one order of a plan."""
    (draft,) = plan.drafts
    return draft


def test_swing_opens_at_the_market() -> None:
    """A buy opens long with half the equity, a sell opens short with half of that; the reason is the vote's."""
    long, short = SWING.plan(situation()), SWING.plan(situation(**SELL))

    assert only(long) == Draft("buy", "market", Decimal(50), None, "day", "open")
    assert only(short) == Draft("sell_short", "market", Decimal(25), None, "day", "open")
    assert (long.action, short.action) == ("buy", "sell")
    assert long.reason == "weighted vote for buy"
    assert [step.passed for step in long.path] == [True] * 4


def test_reversion_lies_in_wait() -> None:
    """A buy waits half a day's volatility below the price, a short sale as far above it."""
    long, short = REVERSION.plan(situation()), REVERSION.plan(situation(**SELL))

    assert only(long) == Draft("buy", "limit", Decimal(50), Decimal("99.50"), "day", "open")
    assert only(short) == Draft("sell_short", "limit", Decimal(25), Decimal("100.50"), "day", "open")


@pytest.mark.parametrize("strategy", [SWING, REVERSION])
@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"verdict": verdict("hold")}, "vote"),
        ({"verdict": verdict("buy", tilt=0.01)}, "edge_bp"),
        ({"verdict": verdict("buy", tilt=-0.5)}, "edge_bp"),
        ({"verdict": verdict("sell", tilt=0.5)}, "edge_bp"),
        ({"volatility": 0.0001}, "edge_bp"),
        ({"free": 0.0}, "size"),
        ({"equity": Decimal("0.5")}, "size"),
    ],
)
def test_gates_of_both(strategy: Strategy, changes: dict[str, Any], gate: str) -> None:
    """What fails is named in the reason and in the path, and nothing is sent."""
    plan = strategy.plan(situation(**changes))

    assert (plan.action, plan.drafts) == ("hold", ())
    assert next(step.step for step in plan.path if not step.passed) == gate
    assert plan.reason.endswith(f"stopped by {gate}")


@pytest.mark.parametrize(
    ("strategy", "changes", "gate"),
    [
        (SWING, {"regime": regime("bear_trend")}, "trend_against"),
        (SWING, SELL | {"regime": regime("bull_trend")}, "trend_against"),
        (REVERSION, {"regime": regime("breakout")}, "breakout"),
        (REVERSION, {"stretch": -0.9}, "stretch"),
        (REVERSION, {"stretch": 2.0}, "stretch"),
        (REVERSION, SELL | {"stretch": -2.0}, "stretch"),
        (SWING, {"regime": regime("bull_trend")}, None),
        (REVERSION, {"regime": regime("bear_trend")}, None),
    ],
)
def test_gates_of_one(strategy: Strategy, changes: dict[str, Any], gate: str | None) -> None:
    """Swing does not trade against a trend; reversion waits for a stretch and keeps out of breakouts."""
    failing = [step.step for step in strategy.plan(situation(**changes)).path if not step.passed]

    assert failing == ([] if gate is None else [gate])


@settings(deadline=None)
@given(
    st.sampled_from([SWING, REVERSION]),
    st.floats(0.002, 0.2),
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.sampled_from(["buy", "sell"]),
)
def test_size(strategy: Strategy, volatility: float, free: float, caution: float, action: Any) -> None:
    """A position is never worth more than its weight, what is free, or what the volatility allows."""
    stretch = -2.0 if action == "buy" else 2.0
    now = situation(volatility=volatility, free=free, caution=caution, verdict=verdict(action), stretch=stretch)
    plan = strategy.plan(now)
    share = (1.0 if action == "buy" else strategy.short_share) * caution
    most = min(strategy.max_weight, free, strategy.risk_per_bar / volatility) * share

    assert all(0 < float(draft.quantity) * now.price <= float(now.equity) * most + 1e-6 for draft in plan.drafts)


@pytest.mark.parametrize(
    ("strategy", "held", "changes", "reason"),
    [
        (SWING, LONG, SELL, "against the position"),
        (SWING, SHORT, {}, "against the position"),
        (SWING, LONG, {"held": 5, "verdict": verdict("hold")}, "held for 5 bars"),
        (REVERSION, LONG, SELL, "against the position"),
        (REVERSION, LONG, {"held": 3, "working": RESTING}, "without reaching the profit"),
        (SWING, SHORT, {"flatten": "end of the data"}, "close: end of the data"),
        (REVERSION, LONG, {"flatten": "kill switch", "working": RESTING}, "close: kill switch"),
    ],
)
def test_ways_out(strategy: Strategy, held: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    """All that is held is closed at the market, and what rests is taken back before."""
    now = situation(**held | changes)
    plan = strategy.plan(now)

    assert only(plan) == Draft("sell" if now.position > 0 else "buy", "market", Decimal(50), None, "day", "close")
    assert plan.action == ("sell" if now.position > 0 else "buy")
    assert plan.cancels == tuple(each.order.client_id for each in now.working)
    assert reason in plan.reason


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        (SWING, {"held": 4, "verdict": verdict("hold")}),
        (SWING, {"held": 9}),
        (REVERSION, {"held": 2, "working": RESTING}),
    ],
)
def test_positions_are_kept(strategy: Strategy, changes: dict[str, Any]) -> None:
    """Before its time is over, or with a new vote for it, a position stays."""
    plan = strategy.plan(situation(**LONG | changes))

    assert (plan.action, plan.drafts, plan.cancels) == ("hold", (), ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (LONG, Draft("sell", "limit", Decimal(50), Decimal("100.48"), "gtc", "take_profit")),
        (LONG | {"price": 102.0}, Draft("sell", "limit", Decimal(50), Decimal("102.00"), "gtc", "take_profit")),
        (
            SHORT | {"verdict": verdict("sell")},
            Draft("buy", "limit", Decimal(50), Decimal("99.48"), "gtc", "take_profit"),
        ),
        (
            SHORT | {"verdict": verdict("hold"), "price": 98.0},
            Draft("buy", "limit", Decimal(50), Decimal("98.00"), "gtc", "take_profit"),
        ),
    ],
)
def test_profit_order(changes: dict[str, Any], expected: Draft) -> None:
    """A profit waits one and a half volatilities from the entry, or at the price if that has gone further."""
    plan = REVERSION.plan(situation(**changes))

    assert only(plan) == expected
    assert plan.reason == f"take the profit at {expected.price}"


def test_flatten_with_nothing_held() -> None:
    """What rests is taken back; nothing is sent, whatever the vote says."""
    plan = SWING.plan(situation(flatten="kill switch", working=RESTING))

    assert (plan.action, plan.reason, plan.cancels, plan.drafts) == ("hold", "kill switch", ("tp",), ())


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0.0001, 1))
def test_closing_in_pieces(lots: int, caution: float) -> None:
    """While the venue's refusal of a large order is fresh a position is closed in pieces that sum up to it."""
    held = Decimal(lots) / 100
    plan = SWING.plan(situation(position=held, entry_price=Decimal(1), caution=caution, flatten="why"))

    assert sum(draft.quantity for draft in plan.drafts) == held
    assert all(draft.quantity > 0 and draft.quantity % Decimal("0.01") == 0 for draft in plan.drafts)
    assert max(float(draft.quantity) for draft in plan.drafts) <= max(0.01, float(held) * caution)
    if caution == 1:
        assert len(plan.drafts) == 1
