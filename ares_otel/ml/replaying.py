"""A recorded history looked at again, by the monitors and in the order of a live bot; and what is told afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import WatchedModel
from ares_otel.ml import keeping
from ares_otel.ml.concept import LossName
from ares_otel.ml.condition import issues_of_parts
from ares_otel.ml.events import DriftEvent, DriftKind, Quantity, Since
from ares_otel.ml.making import Outcome, Plan, cards_of_state
from ares_otel.ml.naming import Named
from ares_otel.ml.profits import Edge
from ares_otel.ml.quality import Issue
from ares_otel.ml.segments import changes
from ares_otel.ml.tables import Table, TableError, read_table, told
from ares_otel.ml.telling import summary

__all__ = ["Asked", "Replayed", "card_of_file", "replay"]

MODEL = "model"
DATED = 10
"""Features of which changes are dated at most, those of the first alarms: it takes a second or more for each."""


class Asked(msgspec.Struct, frozen=True):
    """What a bot says at `ares.model()` beside its reference.

    Attributes:
        horizon: seconds from a prediction to its outcome; None: whenever it is told.
        loss: how a prediction is measured; None: as its values are.
        edge: what the model earns; None: profits are not looked at.
        outcomes: whether outcomes are told: without them the whole budget is for the rest.
    """

    horizon: float | None = None
    loss: LossName | None = None
    edge: Edge | None = None
    outcomes: bool = True


BARE = Asked()


class Replayed(msgspec.Struct, frozen=True):
    """What monitors said of a history.

    Attributes:
        model: name of the model.
        events: in their order.
        bars: that each kind of monitor was given.
        invalid: what could not be looked at.
        is_open: an episode was open at the end.
        named: which features moved in episodes that lasted long enough to be asked about.
        changes: of features in alarms, when they changed, as can be told afterwards.
        issues: what was wrong with values at the end, by kind.
    """

    model: str
    events: list[DriftEvent]
    bars: dict[str, int]
    invalid: int
    is_open: bool
    named: list[Named]
    changes: dict[str, list[Since]]
    issues: dict[str, list[Issue]]

    def says(self, event: DriftEvent) -> str:
        """Return an event in one sentence."""
        return summary(event, self.model)


def replay(file: Path, reference: Path | None, rows: int | None, settings: Drift, asked: Asked = BARE) -> Replayed:
    """Look at a history.

    Args:
        file: table of what a model was told.
        reference: table of training rows.
        rows: without it, how many bars at the beginning of the history are the reference; a history without features
            needs none.
        settings: of drift.
        asked: what else was said of the model.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file, or the reference, is none.
    """
    table = read_table(file)
    known = read_table(reference) if reference is not None else None
    if known is None and (rows is not None or table.features):
        if rows is None or not 0 < rows < table.length:
            raise TableError("give --reference FILE, or --rows N with fewer bars than the history has")
        known, table = table.part(0, rows), table.part(rows, table.length)
    model = WatchedModel(file.stem.partition(".")[0] or MODEL)
    horizon = None if asked.horizon is None else timedelta(seconds=asked.horizon)
    outcome = Outcome(horizon, asked.loss) if asked.outcomes else None
    watch = Plan(model, settings, MODEL, known, outcome=outcome, edge=asked.edge).make(quiet=True)
    events: list[DriftEvent] = []
    named: list[Named] = []
    watch.on_event, watch.on_named = events.append, named.append
    watch.feed(told(table))
    parts = watch.parts.values()
    return Replayed(
        watch.model.name,
        events,
        {part.name: part.bars for part in parts},
        watch.invalid,
        any(part.open for part in parts),
        named,
        _dated(table, events),
        {kind.value: list(issues) for kind, issues in issues_of_parts(parts).items() if issues},
    )


def _dated(table: Table, events: list[DriftEvent]) -> dict[str, list[Since]]:
    """Return when features in alarms changed, by name."""
    alarmed = [moved.feature for event in events if event.kind is DriftKind.DATA for moved in event.features]
    singles = [name for feature in alarmed for name in ([feature] if isinstance(feature, str) else feature)]
    times = table.times or [None] * table.length
    found = {}
    for name in [each for each in dict.fromkeys(singles) if each in table.features][:DATED]:
        try:
            values = np.array([np.nan if each is None else each for each in table.features[name]], np.float64)
        except (TypeError, ValueError):  # a category
            continue
        found[name] = [Since(place + 1, times[place]) for place in changes(values)]
    return found


def card_of_file(file: Path, settings: Drift) -> list[Quantity]:
    """Return the card of a table of training rows, or of a bot's state.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none of both.
    """
    if keeping.is_state(file):
        return list(cards_of_state(file))
    watch = Plan(WatchedModel(MODEL), settings, MODEL, read_table(file)).make(quiet=True)
    return [line for part in watch.parts.values() for line in part.monitor.card()]
