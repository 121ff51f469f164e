"""Watches one model: takes what the bot has handed over, lets monitors look at it, and says what they find.

All of it runs in a thread of its own (`setup/drifting.py`), bar after bar in the order in which the bot spoke, so that
what is found does not depend on how often that thread runs: a recorded history gives the same verdicts.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec

from ares_otel.decision.watched import Matured, Observed, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml import keeping
from ares_otel.ml.cloudevents import About, quantity
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moved, Quantity
from ares_otel.ml.tables import Tape
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import DriftCard, DriftCheck
from ares_otel.semconv.enums import DriftResult

__all__ = ["Awaiting", "Cadence", "Monitor", "Part", "Promise", "Watch", "card_of", "moment_of"]

FORMAT: Final = 1
DECISIONS: Final = 1_024
"""Decisions that are remembered, for links."""
LINKS: Final = 32
LINKS_OF_A_CHECK: Final = 8
SHOWN: Final = 128
"""Quantities that a check tells of, those with most evidence."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Promise(msgspec.Struct, frozen=True):
    """What a user is promised.

    Attributes:
        false_alarms: chance of any false alarm of a model within the horizon.
        horizon: in bars.
        rows: bars of the reference, None if unknown.
    """

    false_alarms: float
    horizon: int
    rows: int | None = None


class Monitor(Protocol):
    """What looks at a model bar by bar."""

    def update(self, row: object, at: int | None = None) -> list[DriftEvent]:
        """Take the next bar; return what began or is over with it."""

    def card(self) -> tuple[Quantity, ...]:
        """Return what can be detected."""

    def standing(self) -> Sequence[Moved]:
        """Return how each tested quantity stands now."""

    def save(self, path: Path, /) -> None:
        """Write the state."""


@runtime_checkable
class Awaiting(Protocol):
    """A monitor of outcomes, to which predictions are told first."""

    def predicted(self, key: object, prediction: object, at: int) -> None:
        """Let a prediction wait for its outcome."""


class Cadence(msgspec.Struct, frozen=True):
    """When a check is told, beside those that found something: after so many bars, or a bar after so many seconds."""

    bars: int = 24
    seconds: float = 60.0


@dataclass(slots=True)
class Part:
    """One monitor of a model and what is remembered of its bars.

    Attributes:
        kind: what it looks at.
        monitor: looks.
        read: makes a monitor of the file that one has written.
        bars: bars that it was given.
        told: bar of the last check.
        checked: when that was, monotonic seconds.
        spent: computing time since then, ns.
        open: the start of each episode that is open, by its kind: outcomes tell of labels, too.
        at: time of the last bar, Unix ns.
    """

    kind: DriftKind
    monitor: Monitor
    read: Callable[[Path], Monitor]
    bars: int = 0
    told: int = 0
    checked: float = -math.inf
    spent: int = 0
    open: dict[DriftKind, DriftEvent] = field(default_factory=dict)
    at: int | None = None
    _testable: tuple[int, int] | None = None

    def testable(self) -> tuple[int, int]:
        """Return how many quantities can be tested, and how many cannot; a reference says so once and for all."""
        if self._testable is None or self.kind is DriftKind.CONCEPT:
            flags = [line.testable for line in self.monitor.card()]
            self._testable = sum(flags), len(flags) - sum(flags)
        return self._testable


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
        """Say what can be detected."""
        for part in self.parts.values():
            with GUARD.shield("drift.card"):
                self.teller.card(card_of(part, self.teller.about, self.promise))

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
            bar = data.bars + 1 if data is not None else 0
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
            check = _check_of(part, kind, self.teller.about, links)
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


def _check_of(part: Part, kind: DriftKind, about: About, links: tuple[str, ...]) -> DriftCheck:
    standing = sorted(part.monitor.standing(), key=lambda each: -each.evidence)
    is_open, (tested, untestable) = part.open.get(kind), part.testable()
    result = DriftResult.DRIFT if is_open else DriftResult.NO_DRIFT if tested else DriftResult.UNTESTABLE
    account = getattr(part.monitor, "account", None)
    strongest = standing[0] if standing else None
    return DriftCheck(
        about.model,
        kind,
        result,
        evidence=strongest.evidence if strongest else None,
        effect=strongest.effect if strongest else None,
        severity=is_open.severity.value if is_open else None,
        episode=is_open.episode if is_open else None,
        evidences={quantity(each): each.evidence for each in standing[:SHOWN]} or None,
        effects={quantity(each): each.effect for each in standing[:SHOWN]} or None,
        tested=tested,
        untestable=untestable,
        spent=-math.expm1(-account().expected) if account is not None else None,
        bar=part.bars,
        version=about.version,
        reference=about.reference,
        event_time=part.at,
        duration=part.spent / 1e9,
        decisions=links,
    )


def card_of(part: Part, about: About, promise: Promise) -> DriftCard:
    """Return the card of a monitor as a record."""
    card = {quantity(each): each for each in part.monitor.card()}

    def known(value: Callable[[Quantity], float | None]) -> dict[str, float]:
        found = {name: value(each) for name, each in card.items()}
        return {name: number for name, number in found.items() if number is not None and math.isfinite(number)}

    return DriftCard(
        about.model,
        part.kind,
        reference=about.reference,
        rows=promise.rows,
        false_alarms=promise.false_alarms,
        horizon=promise.horizon,
        samples=known(lambda each: each.n_eff),
        times=known(lambda each: each.tau),
        detectable=known(lambda each: each.mde),
        delays=known(lambda each: each.delay),
        shares=known(lambda each: each.budget if each.testable else None),
        reasons={name: each.reason for name, each in card.items() if not each.testable and each.reason},
        version=about.version,
    )


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
