"""Which of many features moved: an online bound on the share of false names in a growing list.

An alarm is bound by the chance of any false one; the list of features beside it may hold a few wrong names, if their
share stays small over all lists that are ever read. That is the false discovery rate, and it has to be kept over time.

LOND (Javanmard and Montanari 2015, arXiv 1502.06197): the level of test i is b_i (D + 1), where D is the number of
discoveries before and the b_i add up to the rate. With levels divided by 1 + 1/2 + … + 1/i it holds under any
dependence among the p-values (the same paper), and features of one market are dependent.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Final, Self, TypeVar

import msgspec

from ares_otel.ml.archive import read_state, write_state

__all__ = ["Lond", "LondState", "Tested"]

Name = TypeVar("Name")

SHARE: Final = 0.07720838
"""What makes log(max(i, 2)) / (i exp(sqrt(log i))) add up to 1: the sequence of Javanmard and Montanari."""

OF, VERSION = "lond", 1


class Tested(msgspec.Struct, frozen=True):
    """The verdict on one p-value: the level it was held against, and whether it is a discovery."""

    p: float
    level: float
    found: bool


class LondState(msgspec.Struct):
    """All that an account of names remembers."""

    rate: float
    dependent: bool
    tests: int = 0
    found: int = 0
    harmonic: float = 0.0
    skipped: int = 0


class Lond:
    """Levels by number of discoveries; constant memory.

    Args:
        rate: expected share of false names among all names at most, above 0 and below 1.
        dependent: False only for p-values known to be independent or positively dependent: levels are then higher.
    """

    def __init__(self, rate: float = 0.05, *, dependent: bool = True) -> None:
        if not 0.0 < rate < 1.0:
            raise ValueError(f"a rate above 0 and below 1, not {rate}")
        self._state = LondState(rate, dependent)

    @property
    def tests(self) -> int:
        """P-values tested so far."""
        return self._state.tests

    @property
    def found(self) -> int:
        """Discoveries so far."""
        return self._state.found

    @property
    def skipped(self) -> int:
        """Values that were no p-value; they use no level."""
        return self._state.skipped

    @property
    def level(self) -> float:
        """What the next p-value will be held against."""
        state = self._state
        place = state.tests + 1
        share = SHARE * math.log(max(place, 2)) / (place * math.exp(math.sqrt(math.log(place))))
        sums = state.harmonic + 1.0 / place if state.dependent else 1.0
        return state.rate * share / sums * (state.found + 1)

    def test(self, p: float) -> Tested:
        """Test the next p-value; NaN and what lies outside of 0 to 1 is skipped and never a discovery."""
        state, level = self._state, self.level
        if not 0.0 <= p <= 1.0:
            state.skipped += 1
            return Tested(p, level, found=False)
        state.tests += 1
        state.harmonic += 1.0 / state.tests
        found = p <= level
        state.found += found
        return Tested(p, level, found)

    def report(self, values: Mapping[Name, float]) -> dict[Name, Tested]:
        """Test a p-value for each name, in the order given.

        The order must not depend on the p-values: sorted by them, the bound would not hold.
        """
        return {name: self.test(p) for name, p in values.items()}

    def state(self) -> LondState:
        """Return all that it remembers: to be written, not to be changed."""
        return self._state

    @classmethod
    def of(cls, state: LondState) -> Self:
        """Return an account that goes on from a state."""
        made = cls(state.rate, dependent=state.dependent)
        made._state = state
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the account, so that a restart goes on with it."""
        write_state(path, OF, VERSION, self._state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the account that `save` wrote."""
        return cls.of(read_state(path, OF, VERSION, LondState))
