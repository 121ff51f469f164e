"""The parts of a watched model: its monitors, what is remembered of their bars, and both as records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec

from ares_otel.ml.cloudevents import About, quantity
from ares_otel.ml.events import DriftEvent, DriftKind, Moved, Quantity
from ares_otel.records import DriftCard, DriftCheck
from ares_otel.semconv.enums import DriftResult

__all__ = ["Awaiting", "Cadence", "Monitor", "Part", "Promise", "card_of", "check_of"]

SHOWN: Final = 128
"""Quantities that a check tells of, those with most evidence."""


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


def check_of(part: Part, kind: DriftKind, about: About, links: tuple[str, ...]) -> DriftCheck:
    """Return how a monitor stands as a record."""
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
