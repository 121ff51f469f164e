"""What a model earns in the form of a monitor: the profit of a period is its bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from ares_otel.config.drift import PromisedEdge
from ares_otel.ml.events import DriftEvent, Moved, Quantity
from ares_otel.ml.outcomes import plain
from ares_otel.ml.pnl import PnlCusum

__all__ = ["Edge", "Profits"]


class Edge(msgspec.Struct, frozen=True):
    """What a model earns while its edge lives, and how often it may be called dead by mistake.

    Attributes:
        sharpe: yearly Sharpe ratio that was promised, above `dead`. What a back-test shows is too much for most: taken
            too high, false alarms come sooner than said.
        volatility: standard deviation of the profit of one period, in the unit of the profits that will be told.
        dead: yearly Sharpe ratio of the dead edge.
        periods: periods a year: 252 of trading days, 365 of days, 8,760 of hours.
        false_alarms: a year, on average.
        tau: periods that one independent profit takes; above 1 where positions overlap.
    """

    sharpe: float
    volatility: float
    dead: float = 0.0
    periods: int = 252
    false_alarms: float = 0.2
    tau: float = 1.0

    @classmethod
    def configured(cls, keys: PromisedEdge, model: str) -> Edge | None:
        """Return the edge that the configuration promises for a model; None without."""
        if keys.sharpe is None or keys.volatility is None or (keys.models and model not in keys.models):
            return None
        return cls(keys.sharpe, keys.volatility, keys.dead, keys.periods, keys.false_alarms, keys.tau)

    def watched(self) -> PnlCusum:
        """Return what watches it.

        Raises:
            ValueError: there is no such edge.
        """
        if not self.false_alarms > 0.0:
            raise ValueError(f"false alarms a year are above 0, not {self.false_alarms}")
        years, periods = 1.0 / self.false_alarms, self.periods
        return PnlCusum(self.sharpe, self.volatility, dead=self.dead, periods=periods, years=years, tau=self.tau)


class Profits:
    """Hands profits to a monitor of the edge.

    Args:
        cusum: the monitor.
    """

    def __init__(self, cusum: PnlCusum) -> None:
        self.cusum = cusum

    def update(self, row: Any, at: int | None = None) -> list[DriftEvent]:
        """Take the profit of the next period."""
        profit = plain(row)
        if isinstance(profit, bool) or not isinstance(profit, (int, float)):
            raise TypeError(f"expected a profit, got {profit!r}")
        return self.cusum.update(float(profit), at)

    def card(self) -> tuple[Quantity, ...]:
        """Return how soon a dead edge is seen."""
        return self.cusum.card()

    def standing(self) -> Sequence[Moved]:
        """Return how profits stand."""
        return self.cusum.standing()

    def save(self, path: Path) -> None:
        """Write the state."""
        self.cusum.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote."""
        return cls(PnlCusum.load(path))
