"""What each process last said of its telemetry, as a note in the table `meta`."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["TOLD", "Told"]

TOLD: Final = "telemetry."
"""Key of a note, before the process's id."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the process began; None where it does not say.

    Attributes:
        time: Unix ns of the word; first, so that notes sort by it.
        service: the bot.
        recorded: all of the below.
        acknowledged: spans that the receiver had acknowledged.
        lost: spans and records that will never be delivered.
        waiting: spans on their way, the word among them.
        spooled: those of them on disk.
    """

    time: int
    service: str | None = None
    recorded: int | None = None
    acknowledged: int | None = None
    lost: int | None = None
    waiting: int | None = None
    spooled: int | None = None

    @property
    def text(self) -> str:
        """The note."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Told:
        """Return what a note says; a time of 0 where another version wrote it."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return cls(time=0)
