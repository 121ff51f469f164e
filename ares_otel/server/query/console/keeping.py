"""How retention, back-ups and forwarding stand, as the store notes it."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from ares_otel.server.keep.standing import NOTES, Standing, tell
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Keeping", "keeping"]


class Keeping(msgspec.Struct, frozen=True):
    """How each work stands; None for one that was never tried."""

    retention: Standing | None
    backup: Standing | None
    influx: Standing | None


def keeping(reader: Reader) -> Keeping:
    """Return how the works of keeping stand."""
    query = select(t.meta.c.key, t.meta.c.value).where(t.meta.c.key.in_(NOTES.values()))
    notes = {str(key): str(value) for key, value in reader.db.execute(query)}
    return Keeping(**{work: tell(notes[key]) if key in notes else None for work, key in NOTES.items()})
