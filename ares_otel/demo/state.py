"""Going on after a stop: all that the demo remembers, in one JSON file that is never half written."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from ares_otel.demo.bot import BotState
from ares_otel.demo.venue import VenueState

__all__ = ["DemoState", "StateError", "StateFile"]

FORMAT = 1


class StateError(ValueError):
    """The file is not a state that this demo can go on from."""


class DemoState(msgspec.Struct):
    """Everything needed to go on as if nothing had been.

    There are no generator states: every random draw in the demo is made from the seed and the number of what it is
    drawn for. There are no models: they are fitted again from the same bars and seeds when they are asked for.

    Attributes:
        run: first part of all ids.
        seed: of everything that is drawn.
        bots: by strategy.
        venue: accounts and working orders of the paper venue.
        lap: passes through the history, from 1.
        step: decisions taken in this lap.
        time: end of the last bar that was settled (live).
        format: version of this structure.
    """

    run: str
    seed: int
    bots: dict[str, BotState]
    venue: VenueState
    lap: int = 1
    step: int = 0
    time: datetime | None = None
    format: int = FORMAT


class StateFile:
    """Keeps a `DemoState` in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> DemoState | None:
        """Return what was saved, None if nothing was.

        Raises:
            StateError: the file is damaged, or of another version of the demo.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            state = msgspec.json.decode(content, type=DemoState)
        except msgspec.DecodeError as error:
            raise StateError(f"{self.path} is not a state of the demo ({error}); remove it to begin anew") from error
        if state.format != FORMAT:
            raise StateError(f"{self.path} has format {state.format}, not {FORMAT}; remove it to begin anew")
        return state

    def save(self, state: DemoState) -> None:
        """Replace the file in one move: a reader, or the next start, finds the old state or the new one, whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
