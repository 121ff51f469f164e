"""What has to hold before an order is sent, and a switch that stops a strategy that loses too much."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ares_otel.demo.orders import Order, signed

__all__ = ["Check", "Exposure", "KillSwitch", "RiskLimits", "pre_trade"]


class RiskLimits(msgspec.Struct, frozen=True):
    """Limits of one strategy.

    Attributes:
        max_position: value of the position in one symbol, as a share of equity.
        max_order_notional: value of one order, in account currency.
        daily_loss: loss since the end of the day before, as a share of that equity; beyond it nothing is opened.
        drawdown: loss since the highest equity, as a share of it; beyond it the kill switch trips.
        price_band: distance of a limit price from the last price, as a share of it ("fat finger").
        orders_per_day: orders sent on one day.
        cool_down: decisions that the strategy sits out after its kill switch tripped.
    """

    max_position: float = 1.0
    max_order_notional: float = 100_000.0
    daily_loss: float = 0.02
    drawdown: float = 0.15
    price_band: float = 0.10
    orders_per_day: int = 10
    cool_down: int = 80


class Exposure(msgspec.Struct, frozen=True):
    """The facts that an order is checked against.

    Attributes:
        equity: of the strategy, in account currency.
        position: units held of the order's symbol, negative when short.
        price: last price of the symbol.
        day_loss: loss since the end of the day before, as a share; negative for a gain.
        drawdown: loss since the highest equity, as a share, zero or more.
        orders_today: orders sent on this day before this one.
    """

    equity: Decimal
    position: Decimal
    price: Decimal
    day_loss: float
    drawdown: float
    orders_today: int


class Check(msgspec.Struct, frozen=True):
    """One pre-trade check of one order.

    Attributes:
        name: name of the check.
        limit: what may not be exceeded.
        value: what the order comes to.
        passed: whether `value` is no more than `limit`.
    """

    name: str
    limit: float
    value: float
    passed: bool


def pre_trade(order: Order, exposure: Exposure, limits: RiskLimits) -> tuple[Check, ...]:
    """Check an order against the limits; all checks are made, whether or not one failed before.

    An order that brings the position closer to zero is the way out of trouble: the limits on position, loss and
    drawdown do not hold it back, so these are not checked for it.
    """
    after = exposure.position + signed(order.side, order.quantity)
    checks = [
        _check("max_order_notional", limits.max_order_notional, float(order.quantity * exposure.price)),
        _check("orders_per_day", limits.orders_per_day, exposure.orders_today + 1),
    ]
    if order.price is not None:
        checks.append(_check("price_band", limits.price_band, float(abs(order.price / exposure.price - 1))))
    if abs(after) > abs(exposure.position):
        checks += [
            _check("max_position", limits.max_position, float(abs(after) * exposure.price / exposure.equity)),
            _check("daily_loss", limits.daily_loss, exposure.day_loss),
            _check("drawdown", limits.drawdown, exposure.drawdown),
        ]
    return tuple(checks)


def _check(name: str, limit: float, value: float) -> Check:
    return Check(name, limit, value, value <= limit)


class KillSwitch(msgspec.Struct):
    """Stops a strategy at a drawdown, and lets it begin again after a while from where it then is.

    Attributes:
        peak: highest equity since the start or since the last cool-down; None before the first look.
        cooling: decisions still to sit out; the strategy may trade when it is zero.
        trips: how often it tripped.
    """

    peak: Decimal | None = None
    cooling: int = 0
    trips: int = 0

    def drawdown(self, equity: Decimal) -> float:
        """Return the loss since the peak as a share of it, zero or more."""
        return 0.0 if self.peak is None else max(0.0, float(1 - equity / self.peak))

    def observe(self, equity: Decimal, limits: RiskLimits) -> bool:
        """Look at the equity once per decision; return whether the switch tripped just now."""
        if self.cooling:
            self.cooling -= 1
            self.peak = equity
            return False
        self.peak = equity if self.peak is None else max(self.peak, equity)
        if self.drawdown(equity) < limits.drawdown:
            return False
        self.cooling = limits.cool_down
        self.trips += 1
        return True
