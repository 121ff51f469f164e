"""What a watch remembers beside its monitors, and the header of its state file, which holds that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from ares_otel.ml.cloudevents import About
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState
from ares_otel.ml.naming import Naming, NamingState
from ares_otel.ml.parts import Monitor, Part
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.ml.trail import Awaited, Trail
from ares_otel.records import DriftCheck

__all__ = ["Beside", "PartState", "State", "superseded"]

FORMAT: Final = 1


class Beside:
    """What belongs to no single monitor.

    Attributes:
        awaited: decisions of predictions whose outcome is not known yet.
        newest: the newest decision, None before the first: a profit is of it and those before.
        concepts: episodes of concept drift so far, where both losses and profits tell of it.
        naming: which features moved in episodes.
    """

    def __init__(self) -> None:
        self.awaited = Awaited()
        self.newest: str | None = None
        self.concepts = 0
        self.naming = Naming()

    def opened(self, part: Part, event: DriftEvent, *, through: bool) -> DriftEvent:
        """Note in its part whether an episode is open; those of concept drift may have to be numbered through."""
        begun = part.open.pop(event.kind, None)
        if through and event.kind is DriftKind.CONCEPT:
            self.concepts += event.state == DriftState.STARTED
            number = self.concepts if begun is None else begun.episode
            event = msgspec.structs.replace(event, episode=number)
        if event.state == DriftState.STARTED:
            part.open[event.kind] = event
        return event

    def header(self, about: About, parts: Iterable[Part]) -> bytes:
        """Return the header of a state file."""
        state = State(
            FORMAT,
            about,
            [PartState.of(part) for part in parts],
            awaited=self.awaited.state(),
            newest=self.newest,
            concepts=self.concepts,
            naming=self.naming.state(),
        )
        return msgspec.json.encode(state)


class PartState(msgspec.Struct, frozen=True):
    """What is remembered of a part beside its monitor; files of before have no names and no trails."""

    kind: DriftKind
    bars: int
    open: list[DriftEvent]
    at: int | None
    name: str = ""
    trail: list[tuple[int, str]] = []
    bar: int | None = None

    @property
    def title(self) -> str:
        """Name of the part."""
        return self.name or self.kind.value

    @classmethod
    def of(cls, part: Part) -> PartState:
        """Return what is remembered of a part."""
        return cls(part.kind, part.bars, list(part.open.values()), part.at, part.name, part.trail.state(), part.bar)

    def resume(self, part: Part, monitor: Monitor, decisions: list[tuple[int, str]]) -> None:
        """Let a part go on; decisions of all parts together were numbered as the bars of features."""
        part.monitor, part.bars, part.at = monitor, self.bars, self.at
        part.told = part.bar
        part.open = {event.kind: event for event in self.open}
        features = self.kind in {DriftKind.DATA, DriftKind.PREDICTION}
        part.trail = Trail(self.trail or (decisions if features else ()))


class State(msgspec.Struct, frozen=True):
    """The header of a state file; `decisions` are those of all parts together, before each had its own."""

    format: int
    about: About
    parts: list[PartState]
    decisions: list[tuple[int, str]] = []
    awaited: dict[str, str] = {}
    newest: str | None = None
    concepts: int = 0
    naming: NamingState | None = None

    def is_of(self, about: About, names: AbstractSet[str]) -> bool:
        """Tell whether it is the state of this model, version and reference, with these parts."""
        return self.format == FORMAT and self.about == about and {part.title for part in self.parts} == names

    def resume(self, parts: Mapping[str, Part], monitors: Mapping[str, Monitor]) -> Beside:
        """Let parts go on with their monitors; return what was remembered beside them."""
        for each in self.parts:
            each.resume(parts[each.title], monitors[each.title], self.decisions)
        made = Beside()
        made.awaited, made.newest, made.concepts = Awaited(self.awaited), self.newest, self.concepts
        made.naming = Naming.of(self.naming)
        return made


def superseded(state: State, teller: Teller | Quiet) -> Iterator[DriftEvent]:
    """Say that what was open in a state is over, as its model or reference is another one; yield each end."""
    about = state.about
    for part in state.parts:
        for event in part.open:
            bar = part.bars if part.bar is None else part.bar
            over = msgspec.structs.replace(event, state=DriftState.CLEARED, bar=bar, at=part.at)
            check = DriftCheck(about.model, event.kind, version=about.version, reference=about.reference)
            teller.of(about).check(check, [(over, ())])
            yield over
