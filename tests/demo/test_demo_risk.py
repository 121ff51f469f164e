"""Risk: every limit on both sides of its border, a way out that stays open, a switch that trips and recovers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from demo_samples import order
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.risk import Exposure, KillSwitch, RiskLimits, pre_trade

LIMITS = RiskLimits()
CALM = Exposure(Decimal(10_000), Decimal(0), Decimal(100), 0.0, 0.0, 0)


def failed(facts: dict[str, Any], **changes: Any) -> list[str]:
    """Return the names of the checks that an order fails."""
    checks = pre_trade(order(**changes), msgspec.structs.replace(CALM, **facts), LIMITS)
    return [check.name for check in checks if not check.passed]


@pytest.mark.parametrize(
    ("facts", "changes", "names"),
    [
        ({}, {}, []),
        ({}, {"quantity": Decimal(100)}, []),
        ({}, {"quantity": Decimal("100.01")}, ["max_position"]),
        ({"equity": Decimal(10**6)}, {"quantity": Decimal(1_000)}, []),
        ({"equity": Decimal(10**6)}, {"quantity": Decimal("1000.01")}, ["max_order_notional"]),
        ({"position": Decimal(-99)}, {"side": "sell_short", "quantity": Decimal(2)}, ["max_position"]),
        ({"orders_today": 9}, {}, []),
        ({"orders_today": 10}, {}, ["orders_per_day"]),
        ({"day_loss": 0.02}, {}, []),
        ({"day_loss": 0.021}, {}, ["daily_loss"]),
        ({"drawdown": 0.15}, {}, []),
        ({"drawdown": 0.151}, {}, ["drawdown"]),
        ({}, {"price": Decimal(110)}, []),
        ({}, {"price": Decimal("110.01")}, ["price_band"]),
        ({}, {"price": Decimal("89.99")}, ["price_band"]),
        ({"day_loss": 0.03, "drawdown": 0.2}, {"quantity": Decimal(101)}, ["max_position", "daily_loss", "drawdown"]),
    ],
)
def test_limits(facts: dict[str, Any], changes: dict[str, Any], names: list[str]) -> None:
    """Each check fails beyond its limit and not at it; a failed check does not keep the others from being made."""
    assert failed(facts, **changes) == names


@settings(deadline=None)
@given(st.integers(-200, 200).filter(bool), st.floats(0, 1), st.floats(0, 1))
def test_way_out(held: int, day_loss: float, drawdown: float) -> None:
    """An order that closes a position passes, however bad the loss is."""
    facts = {"position": Decimal(held), "day_loss": day_loss, "drawdown": drawdown}

    assert failed(facts, side="sell" if held > 0 else "buy", quantity=Decimal(abs(held))) == []


def test_checks_tell_limit_and_value() -> None:
    """A check carries what was found and what was allowed."""
    checks = {check.name: (check.limit, check.value) for check in pre_trade(order(price=Decimal(98)), CALM, LIMITS)}

    assert checks == {
        "max_order_notional": (100_000.0, 100.0),
        "orders_per_day": (10, 1),
        "price_band": (0.1, pytest.approx(0.02)),
        "max_position": (1.0, 0.01),
        "daily_loss": (0.02, 0.0),
        "drawdown": (0.15, 0.0),
    }


def test_kill_switch() -> None:
    """It trips at the drawdown, waits as long as it should, and measures from where the strategy then stands."""
    limits = RiskLimits(drawdown=0.1, cool_down=2)
    switch = KillSwitch()
    equities = (100, 120, 109, 108, 90, 95, 95, 86, 85, 100)
    seen = [(switch.observe(Decimal(equity), limits), switch.cooling) for equity in equities]

    assert seen[:4] == [(False, 0), (False, 0), (False, 0), (True, 2)]
    assert seen[4:6] == [(False, 1), (False, 0)]
    assert seen[6:] == [(False, 0), (False, 0), (True, 2), (False, 1)]
    assert switch.trips == 2


@settings(deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_kill_switch_never_lets_a_loss_pass(equities: list[int]) -> None:
    """Whenever it lets trade, the equity is less than the drawdown limit below its peak."""
    limits = RiskLimits(drawdown=0.1, cool_down=3)
    switch = KillSwitch()
    assert switch.drawdown(Decimal(1)) == 0
    for equity in equities:
        switch.observe(Decimal(equity), limits)
        if not switch.cooling:
            assert 0 <= switch.drawdown(Decimal(equity)) < limits.drawdown
