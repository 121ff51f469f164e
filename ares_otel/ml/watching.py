"""Watches one model: takes what the bot has handed over, lets monitors look at it, and says what they find.

All of it runs in a thread of its own (`setup/drifting.py`), bar after bar in the order in which the bot spoke, so that
what is found does not depend on how often that thread runs: a recorded history gives the same verdicts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from ares_otel.decision.watched import Matured, Observed, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml import keeping
from ares_otel.ml.cloudevents import About
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState
from ares_otel.ml.parts import Awaiting, Cadence, Part, Promise, card_of, check_of
from ares_otel.ml.tables import Tape
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import DriftCheck

__all__ = ["Watch", "moment_of"]

FORMAT: Final = 1
DECISIONS: Final = 1_024
"""Decisions that are remembered, for links."""
LINKS: Final = 32
LINKS_OF_A_CHECK: Final = 8
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class _PartState(msgspec.Struct, frozen=True):
    kind: DriftKind
    bars: int
    open: list[DriftEvent]
    at: int | None


class _State(msgspec.Struct, frozen=True):
    """The header of a state file."""

    format: int
    about: About
    parts: list[_PartState]
    decisions: list[tuple[int, str]]


class Watch:
    """A model with its monitors.

    Args:
        model: the bot's side.
        parts: monitors, that of the features first.
        teller: says what is found.
        promise: of the user's budget.
        cadence: how often a check is told.

    Attributes:
        observed: what was looked at.
        invalid: what could not be looked at.
        failed: exceptions of callbacks.
        episodes: starts and ends of episodes.
        on_event: is told of each event, too; for replays.
        tape: writes down what was told.
        calls: callbacks are called.
    """

    def __init__(
        self, model: WatchedModel, parts: Iterable[Part], teller: Teller | Quiet, promise: Promise, cadence: Cadence
    ) -> None:
        self.model = model
        self.promise = promise
        self.parts = {part.kind: part for part in parts}
        self.teller = teller
        self.observed = self.invalid = self.failed = self.episodes = 0
        self.on_event: Callable[[DriftEvent], object] | None = None
        self.tape: Tape | None = None
        self.calls = True
        self._cadence = cadence
        self._decisions: deque[tuple[int, str]] = deque(maxlen=DECISIONS)

    def begin(self) -> None:
        """Say what can be detected, and what another process has left open: the next bar may be long in coming."""
        for part in self.parts.values():
            with GUARD.shield("drift.card"):
                self.teller.card(card_of(part, self.teller.about, self.promise))
            for kind in sorted(part.open):
                self._check(part, kind, ())

    # --- what the bot has said ---------------------------------------------------------------------------------

    def feed(self, items: Iterable[Observed | Matured]) -> None:
        """Look at what was handed over, in its order; what cannot be looked at is counted."""
        for item in items:
            self.observed += 1
            try:
                if isinstance(item, Observed):
                    self._observed(item)
                else:
                    self._matured(item)
            except Exception as error:  # noqa: BLE001  one bad bar must not cost the others
                self.invalid += 1
                GUARD.failed(f"drift of {self.model.name}", error)

    def _observed(self, seen: Observed) -> None:
        at = _time_of(seen)
        if self.tape is not None:
            self.tape.write(seen, at)
        data = self.parts.get(DriftKind.DATA)
        if seen.decision is not None:
            bar = data.bars + 1 if data is not None else (self._decisions[-1][0] + 1 if self._decisions else 1)
            self._decisions.append((bar, f"00-{seen.decision.trace_id:032x}-{seen.decision.span_id:016x}-01"))
        concept = self.parts.get(DriftKind.CONCEPT)
        if concept is not None and seen.prediction is not None and isinstance(concept.monitor, Awaiting):
            key = seen.decision.correlation_id if seen.key is None and seen.decision is not None else seen.key
            concept.monitor.predicted(key, seen.prediction, at)
        if data is not None and seen.x is not None:
            self._update(data, seen.x, at)
        predicted = self.parts.get(DriftKind.PREDICTION)
        if predicted is not None and seen.prediction is not None:
            self._update(predicted, seen.prediction, at)

    def _matured(self, matured: Matured) -> None:
        given = moment_of(matured.at)
        at = R.clock.wall(matured.seen) if given is None else given
        if self.tape is not None:
            self.tape.write(matured, at)
        label, concept = self.parts.get(DriftKind.LABEL), self.parts.get(DriftKind.CONCEPT)
        if label is not None:
            self._update(label, matured.actual, at)
        if concept is not None:
            self._update(concept, (matured.key, matured.actual), at)

    def _update(self, part: Part, row: object, at: int) -> None:
        started = time.perf_counter_ns()
        events = part.monitor.update(row, at)
        part.spent += time.perf_counter_ns() - started
        if part.kind is DriftKind.CONCEPT and DriftKind.LABEL in self.parts:
            # outcomes with a reference of their own have their own monitor
            events = [event for event in events if event.kind is not DriftKind.LABEL]
        part.bars += 1
        part.at = at
        for event in events:
            part.open.pop(event.kind, None)
            if event.state == DriftState.STARTED:
                part.open[event.kind] = event
        kinds = {part.kind} if self._is_due(part) else set()
        for kind in sorted(kinds | {event.kind for event in events}):
            self._check(part, kind, [event for event in events if event.kind == kind])
        for event in events:
            self.episodes += 1
            self._call(event)

    def _is_due(self, part: Part) -> bool:
        since = part.bars - part.told
        return since >= self._cadence.bars or time.monotonic() - part.checked >= self._cadence.seconds

    # --- what is said ------------------------------------------------------------------------------------------

    def _check(self, part: Part, kind: DriftKind, events: Sequence[DriftEvent]) -> None:
        with GUARD.shield("drift.check"):
            links = self._links(part.told + 1, part.bars, LINKS_OF_A_CHECK)
            check = check_of(part, kind, self.teller.about, links)
            told = [(event, self._links(_first(event), event.bar, LINKS)) for event in events]
            self.teller.check(check, told)
        part.told, part.spent, part.checked = part.bars, 0, time.monotonic()

    def _links(self, first: int, last: int, most: int) -> tuple[str, ...]:
        """Return decisions of some bars, at most so many, evenly spread from the first to the last."""
        found = [parent for bar, parent in self._decisions if first <= bar <= last]
        if len(found) <= most:
            return tuple(found)
        step = (len(found) - 1) / (most - 1)
        return tuple(found[round(place * step)] for place in range(most))

    def _call(self, event: DriftEvent) -> None:
        if self.on_event is not None:
            self.on_event(event)
        for callback in list(self.model.callbacks) if self.calls else ():
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001  it is the bot's
                self.failed += 1
                GUARD.failed(f"callback of {self.model.name}", error)

    def end(self) -> None:
        """Say that open episodes are over: the model, or its reference, is another one from now on."""
        for part in self.parts.values():
            for event in list(part.open.values()):
                over = msgspec.structs.replace(event, state=DriftState.CLEARED, bar=part.bars, at=part.at)
                del part.open[event.kind]
                self._check(part, event.kind, [over])
                self._call(over)

    # --- over restarts -----------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything that the next process needs to go on.

        Raises:
            OSError: it cannot be written.
        """
        parts = [_PartState(each.kind, each.bars, list(each.open.values()), each.at) for each in self.parts.values()]
        state = _State(FORMAT, self.teller.about, parts, list(self._decisions))
        monitors = {part.kind.value: part.monitor for part in self.parts.values()}
        keeping.write(path, msgspec.json.encode(state), monitors)

    def load(self, path: Path) -> bool:
        """Go on where another process ended; False if its state is of another model, version or reference.

        An episode that was open there is over then, which is said.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds no state.
        """
        with keeping.read(path) as (header, files):
            state = msgspec.json.decode(header, type=_State)
            kinds = {part.kind for part in state.parts}
            if state.format != FORMAT or state.about != self.teller.about or kinds != self.parts.keys():
                self._supersede(state)
                return False
            monitors = {kind: part.read(files[kind.value]) for kind, part in self.parts.items()}
        for each in state.parts:
            part = self.parts[each.kind]
            part.monitor = monitors[each.kind]
            part.bars, part.told, part.at = each.bars, each.bars, each.at
            part.open = {event.kind: event for event in each.open}
        self._decisions.extend(state.decisions)
        return True

    def _supersede(self, state: _State) -> None:
        teller = self.teller.of(state.about)
        for part in state.parts:
            for event in part.open:
                over = msgspec.structs.replace(event, state=DriftState.CLEARED, bar=part.bars, at=part.at)
                about = state.about
                check = DriftCheck(about.model, event.kind, version=about.version, reference=about.reference)
                teller.check(check, [(over, ())])
                self._call(over)


def _first(event: DriftEvent) -> int:
    return event.since.bar if event.since is not None else event.bar


def _time_of(seen: Observed) -> int:
    given = seen.at
    if given is None and seen.decision is not None:
        given = seen.decision.facts.event_time
    at = moment_of(given)
    return R.clock.wall(seen.seen) if at is None else at


def moment_of(given: object) -> int | None:
    """Return a time as Unix ns, None for what is none: a `datetime` without zone, a float, nothing."""
    if isinstance(given, datetime):
        return (given - EPOCH) // MICROSECOND * 1_000 if given.tzinfo is not None else None
    return given if isinstance(given, int) and not isinstance(given, bool) else None
