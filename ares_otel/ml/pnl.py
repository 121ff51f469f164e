"""How fast can a dead edge be seen? A CUSUM on profit and loss, with the delay that no test can beat by much.

Profit of a period, in standard deviations, has mean d while the edge lives and d' when it is dead; the CUSUM of the
likelihood ratio is W = max(0, W + (d' - d)(x - (d + d') / 2)), an alarm at W >= h (Page 1954; optimal by Moustakides
1986). For yearly Sharpe ratios that differ by D, with tau = 2 / D**2 years, Brownian motion gives

    mean time between false alarms   tau (exp(h) - h - 1)
    mean delay                       tau (h - 1 + exp(-h))

A period is no instant: what a sum jumps beyond its threshold acts like a threshold that is 1.166 D / sqrt(periods)
higher (Siegmund 1985), so nearly as much is taken off it, and false alarms stay rarer than promised.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from ares_otel.ml.archive import read_state, write_state
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moment, Moved, Quantity, Since
from ares_otel.ml.severity import severity

__all__ = ["PnlCusum", "delay", "threshold", "time_between"]

OVERSHOOT: Final = 1.166
TAKEN: Final = 0.6
"""What of the overshoot is taken off the threshold; the rest keeps the promise on the safe side."""

TOP: Final = 1.25
"""Highest place of the sum, in thresholds: a long loss must not need as long a gain to be forgotten."""

FARTHEST: Final = 1e9
"""Standard deviations beyond which a profit counts no more: sums stay numbers, whatever comes."""

CLEARED: Final = 0.5
LARGEST: Final = 700.0
OF, VERSION, FEATURE = "pnl", 1, "profit"


def time_between(drop: float, h: float) -> float:
    """Return the mean time between false alarms in years, for a drop of the yearly Sharpe ratio and a threshold."""
    return 2.0 / drop**2 * (math.expm1(min(h, LARGEST)) - h)


def threshold(drop: float, years: float) -> float:
    """Return the threshold at which false alarms are `years` apart in the mean, by bisection."""
    low, high = 0.0, 1.0
    while time_between(drop, high) < years and high < LARGEST:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if time_between(drop, middle) < years else (low, middle)
    return high


def delay(drop: float, years: float) -> float:
    """Return the mean years until a drop of the yearly Sharpe ratio is seen, at one false alarm in `years` years."""
    h = threshold(drop, years)
    return 2.0 / drop**2 * (h + math.expm1(-h))


class _State(msgspec.Struct):
    sharpe: float
    volatility: float
    dead: float
    periods: int
    years: float
    tau: float
    bar: int = 0
    skipped: int = 0
    level: float = 0.0
    zero: int = 0
    left_at: int | None = None
    total: float = 0.0
    episode: int = 0
    opened: DriftEvent | None = None
    strongest: float = 0.0


class PnlCusum:
    """Watches whether an edge is alive; constant time and memory a period.

    Args:
        sharpe: yearly Sharpe ratio of the living edge, above `dead`. What a back-test promises is too much for most:
            taken too high, false alarms come sooner than said.
        volatility: standard deviation of the profit of one period, in the unit of the profits given.
        dead: yearly Sharpe ratio of the dead edge, usually 0.
        periods: periods a year.
        years: mean time between false alarms.
        tau: periods that one independent profit takes; above 1 where positions overlap.
    """

    def __init__(
        self,
        sharpe: float,
        volatility: float,
        *,
        dead: float = 0.0,
        periods: int = 252,
        years: float = 5.0,
        tau: float = 1.0,
    ) -> None:
        if not sharpe > dead:
            raise ValueError(f"a living edge is above a dead one: {sharpe} is not above {dead}")
        if not min(volatility, periods, years) > 0.0 or not tau >= 1.0:
            raise ValueError("volatility, periods and years are above 0, tau is at least 1")
        self._use(_State(float(sharpe), float(volatility), float(dead), int(periods), float(years), float(tau)))

    def _use(self, state: _State) -> None:
        self._state = state
        self._unit = state.volatility * math.sqrt(state.tau)
        self._alive = state.sharpe / math.sqrt(state.periods * state.tau)
        self._gap = self.drop / math.sqrt(state.periods)
        self._middle = self._alive - self._gap / 2.0
        promised = threshold(self.drop, state.years)
        self.threshold = max(promised - TAKEN * OVERSHOOT * self._gap, promised / 4.0)

    @classmethod
    def fitted(cls, history: Sequence[float], *, periods: int = 252, years: float = 5.0, tau: float = 1.0) -> Self:
        """Return a monitor whose living edge is that of a history of profits.

        Raises:
            ValueError: if the history shows no edge: a mean not above zero, or no spread.
        """
        known = [value for value in history if math.isfinite(value)]
        n = len(known)
        mean = math.fsum(known) / n if n else 0.0
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (n - 1)) if n > 1 else 0.0
        if not spread > 0.0 or not mean > 0.0:
            raise ValueError(f"{n} profits of mean {mean:.3g} and deviation {spread:.3g} show no edge to lose")
        return cls(mean / spread * math.sqrt(periods), spread, periods=periods, years=years, tau=tau)

    @property
    def drop(self) -> float:
        """Fall of the yearly Sharpe ratio that is watched for, of independent profits."""
        return (self._state.sharpe - self._state.dead) / math.sqrt(self._state.tau)

    @property
    def evidence(self) -> float:
        """The sum divided by its threshold."""
        return self._state.level / self.threshold

    @property
    def active(self) -> bool:
        """Whether an episode is open."""
        return self._state.opened is not None

    @property
    def skipped(self) -> int:
        """Profits that were no number."""
        return self._state.skipped

    def update(self, profit: float, at: int | None = None) -> list[DriftEvent]:
        """Take the profit of the next period and return what it showed; NaN and infinity are counted and left out."""
        state = self._state
        state.bar += 1
        if not math.isfinite(profit):
            state.skipped += 1
            return []
        value = max(-FARTHEST, min(float(profit) / self._unit, FARTHEST))
        level = state.level - self._gap * (value - self._middle)
        if level <= 0.0:
            state.level, state.total, state.zero = 0.0, 0.0, state.bar
        else:
            state.left_at = at if state.zero == state.bar - 1 else state.left_at
            state.level, state.total = min(level, TOP * self.threshold), state.total + value
        state.strongest = max(state.strongest, self.evidence) if self.active else 0.0
        return self._judged(at)

    def _judged(self, at: int | None) -> list[DriftEvent]:
        state = self._state
        if state.opened is None and state.level >= self.threshold:
            state.episode += 1
            state.strongest = self.evidence
            state.opened = self._event(at)
            return [state.opened]
        if state.opened is not None and state.level <= CLEARED * self.threshold:
            cleared = msgspec.structs.replace(
                state.opened, state=DriftState.CLEARED, bar=state.bar, at=at, evidence=state.strongest
            )
            state.opened = None
            return [cleared]
        return []

    def standing(self) -> tuple[Moved, ...]:
        """Return how profits stand since the sum left zero, without an effect (NaN) while it is there."""
        state = self._state
        periods = state.bar - state.zero
        mean = state.total / periods if state.level > 0.0 else math.nan
        effect = (mean - self._alive) * math.sqrt(state.tau)
        return (Moved(FEATURE, Moment.PROFIT, periods, effect, self.evidence, periods / state.tau),)

    def _event(self, at: int | None) -> DriftEvent:
        state = self._state
        (moved,) = self.standing()
        effect = moved.effect
        # a period moves profit by little: what counts is how much of the edge is gone
        lost = -effect / (self._gap * math.sqrt(state.tau))
        since = Since(state.zero + 1, state.left_at)
        return DriftEvent(
            DriftKind.CONCEPT,
            DriftState.STARTED,
            state.bar,
            at,
            (moved,),
            since,
            abs(effect),
            self.evidence,
            severity(self.evidence, lost),
            state.episode,
        )

    def card(self) -> tuple[Quantity, ...]:
        """Return how fast this can see a dead edge: `delay` for the drop it watches is `expected`, in periods."""
        state = self._state
        reach = self.threshold + OVERSHOOT * self._gap
        root = math.sqrt(state.tau)
        smallest = (self._gap / 2.0 + 1.5 * reach / (self._gap * state.periods)) * root
        one = 1.0 / root - self._gap / 2.0
        return (
            Quantity(
                FEATURE,
                Moment.PROFIT,
                testable=True,
                reason="",
                n_eff=None,
                tau=state.tau,
                mde=smallest,
                delay=reach / (self._gap * one) if one > 0.0 else None,
                budget=1.0,
            ),
        )

    @property
    def expected(self) -> float:
        """Mean periods until the dead edge is seen."""
        return delay(self.drop, self._state.years) * self._state.periods

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state; a loaded monitor goes on with the same bits."""
        write_state(path, OF, VERSION, self._state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the monitor that `save` wrote."""
        made = cls.__new__(cls)
        made._use(read_state(path, OF, VERSION, _State))  # noqa: SLF001  of the same class
        return made
