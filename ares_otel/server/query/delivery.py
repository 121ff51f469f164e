"""What the bots' processes recorded and what became of it, as they say themselves every ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
from sqlalchemy import func, select

from ares_otel.server.query.asking import EPOCH, Moment
from ares_otel.server.store import schema as t
from ares_otel.server.store.told import TOLD, Told
from ares_otel.server.story.reader import Reader

__all__ = ["Delivered", "Delivery", "delivered", "deliveries"]

MOST: Final = 500
LATELY: Final = timedelta(days=1)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The newest word of a process; counts are since it began, spans that it took over from the disk included.

    Batches go in their order: when the word came, all that had been recorded before it had come or was lost.
    """

    service: str | None
    instance: str
    said: Moment
    recorded: int
    delivered: int
    lost: int
    spooled: int | None


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the processes that said something within a day before the newest word."""

    said: Moment
    processes: int
    recorded: int
    delivered: int
    lost: int


def deliveries(reader: Reader) -> tuple[Delivery, ...]:
    """List what processes recorded and what became of it, the newest word first."""
    row = t.meta.c
    # a note begins with its time
    query = select(row.key, row.value).where(func.substr(row.key, 1, len(TOLD)) == TOLD).order_by(row.value.desc())
    told = [(str(key)[len(TOLD) :], Told.read(value)) for key, value in reader.db.execute(query.limit(MOST))]
    return tuple(
        Delivery(
            service=each.service,
            instance=instance,
            said=EPOCH + timedelta(microseconds=each.time // 1_000),
            recorded=each.recorded,
            delivered=max(each.recorded - each.lost, 0),
            lost=each.lost,
            spooled=each.spooled,
        )
        for instance, each in told
        if each.recorded is not None and each.lost is not None
    )


def delivered(found: Sequence[Delivery]) -> Delivered | None:
    """Return the sums of those that spoke lately, None if nobody has spoken."""
    if not found:
        return None
    newest = max(each.said for each in found)
    lately = [each for each in found if newest - each.said <= LATELY]
    return Delivered(
        said=newest,
        processes=len(lately),
        recorded=sum(each.recorded for each in lately),
        delivered=sum(each.delivered for each in lately),
        lost=sum(each.lost for each in lately),
    )
