"""Which features moved: the list beside an alarm, with a bound on the share of wrong names among all that are told.

An alarm is about a model, and may be wrong as seldom as its budget says. Which features it was, is another question
("feature drift"): asked once for each episode of data drift, some bars after its start, when evidence has grown. A
feature's p-value is the chance that any of its tests climbs so high at all, by the share of the budget that these have:
the chance to reach the threshold, times exp(-4 (evidence² - 1)) beyond it. A threshold is four standard deviations and
more of its average, so that is what a Gaussian one would do whose variance is twice what the reference shows. `Lond`
then decides, in the order of the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from ares_otel.ml.budget import Account
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moved
from ares_otel.ml.fdr import Lond, LondState

__all__ = ["Named", "Naming", "NamingState"]

RATE: Final = 0.05
"""Wrong names among all names at most, on average."""
LATER: Final = 128
"""Bars after the start of an episode."""
BEYOND: Final = 4.0
TOGETHER: Final = 2.6
"""How often tests of a feature alarm together: so much more each of them may spend."""


class Named(msgspec.Struct, frozen=True):
    """Features that moved in an episode.

    Attributes:
        episode: its number.
        bar: at which they were named.
        at: time of that bar, Unix ns.
        features: p-values of those that are named; the share of wrong ones among all ever named is bounded.
        tested: how many were asked about.
    """

    episode: int
    bar: int
    at: int | None
    features: dict[str, float]
    tested: int

    def event(self, begun: DriftEvent, standing: Iterable[Moved]) -> DriftEvent:
        """Return it as an event, with how each of the features stands.

        Args:
            begun: the start of the episode.
            standing: how each quantity stands.
        """
        strongest: dict[object, Moved] = {}
        for moved in standing:
            known = strongest.get(moved.feature)
            if moved.feature in self.features and (known is None or moved.evidence > known.evidence):
                strongest[moved.feature] = msgspec.structs.replace(moved, p_value=self.features[str(moved.feature)])
        features = tuple(sorted(strongest.values(), key=lambda moved: -abs(moved.effect)))
        return DriftEvent(
            DriftKind.FEATURE,
            DriftState.NAMED,
            self.bar,
            self.at,
            features,
            begun.since,
            max((abs(moved.effect) for moved in features), default=0.0),
            max((moved.evidence for moved in features), default=0.0),
            begun.severity,
            self.episode,
        )


class NamingState(msgspec.Struct):
    """What is remembered: the account of names, and the episode that is to be asked about."""

    lond: LondState
    episode: int = 0
    due: int | None = None


class Naming:
    """Asks for names once an episode."""

    def __init__(self) -> None:
        self._lond = Lond(RATE)
        self._episode = 0
        self._due: int | None = None

    def look(self, events: list[DriftEvent], bar: int, at: int | None, account: Callable[[], Account]) -> Named | None:
        """Take what a bar of features has shown; return the names, if it is time for them."""
        for event in events:
            self._episode = event.episode
            self._due = bar + LATER if event.state == DriftState.STARTED else None
        if self._due is None or bar < self._due:
            return None
        self._due = None
        values = _p_values(account())
        found = {name: tested.p for name, tested in self._lond.report(values).items() if tested.found}
        return Named(self._episode, bar, at, found, len(values))

    def state(self) -> NamingState:
        """Return all that it remembers."""
        return NamingState(self._lond.state(), self._episode, self._due)

    @classmethod
    def of(cls, state: NamingState | None) -> Naming:
        """Return one that goes on from a state; a new one without."""
        made = cls()
        if state is not None:
            made._lond, made._episode, made._due = Lond.of(state.lond), state.episode, state.due
        return made


def _p_values(account: Account) -> dict[str, float]:
    """Return the p-value of each feature with a test of its own, in the order of the features."""
    shares: dict[str, float] = {}
    evidence: dict[str, float] = {}
    for line in account.lines:
        if isinstance(line.feature, str):
            shares[line.feature] = shares.get(line.feature, 0.0) + line.share
            evidence[line.feature] = max(evidence.get(line.feature, 0.0), line.evidence)
    budget = account.budget
    chance = TOGETHER * budget.false_alarms * max(1.0, account.bars / budget.horizon)
    return {
        name: min(1.0, chance * shares[name] * math.exp(BEYOND * (1.0 - evidence[name] ** 2)))
        if evidence[name] >= 1.0
        else 1.0
        for name in sorted(shares)
    }
