"""Concept drift on matured outcomes: has the relation between what is predicted and what comes changed?

A scan for sudden changes of the loss (upwards), of errors of either sign, and of the labels; and, where losses of
training are given, a CUSUM against them for what creeps. All share one budget: the chance of any false alarm within a
horizon. One episode is one alarm. It is cleared when nothing has changed for a while and, if there is a reference,
losses are back there; without a reference a level that stays becomes the normal one.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

import msgspec

from ares_otel.ml.archive import read_state, write_state
from ares_otel.ml.budget import Account, Budget, account_of
from ares_otel.ml.creep import Creep, CreepState
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moment, Moved, Quantity, Since
from ares_otel.ml.scan import CAPACITY, LEARNED, Side
from ares_otel.ml.severity import severity
from ares_otel.ml.watched import Watched, WatchedState

__all__ = ["LossMonitor", "LossState"]

OF, VERSION = "loss", 1
SETTLED: Final = 1000
"""Outcomes without a change after which an episode is over."""

CREEPING: Final = 0.3
"""Share of the budget that the CUSUM takes where losses of training are given."""

IMPORTANCE: Final = 2.0
"""A worse loss costs money, what moves a feature may not: it weighs twice an average feature."""

SIDES: Final[Mapping[str, tuple[Moment, Mapping[int, float]]]] = {
    "loss": (Moment.LOSS, {1: 3.0}),
    "over": (Moment.SHARE, {1: 1.0}),
    "under": (Moment.SHARE, {1: 1.0}),
    "label": (Moment.LOCATION, {1: 1.0, -1: 1.0}),
}
"""What is scanned, what of it, and the parts of the budget of each direction."""

LACKING: Final[Mapping[str, str]] = {
    "over": "had an error with a direction; names of classes have none",
    "under": "had an error with a direction; names of classes have none",
    "label": "was a number; names of classes are none",
}
"""What is said of streams that outcomes by name have no value of."""

OVERLAP: Final = 2.0
"""How often what shares the budget alarms together: a plain division would leave most of it unspent."""

WHOLE: Final = sum(sum(parts.values()) for _, parts in SIDES.values())


class LossState(msgspec.Struct):
    """All that a monitor of losses remembers."""

    false_alarms: float
    horizon: int
    overlap: float
    reference: list[float]
    outcomes: int = 0
    invalid: int = 0
    episodes: int = 0
    creep: CreepState = msgspec.field(default_factory=CreepState)
    changed: dict[str, int] = {}
    opened: dict[str, DriftEvent] = {}
    watched: dict[str, WatchedState] = {}
    times: list[int] = []


class LossMonitor:
    """Watches the outcomes of a model; constant time an outcome, a fixed memory.

    Args:
        false_alarms: chance of any false alarm within the horizon, above 0 and below 1.
        horizon: in outcomes.
        reference: losses of training or validation in their order, at least 500; without them what creeps is not seen.
        overlap: outcomes that share a label's span, for predictions made more often than their horizon.
    """

    def __init__(
        self,
        *,
        false_alarms: float = 0.05,
        horizon: int = 4000,
        reference: Sequence[float] | None = None,
        overlap: float = 1.0,
    ) -> None:
        if not 0.0 < false_alarms < 1.0 or horizon < 1 or not overlap >= 1.0:
            raise ValueError("false_alarms is above 0 and below 1, horizon and overlap are at least 1")
        known = [float(value) for value in ([] if reference is None else reference) if math.isfinite(value)]
        if reference is not None and len(known) < LEARNED:
            raise ValueError(f"a reference has at least {LEARNED} losses, not {len(known)}")
        self._use(LossState(false_alarms, horizon, overlap, known))
        if known:
            self._watched["loss"].begin(known[1 - CAPACITY :])

    def _use(self, state: LossState) -> None:
        self._state, self._creep = state, None
        chance = -math.expm1(OVERLAP * math.log1p(-state.false_alarms))
        if state.reference:
            self._creep = Creep(state.reference, CREEPING * chance, state.horizon, state.overlap)
            self._creep.state = state.creep
            chance *= 1.0 - CREEPING
        self._watched = {
            name: Watched(
                name,
                moment,
                tuple(Side(sign, chance * part / WHOLE) for sign, part in parts.items()),
                state.horizon,
                state.overlap,
            )
            for name, (moment, parts) in SIDES.items()
        }
        for name, kept in state.watched.items():
            self._watched[name].restore(kept)
        self._times = array("q", state.times or [0] * CAPACITY)

    @property
    def outcomes(self) -> int:
        """Outcomes seen, refused ones too."""
        return self._state.outcomes

    @property
    def invalid(self) -> int:
        """Outcomes refused, for their loss was no number."""
        return self._state.invalid

    @property
    def reference(self) -> Sequence[float]:
        """Losses of training, none where they are not known."""
        return self._state.reference

    @property
    def active(self) -> tuple[DriftKind, ...]:
        """Kinds of drift with an open episode."""
        return tuple(DriftKind(kind) for kind in self._state.opened)

    def update(
        self, loss: float, *, signed: float | None = None, label: float | None = None, at: int | None = None
    ) -> list[DriftEvent]:
        """Take the next matured outcome and return what it showed.

        Args:
            loss: of this prediction, higher is worse; NaN and infinity are counted and left out.
            signed: label minus prediction, if that means anything.
            label: the label, if it is a number.
            at: when it matured, Unix ns.
        """
        state = self._state
        state.outcomes += 1
        self._times[state.outcomes % CAPACITY] = -1 if at is None else at
        if not math.isfinite(loss):
            state.invalid += 1
            return []
        loss = float(loss)  # of numpy, it would be in all that follows, and no file of state can hold it
        crossed = [moved for name, value in _streams(loss, signed, label) if (moved := self._scan(name, value))]
        events = []
        if self._creep is not None:
            self._creep.add(loss)
            if self._creep.evidence >= 1.0:
                since = state.outcomes - self._creep.state.length + 1
                crossed.append((self._creep.moved(), since))
        if crossed:
            events = self._open(crossed, at)
        return [*events, *self._closed(at)] if state.opened else events

    def _scan(self, name: str, value: float) -> tuple[Moved, int] | None:
        """Give a stream its next value; return what moved and the first outcome after the change."""
        watched = self._watched[name]
        found = watched.add(value)
        if found is None or watched.channel is None:
            return None
        crossing = watched.channel.date(*found)
        since = self._state.outcomes - (watched.channel.seen - crossing.since)
        return watched.moved(crossing), since

    def _open(self, crossed: list[tuple[Moved, int]], at: int | None) -> list[DriftEvent]:
        """Begin episodes, and compare with what comes after the change from now on."""
        state, events = self._state, []
        length = state.outcomes - max(since for _, since in crossed) + 1
        for watched in self._watched.values():
            if watched.channel is not None:
                watched.channel.restart(watched.channel.seen - length)
        for kind in (DriftKind.CONCEPT, DriftKind.LABEL):
            of_kind = [each for each in crossed if (each[0].feature == "label") == (kind is DriftKind.LABEL)]
            if not of_kind:
                continue
            state.changed[kind] = state.outcomes
            if kind not in state.opened:
                state.episodes += 1
                state.opened[kind] = self._event(kind, of_kind, at)
                events.append(state.opened[kind])
        return events

    def _event(self, kind: DriftKind, crossed: list[tuple[Moved, int]], at: int | None) -> DriftEvent:
        state = self._state
        moved = tuple(sorted((each for each, _ in crossed), key=lambda each: -abs(each.effect)))
        effect, evidence = abs(moved[0].effect), max(each.evidence for each in moved)
        first = min(since for _, since in crossed)
        kept = state.outcomes - first < CAPACITY
        time = self._times[first % CAPACITY] if kept else -1
        return DriftEvent(
            kind,
            DriftState.STARTED,
            state.outcomes,
            at,
            moved,
            Since(first, None if time < 0 else time),
            effect,
            evidence,
            severity(evidence, effect, IMPORTANCE if kind is DriftKind.CONCEPT else None),
            state.episodes,
        )

    def _closed(self, at: int | None) -> list[DriftEvent]:
        """End the episodes in which nothing has changed for a while and losses are where they were."""
        state, events = self._state, []
        for kind in list(state.opened):
            back = kind == DriftKind.LABEL or self._creep is None or self._creep.over
            if back and state.outcomes - state.changed[kind] >= SETTLED:
                begun = state.opened.pop(kind)
                events.append(msgspec.structs.replace(begun, state=DriftState.CLEARED, bar=state.outcomes, at=at))
        return events

    def standing(self) -> tuple[Moved, ...]:
        """Return how each stream that can be tested stands; after an alarm against what has come since."""
        found = [watched.standing() for watched in self._watched.values()]
        creeping = self._creep.moved() if self._creep is not None and self._creep.design is not None else None
        return tuple(each for each in (*found, creeping) if each is not None)

    def account(self) -> Account:
        """Return what of the budget time has used; alarms of labels count among those that were raised."""
        state = self._state
        budget = Budget(state.false_alarms, state.horizon)
        return account_of(budget, state.outcomes, state.episodes, ())

    def card(self) -> tuple[Quantity, ...]:
        """Return what can be seen of each stream, and by when."""
        told = self._state.outcomes - self._state.invalid
        found = [watched.quantity(self._share(name), _lacking(name, told)) for name, watched in self._watched.items()]
        return (*found, self._creep.quantity(CREEPING)) if self._creep is not None else tuple(found)

    def _share(self, name: str) -> float:
        return sum(SIDES[name][1].values()) / WHOLE * (1.0 if self._creep is None else 1.0 - CREEPING)

    def state(self) -> LossState:
        """Return all that it remembers: to be written, not to be changed."""
        state = self._state
        if self._creep is not None:
            state.creep = self._creep.state
        state.watched = {name: watched.state() for name, watched in self._watched.items()}
        state.times = self._times.tolist()
        return state

    @classmethod
    def of(cls, state: LossState) -> Self:
        """Return a monitor that goes on from a state."""
        made = cls.__new__(cls)
        made._use(state)  # noqa: SLF001  of the same class
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state; a loaded monitor goes on with the same bits."""
        write_state(path, OF, VERSION, self.state())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the monitor that `save` wrote."""
        return cls.of(read_state(path, OF, VERSION, LossState))


def _lacking(name: str, told: int) -> str:
    """Return what is said of a stream if it has had no value in so many outcomes."""
    return f"none of {told} outcomes {LACKING[name]}" if told and name in LACKING else ""


def _streams(loss: float, signed: float | None, label: float | None) -> Iterator[tuple[str, float]]:
    """Yield what is scanned of an outcome; what is missing is left out."""
    yield "loss", loss
    if signed is not None and math.isfinite(signed):
        yield "over", float(signed < 0.0)
        yield "under", float(signed > 0.0)
    if label is not None and math.isfinite(label):
        yield "label", label
