"""What a ratio means here: the convention that is printed with every ratio and published as a metric."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

__all__ = ["CONVENTION", "DAY", "PERIODS", "Convention"]

DAY: Final = 86_400_000_000_000
"""Nanoseconds of a day."""

PERIODS: Final = (365, 252)
"""Periods a year that can be chosen: every day of the calendar, or the days on which an exchange trades."""

TAIL: Final = 5.0


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """How returns become ratios. Two ratios may be compared only where all of this is equal.

    Returns are simple returns of equity (cash and unrealized profit or loss) from one UTC day of market time to the
    next one that was observed; deviations are those of a sample (n - 1).

    Attributes:
        periods: returns a year: 365 for markets that never close, 252 for exchange days.
        risk_free: rate a year that Sharpe's excess return is measured against.
        target: rate a year below which a return counts as downside (Sortino's minimum acceptable return).
        minimum: fewest daily returns of a ratio.
        minimum_trades: fewest trades of a statistic of trades.
        level: confidence of the intervals.
        intervals: whether intervals are computed; values alone cost a hundredth.
    """

    periods: int = 365
    risk_free: float = 0.0
    target: float = 0.0
    minimum: int = 20
    minimum_trades: int = 10
    level: float = 0.95
    intervals: bool = True

    basis: ClassVar[str] = "equity"
    returns: ClassVar[str] = "simple"

    @property
    def minimum_growth(self) -> int:
        """Fewest returns of a yearly growth rate: a quarter of a year, for less is no rate but an extrapolation."""
        return max(self.minimum, self.periods // 4)

    def minimum_tail(self, level: float) -> int:
        """Return the fewest returns of a historical tail: five of them have to be expected in it."""
        return max(self.minimum, round(TAIL / (1.0 - level)))

    def per_period(self, yearly: float) -> float:
        """Return the rate of a period that compounds to a yearly one."""
        return (1.0 + yearly) ** (1.0 / self.periods) - 1.0 if yearly else 0.0

    def sentence(self) -> str:
        """Say the convention in one line, for footers."""
        rates = f"risk-free rate {self.risk_free:.4g}, target {self.target:.4g}"
        return (
            "simple daily returns of equity (last value of each UTC day of market time; a day without a value gives "
            f"none), {self.periods} periods a year, sample deviation (n - 1), Sortino over all periods, {rates} a year"
        )


CONVENTION: Final = Convention()
"""The default."""
