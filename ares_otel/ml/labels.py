"""Predictions that wait for their label, and what became of them.

A label is known only when its horizon has passed, often later, sometimes never, and a metric is about those that have
one: the ledger says beside it how many are still waiting. At any time

    recorded = matured + pending + missing + dropped

It is bounded: beyond its capacity the oldest prediction is dropped and counted. Whatever comes late, twice, for
nobody, or without a value is counted too and changes nothing else.
"""

from __future__ import annotations

import heapq
import math
import os
from typing import Final, Self, TypeAlias

import msgspec

from ares_otel.ml.archive import read_state, write_state

__all__ = ["Counts", "Ledger", "LedgerState", "Matured", "Value", "Waiting"]

Value: TypeAlias = bool | int | float | str
"""A prediction or a label: a number, a class or a name of one."""

OF, VERSION = "ledger", 1
SLACK: Final = 64


class Matured(msgspec.Struct, frozen=True):
    """A prediction and its label.

    Attributes:
        key: what the bot called it.
        prediction: what was predicted.
        actual: what came of it.
        at: when it was predicted, in the unit of the ledger.
        due: when the label was to be known.
        matured: when it was.
        late: whether that was after it was due.
    """

    key: str
    prediction: Value
    actual: Value
    at: int
    due: int
    matured: int
    late: bool


class Counts(msgspec.Struct):
    """What became of predictions and outcomes, each since the start.

    Attributes:
        recorded: predictions taken.
        matured: those that got their label.
        pending: those that wait for it.
        missing: those whose label did not come within the grace after it was due.
        dropped: those that had to go because too many waited.
        late: matured ones whose label came after it was due, yet within the grace.
        repeated: predictions refused, for their key was waiting already.
        invalid: predictions and labels refused, for they were no value (NaN, infinity); such a prediction still waits.
        again: outcomes of what had matured before.
        too_late: outcomes of what was missing already.
        unknown: outcomes of keys that were never recorded, or are no longer remembered.
    """

    recorded: int = 0
    matured: int = 0
    pending: int = 0
    missing: int = 0
    dropped: int = 0
    late: int = 0
    repeated: int = 0
    invalid: int = 0
    again: int = 0
    too_late: int = 0
    unknown: int = 0


class Waiting(msgspec.Struct, frozen=True):
    """A prediction without its label."""

    prediction: Value
    at: int
    due: int


class LedgerState(msgspec.Struct):
    """All that a ledger remembers; `done` says of a key whether its label was missing, `dues` is a heap."""

    horizon: int
    grace: int
    capacity: int
    counts: Counts
    now: int
    waiting: dict[str, Waiting]
    done: dict[str, bool]
    dues: list[tuple[int, str]]


def _usable(value: Value) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


class Ledger:
    """Predictions that wait for their label; each call takes constant time, but for those that fall due in it.

    Times are numbers of any one unit that grows: Unix nanoseconds, or numbers of bars. They may come out of order;
    what is due is judged by the latest one seen.

    Args:
        horizon: time from a prediction to its label, where `record` is not told otherwise.
        grace: time after that in which a label may still come; the horizon once more if not given.
        capacity: predictions that may wait at once, and keys that are remembered after that.
    """

    def __init__(self, horizon: int, *, grace: int | None = None, capacity: int = 100_000) -> None:
        if horizon < 0 or capacity < 1 or (grace is not None and grace < 0):
            raise ValueError("horizon and grace are not negative, capacity is at least 1")
        self._state = LedgerState(horizon, horizon if grace is None else grace, capacity, Counts(), 0, {}, {}, [])

    @property
    def counts(self) -> Counts:
        """A copy of what was counted so far."""
        return msgspec.structs.replace(self._state.counts, pending=len(self._state.waiting))

    @property
    def oldest(self) -> int | None:
        """When the oldest prediction that still waits was made; None if none does."""
        return next((each.at for each in self._state.waiting.values()), None)

    def record(self, key: str, prediction: Value, at: int, due: int | None = None) -> bool:
        """Let a prediction wait for its label, due after the horizon if not said; return whether it was taken."""
        state = self._state
        if not _usable(prediction):
            state.counts.invalid += 1
            return False
        if key in state.waiting:
            state.counts.repeated += 1
            return False
        if len(state.waiting) >= state.capacity:
            self._end(next(iter(state.waiting)), missing=None)
            state.counts.dropped += 1
        waiting = Waiting(prediction, at, at + state.horizon if due is None else due)
        state.waiting[key] = waiting
        state.counts.recorded += 1
        state.done.pop(key, None)
        heapq.heappush(state.dues, (waiting.due, key))
        self.advance(at)
        return True

    def outcome(self, key: str, actual: Value, at: int) -> Matured | None:
        """Return the prediction of a key with its label; None if there is none to go with it, which is counted."""
        state, counts = self._state, self._state.counts
        self.advance(at)
        found = state.waiting.get(key)
        if found is None:
            missing = state.done.get(key)
            counts.unknown += missing is None
            counts.too_late += missing is True
            counts.again += missing is False
            return None
        if not _usable(actual):
            counts.invalid += 1
            return None
        self._end(key, missing=False)
        counts.matured += 1
        late = at > found.due
        counts.late += late
        return Matured(key, found.prediction, actual, found.at, found.due, at, late)

    def advance(self, now: int) -> int:
        """Give up what should have had its label by now; return how many that were."""
        state = self._state
        state.now = max(state.now, now)
        given_up = 0
        while state.dues and state.dues[0][0] + state.grace < state.now:
            due, key = heapq.heappop(state.dues)
            found = state.waiting.get(key)
            # a key may have matured since, and been used for another prediction
            if found is not None and found.due == due:
                self._end(key, missing=True)
                given_up += 1
        state.counts.missing += given_up
        return given_up

    def _end(self, key: str, *, missing: bool | None) -> None:
        """Take a key off the waiting list and remember why; None: it was dropped."""
        state = self._state
        del state.waiting[key]
        if missing is not None:
            state.done[key] = missing
            if len(state.done) > state.capacity:
                del state.done[next(iter(state.done))]
        if len(state.dues) > 2 * len(state.waiting) + SLACK:
            state.dues = [(each.due, key) for key, each in state.waiting.items()]
            heapq.heapify(state.dues)

    def state(self) -> LedgerState:
        """Return all that it remembers, its own: to be written, not to be changed."""
        return self._state

    @classmethod
    def of(cls, state: LedgerState) -> Self:
        """Return a ledger that goes on from a state."""
        made = cls.__new__(cls)
        made._state = state  # noqa: SLF001  of the same class
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that waits and was counted; a loaded ledger goes on with the same answers."""
        write_state(path, OF, VERSION, self._state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the ledger that `save` wrote."""
        return cls.of(read_state(path, OF, VERSION, LedgerState))
