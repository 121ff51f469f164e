"""Losses that creep up against those of training: the running CUSUM, on what `cusum` designed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from ares_otel.ml.contrasts import Noise, noise_of
from ares_otel.ml.cusum import Design, design
from ares_otel.ml.events import Moment, Moved, Quantity
from ares_otel.ml.watched import ranked

__all__ = ["Creep", "CreepState"]

TOP: Final = 1.25
"""Highest place of the sum, in thresholds: a long bad time must not need as long a good one to be forgotten."""

OVER: Final = 0.5
"""Evidence at which it is over."""


class CreepState(msgspec.Struct):
    """Where the sum is, for how many outcomes it has been above zero, and what their scores add up to."""

    level: float = 0.0
    length: int = 0
    total: float = 0.0


class Creep:
    """A CUSUM of losses, as ranks among those of a reference unless they are 0 and 1.

    Args:
        reference: losses of training or validation, finite, in their order.
        chance: of a false alarm within the horizon.
        horizon: in outcomes.
        tau: outcomes that one independent one takes at least.
    """

    def __init__(self, reference: Sequence[float], chance: float, horizon: int, tau: float) -> None:
        shares = all(value in {0.0, 1.0} for value in reference)
        self._ordered = [] if shares else sorted(reference)
        scores = np.array([self._scored(value) for value in reference])
        self._mean, self._spread = float(scores.mean()), float(scores.std())
        noise = Noise.known(tau, len(reference))
        if self._spread > 0.0:
            noise = noise_of(scores).at_least(noise)
        self.tau, self.n_eff = noise.expected, noise.worth
        self.design: Design | None = design(scores, noise, chance, horizon)
        self.state = CreepState()

    def _scored(self, loss: float) -> float:
        return ranked(self._ordered, loss) if self._ordered else min(max(loss, 0.0), 1.0)

    def add(self, loss: float) -> None:
        """Take the next loss, finite."""
        if self.design is None:
            return
        state = self.state
        z = (self._scored(loss) - self._mean) / self._spread
        level = state.level + z - self.design.allowance
        if level <= 0.0:
            state.level, state.length, state.total = 0.0, 0, 0.0
        else:
            state.level = min(level, TOP * self.design.threshold)
            state.length, state.total = state.length + 1, state.total + z

    @property
    def evidence(self) -> float:
        """The sum divided by its threshold, 0 if there is none."""
        return 0.0 if self.design is None else self.state.level / self.design.threshold

    @property
    def over(self) -> bool:
        """Whether losses are back."""
        return self.evidence <= OVER

    def quantity(self, budget: float) -> Quantity:
        """Return the line of the card."""
        found = self.design
        if found is None:
            why = f"untestable: the reference is worth {self.n_eff:.0f} independent losses"
            return Quantity("loss", Moment.LOSS, False, why, self.n_eff, self.tau, None, None, 0.0)
        one = found.threshold / (1.0 - found.allowance)
        return Quantity("loss", Moment.LOSS, True, "", self.n_eff, self.tau, 2.0 * found.allowance, one, budget)

    def moved(self) -> Moved:
        """Return what is told of it once it has crossed."""
        state = self.state
        effect = state.total / state.length if state.length else math.nan
        return Moved("loss", Moment.LOSS, state.length, effect, self.evidence, self.n_eff)
