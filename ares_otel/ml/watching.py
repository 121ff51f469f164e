"""Watches one model: takes what the bot has handed over, lets monitors look at it, and says what they find.

All of it runs in a thread of its own (`setup/drifting.py`), bar after bar in the order in which the bot spoke, so that
what is found does not depend on how often that thread runs: a recorded history gives the same verdicts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from ares_otel.decision.watched import Matured, Observed, Realized, Told, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml import keeping
from ares_otel.ml.archive import ArchiveError
from ares_otel.ml.beside import Beside, State, superseded
from ares_otel.ml.calling import called
from ares_otel.ml.condition import Condition
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.parts import PROFITS, Awaiting, Cadence, Cards, Monitor, Part, Promise, check_of, windows_of
from ares_otel.ml.tape import Begun, Tape
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.pipeline.recorder import RECORDER as R

__all__ = ["Watch", "moment_of"]

LINKS: Final = 32
LINKS_OF_A_CHECK: Final = 8
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


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
        episodes: starts, ends and names of episodes that were told.
        condition: how values and outcomes are, apart from drift.
        on_event: is told of each event, too; for replays.
        tape: writes down what was told.
        calls: callbacks are called.
    """

    def __init__(
        self, model: WatchedModel, parts: Iterable[Part], teller: Teller | Quiet, promise: Promise, cadence: Cadence
    ) -> None:
        self.model = model
        self.promise = promise
        self.parts = {part.name: part for part in parts}
        self.teller = teller
        self.observed = self.invalid = self.failed = self.episodes = 0
        self.condition = Condition(model.name)
        self.on_event: Callable[[DriftEvent], object] = lambda _: None
        self.tape: Tape | None = None
        self.calls = True
        self._cadence = cadence
        self._beside = Beside()
        self._cards = Cards(promise)
        self._looked = False

    def begin(self) -> None:
        """Say what can be detected, and what another process has left open: the next bar may be long in coming."""
        if self.tape is not None:
            self.tape.begin(self.begun)
        for kind in dict.fromkeys(part.kind for part in self.parts.values()):
            self._cards.say(kind, self.parts.values(), self.teller.about, self.teller.card)
        for part in self.parts.values():
            for kind in sorted(part.open):
                self._check(part, kind, ())
        self.condition.look(self.parts.values())

    # --- what the bot has said ---------------------------------------------------------------------------------

    def feed(self, items: Iterable[Told]) -> None:
        """Look at what was handed over, in its order; what cannot be looked at is counted."""
        self._looked = False
        for item in items:
            self.observed += 1
            try:
                self._take(_keyed(item), _time_of(item))
            except Exception as error:  # noqa: BLE001  one bad bar must not cost the others
                self.invalid += 1
                GUARD.failed(f"drift of {self.model.name}", error)
        (self.condition.look if self._looked else self.condition.count)(self.parts.values())

    def _take(self, item: Told, at: int) -> None:
        if self.tape is not None:
            self.tape.write(item, at)
        if isinstance(item, Observed):
            self._observed(item, at)
        elif isinstance(item, Matured):
            self._matured(item, at)
        else:
            self._realized(item, at)

    def _observed(self, seen: Observed, at: int) -> None:
        decision, regime = seen.decision, seen.in_regime()
        link = None if decision is None else f"00-{decision.trace_id:032x}-{decision.span_id:016x}-01"
        self._beside.newest = link or self._beside.newest
        concept = self.parts.get(DriftKind.CONCEPT)
        if concept is not None and seen.prediction is not None and isinstance(concept.monitor, Awaiting):
            concept.monitor.predicted(seen.key, seen.prediction, at)
            if link is not None:
                self._beside.awaited.expect(str(seen.key), link)
        for kind, row in ((DriftKind.DATA, seen.x), (DriftKind.PREDICTION, seen.prediction)):
            part = self.parts.get(kind)
            if part is not None and row is not None:
                self._update(part, row, at, link, regime)

    def _matured(self, matured: Matured, at: int) -> None:
        key = str(matured.key)
        label, concept = self.parts.get(DriftKind.LABEL), self.parts.get(DriftKind.CONCEPT)
        link = self._beside.awaited.of(key)
        if label is not None:
            self._update(label, matured.actual, at, link)
        if concept is not None:
            before = concept.bar
            self._update(concept, (matured.key, matured.actual), at, link)
            if concept.bar == before:  # refused: the prediction may still wait
                return
        self._beside.awaited.settle(key)

    def _realized(self, realized: Realized, at: int) -> None:
        if (part := self.parts.get(PROFITS)) is None:
            raise ValueError(
                f"profits of {self.model.name} were told, but not the edge that it has: `edge` of `model()`"
            )
        self._update(part, realized.profit, at, self._beside.newest)

    def _update(self, part: Part, row: Any, at: int, link: str | None, regime: object = None) -> None:
        if link is not None:
            part.trail.add(part.bar + 1, link)
        events = part.update(row, at, regime)
        if part.kind is DriftKind.CONCEPT and DriftKind.LABEL in self.parts:
            # outcomes with a reference of their own have their own monitor
            events = [event for event in events if event.kind is not DriftKind.LABEL]
        events = [self._beside.opened(part, event, through=PROFITS in self.parts) for event in events]
        kinds = {event.kind for event in events} | (set(self._kinds(part)) if part.is_due(self._cadence) else set())
        for kind in sorted(kinds):
            self._check(part, kind, [event for event in events if event.kind == kind])
        if kinds:
            part.told, self._looked = part.bar, True
        for event in events:
            self._call(event)
        if part.kind is DriftKind.DATA and isinstance(part.monitor, DriftMonitor):
            named = self._beside.naming.look(events, part.bar, at, part.monitor.account)
            if named is not None:
                event = named.event(part.open[part.kind], part.monitor.standing())
                self.teller.named(event, named.tested)
                self._call(event)

    def _kinds(self, part: Part) -> list[DriftKind]:
        """Return what a part has to say at a check."""
        label = DriftKind.LABEL
        return [part.kind, *([label] if label not in self.parts and part.tells_of(label) else [])]

    # --- what is said ------------------------------------------------------------------------------------------

    def _check(self, part: Part, kind: DriftKind, events: Sequence[DriftEvent]) -> None:
        self._cards.say(part.kind, self.parts.values(), self.teller.about, self.teller.card)
        with GUARD.shield("drift.check"):
            links = part.trail.links(part.told + 1, part.bar, LINKS_OF_A_CHECK)
            others = [each for each in self.parts.values() if each is not part and each.kind is kind]
            check = check_of([part, *others], kind, self.teller.about, events, links)
            told = [(event, part.trail.links(_first(event), event.bar, LINKS)) for event in events]
            self.teller.check(check, told, windows_of(part, check, events))
        part.spent, part.checked = 0, time.monotonic()

    def _call(self, event: DriftEvent) -> None:
        self.episodes += 1
        self.on_event(event)
        for callback in self.model.interested(event.state) if self.calls else ():
            self.failed += not called(callback, event, self.model.name)

    def end(self) -> None:
        """Say that open episodes are over: the model, or its reference, is another one from now on."""
        for part in self.parts.values():
            for event in list(part.open.values()):
                over = msgspec.structs.replace(event, state=DriftState.CLEARED, bar=part.bar, at=part.at)
                del part.open[event.kind]
                self._check(part, event.kind, [over])
                self._call(over)

    # --- over restarts -----------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything that the next process needs to go on.

        Raises:
            OSError: it cannot be written.
        """
        keeping.write(path, *self._state())

    def begun(self) -> Begun:
        """Return all that the verdicts on whatever comes next depend on."""
        return Begun.of(self.promise, keeping.packed(*self._state()))

    def _state(self) -> tuple[bytes, keeping.Saving]:
        header = self._beside.header(self.teller.about, self.parts.values())
        return header, {name: part.monitor for name, part in self.parts.items()}

    def load(self, path: Path) -> bool:
        """Go on where another process ended.

        False if its state is of another model, version or reference: what was open there is over then, which is said.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds no state.
        """
        with keeping.read(path) as (header, files):
            state = msgspec.json.decode(header, type=State)
            if not state.is_of(self.teller.about, self.parts.keys()):
                for over in superseded(state, self.teller):
                    self._call(over)
                return False
            self.resume(state, {name: part.read(_file(files, name)) for name, part in self.parts.items()})
        return True

    def resume(self, state: State, monitors: Mapping[str, Monitor]) -> None:
        """Go on from the header and the monitors of a state with the same parts."""
        self._beside = state.resume(self.parts, monitors)


def _file(files: Mapping[str, Path], name: str) -> Path:
    """Return the file of a part, which a damaged state may not have."""
    if name not in files:
        raise ArchiveError(f"no state of {name} in it")
    return files[name]


def _first(event: DriftEvent) -> int:
    return event.since.bar if event.since is not None else event.bar


def _keyed(told: Told) -> Told:
    """Return what was told with the key that joins it with its outcome: the id of its decision, if none was said."""
    if isinstance(told, Observed) and told.key is None and told.decision is not None:
        return told._replace(key=told.decision.correlation_id)
    return told


def _time_of(told: Told) -> int:
    given = told.at
    if given is None and isinstance(told, Observed) and told.decision is not None:
        given = told.decision.facts.event_time
    at = moment_of(given)
    return R.clock.wall(told.seen) if at is None else at


def moment_of(given: object) -> int | None:
    """Return a time as Unix ns, None for what is none: a `datetime` without zone, a float, nothing."""
    if isinstance(given, datetime):
        return (given - EPOCH) // MICROSECOND * 1_000 if given.tzinfo is not None else None
    return given if isinstance(given, int) and not isinstance(given, bool) else None
