"""A recorded history looked at again, by the monitors and in the order of a live bot."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import WatchedModel
from ares_otel.ml import keeping
from ares_otel.ml.events import DriftEvent, Quantity
from ares_otel.ml.making import Plan, cards_of_state
from ares_otel.ml.tables import TableError, read_table, told
from ares_otel.ml.telling import summary

__all__ = ["Replayed", "card_of_file", "replay"]

MODEL = "model"


class Replayed(msgspec.Struct, frozen=True):
    """What monitors said of a history.

    Attributes:
        model: name of the model.
        events: in their order.
        bars: that each kind of monitor was given.
        invalid: what could not be looked at.
        is_open: an episode was open at the end.
    """

    model: str
    events: list[DriftEvent]
    bars: dict[str, int]
    invalid: int
    is_open: bool

    def says(self, event: DriftEvent) -> str:
        """Return an event in one sentence."""
        return summary(event, self.model)


def replay(file: Path, reference: Path | None, rows: int | None, settings: Drift) -> Replayed:
    """Look at a history.

    Args:
        file: table of what a model was told.
        reference: table of training rows.
        rows: without it, how many bars at the beginning of the history are the reference.
        settings: of drift.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file, or the reference, is none.
    """
    table = read_table(file)
    known = read_table(reference) if reference is not None else None
    if known is None:
        if rows is None or not 0 < rows < table.length:
            raise TableError("give --reference FILE, or --rows N with fewer bars than the history has")
        known, table = table.part(0, rows), table.part(rows, table.length)
    watch = Plan(WatchedModel(file.stem.partition(".")[0] or MODEL), settings, MODEL, known).make(quiet=True)
    events: list[DriftEvent] = []
    watch.on_event = events.append
    watch.feed(told(table))
    bars = {part.kind.value: part.bars for part in watch.parts.values()}
    return Replayed(watch.model.name, events, bars, watch.invalid, any(part.open for part in watch.parts.values()))


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
