"""The parts of a watched model: its monitors, what is remembered of their bars, and both as records.

Outcomes tell of two kinds of drift, concept and label, and two monitors may tell of concept drift: that of losses and
that of profits. A check is of one kind, so it says how everything stands that tells of this kind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec

from ares_otel.guard import GUARD
from ares_otel.ml.cloudevents import About, quantity
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moved, Quantity
from ares_otel.ml.memory import LAST
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.trail import Trail
from ares_otel.ml.windows import Window
from ares_otel.records import DriftCard, DriftCheck, DriftWindow
from ares_otel.semconv.enums import DriftResult

__all__ = [
    "PROFITS",
    "Awaiting",
    "Cadence",
    "Cards",
    "Comparing",
    "Monitor",
    "Part",
    "Promise",
    "card_of",
    "check_of",
    "windows_of",
]

PROFITS: Final = "profit"
"""Name of the part that looks at profits; all others are called by what they look at."""
LABELS: Final = "label"
"""What outcomes themselves are called among the quantities of their monitor."""
SHOWN: Final = 128
"""Quantities that a check tells of, those with most evidence."""
FEATURES: Final = 32
"""Features whose window is told at once, those with most evidence."""
EACH: Final = 3_600.0
"""Seconds between windows that nothing asks for."""
LEAST: Final = 64
"""Bars that such a window has at least."""


class Promise(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What a user is promised.

    Attributes:
        false_alarms: chance of any false alarm of a model within the horizon.
        horizon: in bars.
        rows: bars of the reference, None if unknown.
        month: bars of a month, if alarms were allowed by the month.
    """

    false_alarms: float
    horizon: int
    rows: int | None
    month: float | None = None


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
    """A monitor of outcomes, to which predictions are told first.

    Attributes:
        matured: outcomes so far that found their prediction.
    """

    @property
    def matured(self) -> int:
        """See above."""

    def predicted(self, key: object, prediction: object, at: int) -> None:
        """Let a prediction wait for its outcome."""


@runtime_checkable
class Comparing(Protocol):
    """A monitor that can show its last bars beside its reference."""

    def windows(self, features: Collection[str], bars: int) -> Sequence[Window]:
        """Return the last bars of some features."""


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
        name: of the part, that of its kind unless said otherwise.
        bars: bars that it was given.
        told: bar of the last check.
        checked: when that was, monotonic seconds.
        spent: computing time since then, ns.
        open: the start of each episode that is open, by its kind: outcomes tell of labels, too.
        at: time of the last bar, Unix ns.
        trail: decisions by bar.
        windowed: when windows were told last, monotonic seconds.
    """

    kind: DriftKind
    monitor: Monitor
    read: Callable[[Path], Monitor]
    name: str = ""
    bars: int = 0
    told: int = 0
    checked: float = -math.inf
    spent: int = 0
    open: dict[DriftKind, DriftEvent] = field(default_factory=dict)
    at: int | None = None
    windowed: float = -math.inf
    trail: Trail = field(default_factory=Trail)
    _lines: tuple[Quantity, ...] | None = None

    def __post_init__(self) -> None:
        """Give it the name of its kind."""
        self.name = self.name or self.kind.value

    @property
    def bar(self) -> int:
        """Number of the last bar as its events count them: an outcome that found no prediction is none."""
        return self.monitor.matured if isinstance(self.monitor, Awaiting) else self.bars

    def update(self, row: object, at: int, regime: object = None) -> list[DriftEvent]:
        """Let its monitor look at the next bar."""
        started = time.perf_counter_ns()
        monitor = self.monitor
        events = monitor.update(row, at, regime) if isinstance(monitor, DriftMonitor) else monitor.update(row, at)
        self.spent += time.perf_counter_ns() - started
        self.bars += 1
        self.at = at
        return events

    def is_due(self, cadence: Cadence) -> bool:
        """Tell whether it is time for a check."""
        return self.bar - self.told >= cadence.bars or time.monotonic() - self.checked >= cadence.seconds

    def tells_of(self, kind: DriftKind) -> bool:
        """Tell whether it has anything to say of a kind."""
        if kind is DriftKind.LABEL and self.kind is DriftKind.CONCEPT:
            return any(moved.feature == LABELS for moved in self.monitor.standing())
        return kind is self.kind

    def standing(self, kind: DriftKind) -> list[Moved]:
        """Return how what tells of a kind stands."""
        return [moved for moved in self.monitor.standing() if self._of(kind, moved.feature)]

    def testable(self, kind: DriftKind) -> tuple[int, int]:
        """Return how many quantities of a kind can be tested, and how many cannot."""
        if self._lines is None or self.kind is DriftKind.CONCEPT:  # a reference says so once and for all
            self._lines = self.monitor.card()
        flags = [line.testable for line in self._lines if self._of(kind, line.feature)]
        return sum(flags), len(flags) - sum(flags)

    def _of(self, kind: DriftKind, feature: object) -> bool:
        return self.kind is not DriftKind.CONCEPT or (feature == LABELS) == (kind is DriftKind.LABEL)


def check_of(
    parts: Sequence[Part], kind: DriftKind, about: About, events: Iterable[DriftEvent], links: tuple[str, ...]
) -> DriftCheck:
    """Return how a kind of drift stands as a record.

    Args:
        parts: all that tell of it, that which was looked at first.
        kind: of drift.
        about: the model.
        events: what this check found; evidence that began an episode counts, though its test may begin anew with it.
        links: decisions of its bars.
    """
    own = parts[0]
    crossed = [moved for event in events if event.state == DriftState.STARTED for moved in event.features]
    found = sorted(
        [*crossed, *(each for part in parts for each in part.standing(kind))], key=lambda each: -each.evidence
    )
    standing: dict[str, Moved] = {}
    for each in found:
        standing.setdefault(quantity(each), each)
    shown = dict(list(standing.items())[:SHOWN])
    opened = max(
        (part.open[kind] for part in parts if kind in part.open),
        key=lambda event: (event.severity.level, event.episode),
        default=None,
    )
    counts = [part.testable(kind) for part in parts]
    tested, untestable = sum(each for each, _ in counts), sum(each for _, each in counts)
    result = DriftResult.DRIFT if opened else DriftResult.NO_DRIFT if tested else DriftResult.UNTESTABLE
    account = getattr(own.monitor, "account", None) if kind is own.kind else None
    strongest = found[0] if found else None
    return DriftCheck(
        about.model,
        kind,
        result,
        evidence=strongest.evidence if strongest else None,
        effect=strongest.effect if strongest and math.isfinite(strongest.effect) else None,
        severity=opened.severity.value if opened else None,
        episode=opened.episode if opened else None,
        evidences={name: each.evidence for name, each in shown.items()} or None,
        effects={name: each.effect for name, each in shown.items() if math.isfinite(each.effect)} or None,
        tested=tested,
        untestable=untestable,
        spent=-math.expm1(-account().expected) if account is not None else None,
        bar=own.bar,
        version=about.version,
        reference=about.reference,
        event_time=own.at,
        duration=own.spent / 1e9,
        decisions=links,
    )


def card_of(parts: Sequence[Part], about: About, promise: Promise) -> DriftCard:
    """Return the card of all monitors of a kind as a record."""
    card = {quantity(each): each for part in parts for each in part.monitor.card()}

    def known(value: Callable[[Quantity], float | None]) -> dict[str, float]:
        found = {name: value(each) for name, each in card.items()}
        return {name: number for name, number in found.items() if number is not None and math.isfinite(number)}

    return DriftCard(
        about.model,
        parts[0].kind,
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
        tests=_tests(parts) or None,
        month=promise.month,
        ends=getattr(parts[0].monitor, "ends", None),
        version=about.version,
    )


def _tests(parts: Sequence[Part]) -> dict[str, float]:
    """Return what each test may spend of the budget of its monitor."""
    accounts = [account() for part in parts if (account := getattr(part.monitor, "account", None)) is not None]
    return {f"{quantity(line)}@{line.window}": line.share for account in accounts for line in account.lines}


class Cards:
    """Says what can be detected, and again once that is more or less: outcomes have to come in first.

    Args:
        promise: what was promised of the monitors.
    """

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self._said: dict[DriftKind, tuple[About, list[tuple[int, int]]]] = {}

    def say(self, kind: DriftKind, parts: Iterable[Part], about: About, tell: Callable[[DriftCard], None]) -> None:
        """Say the card of all monitors of a kind, if it is not the one that was said last."""
        with GUARD.shield("drift.card"):
            telling = [part for part in parts if part.kind is kind]
            now = about, [part.testable(kind) for part in telling]
            if self._said.get(kind) != now:
                tell(card_of(telling, about, self._promise))
                self._said[kind] = now


def windows_of(part: Part, check: DriftCheck, events: Sequence[DriftEvent]) -> tuple[DriftWindow, ...]:
    """Return the last bars beside the reference, when an episode begins or ends, and at most once an hour."""
    now, monitor = time.monotonic(), part.monitor
    due = part.bar >= LEAST and now - part.windowed >= EACH
    # a monitor of outcomes tells of labels, too, and has no picture of them
    if not isinstance(monitor, Comparing) or check.kind is not part.kind or not (events or due):
        return ()
    event = events[-1] if events else None
    since = event.since if event is not None and event.state == DriftState.STARTED else None
    # an episode shows what came after its change
    bars = LAST if since is None else part.bar - since.bar + 1
    ranked = sorted(part.monitor.standing(), key=lambda each: -each.evidence)
    # what cannot be tested has a picture, too
    named = [each.feature for each in ranked] + [line.feature for line in part.monitor.card()]
    features = dict.fromkeys(name for each in named for name in ((each,) if isinstance(each, str) else each))
    shown = {*list(features)[:FEATURES]}
    found = tuple(_window(each, part, check, event) for each in monitor.windows(shown, bars))
    part.windowed = now if found else part.windowed
    return found


def _window(window: Window, part: Part, check: DriftCheck, event: DriftEvent | None) -> DriftWindow:
    ends = [f"{edge:.9g}" for edge in window.edges]
    return DriftWindow(
        check.model,
        check.kind,
        window.feature,
        expected=_summed(ends, window.expected),
        observed=_summed(ends, window.observed),
        n=window.n,
        bars=window.bars,
        bar=part.bar,
        episode=check.episode if event is None else event.episode,
        version=check.version,
        reference=check.reference,
        event_time=part.at,
        against=window.against,
    )


def _summed(ends: Sequence[str], shares: Sequence[float]) -> dict[str, float]:
    """Return shares by their ends; ends that are the same in nine digits are one."""
    found: dict[str, float] = {}
    for end, share in zip(ends, shares, strict=True):
        found[end] = found.get(end, 0.0) + share
    return found
