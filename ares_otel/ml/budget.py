"""The budget of false alarms: what a user allows, how it is divided, what is spent by now."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from ares_otel.ml.events import Feature, Moment

__all__ = ["Account", "Budget", "Line", "account_of"]

CHANCE = 0.05
"""Of a false alarm within the horizon that a rate is turned into: thresholds were tried at 1, 5 and 10 %."""


class Budget(msgspec.Struct, frozen=True):
    """What a user allows.

    Attributes:
        false_alarms: chance of any false alarm within the horizon, above 0 and below 1.
        horizon: bars.
    """

    false_alarms: float = CHANCE
    horizon: int = 4000

    def __post_init__(self) -> None:
        """Refuse what is no chance and no number of bars."""
        if not 0 < self.false_alarms < 1:
            raise ValueError(f"false_alarms is a chance above 0 and below 1, not {self.false_alarms}")
        if self.horizon < 1:
            raise ValueError(f"horizon is a number of bars, at least 1, not {self.horizon}")

    @classmethod
    def monthly(cls, alarms: float, bars: float) -> Budget:
        """Return the budget of so many false alarms a month on average, at so many bars a month."""
        if not (alarms > 0 and bars > 0 and math.isfinite(alarms) and math.isfinite(bars)):
            raise ValueError(f"{alarms} false alarms and {bars} bars a month: both have to be above 0")
        return cls(CHANCE, max(1, round(-math.log1p(-CHANCE) * bars / alarms)))

    def divided(self, monitors: int) -> Budget:
        """Return the part of each of several monitors of one model."""
        return Budget(-math.expm1(math.log1p(-self.false_alarms) / monitors), self.horizon)

    def expected(self, bars: int) -> float:
        """Return the number of false alarms that it allows within some bars."""
        return -math.log1p(-self.false_alarms) * bars / self.horizon


class Line(msgspec.Struct, frozen=True):
    """What the tests of one moment of one feature in one window may spend.

    Attributes:
        feature: its name, or both names of a pair.
        moment: what of it is watched.
        window: memory of the test, in bars.
        share: of the budget; all lines sum to 1.
        evidence: statistic divided by threshold now.
    """

    feature: Feature
    moment: Moment
    window: int
    share: float
    evidence: float


class Account(msgspec.Struct, frozen=True):
    """How a budget is used.

    Attributes:
        budget: what was allowed.
        bars: seen so far.
        expected: false alarms allowed for within these.
        alarms: that were raised, true ones included.
        lines: how the budget is divided.
    """

    budget: Budget
    bars: int
    expected: float
    alarms: int
    lines: tuple[Line, ...]


def account_of(budget: Budget, bars: int, alarms: int, lines: Iterable[Line]) -> Account:
    """Return the account after some bars."""
    return Account(budget, bars, budget.expected(bars), alarms, tuple(lines))
