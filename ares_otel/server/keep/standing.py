"""How the works of keeping stand, as notes in the store: pages, API and other processes read them there."""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from ares_otel.server.keep.notes import Connection, note, remember

__all__ = ["NOTES", "Observed", "Standing", "Work", "encoded", "failed", "read", "tell", "write"]

Work: TypeAlias = Literal["retention", "backup", "influx"]

NOTES: Final[dict[Work, str]] = {work: f"standing.{work}" for work in ("retention", "backup", "influx")}
"""Key of the note, by work."""

LONGEST: Final = 500


class Observed(Protocol):
    """Takes measured values, as prometheus_client's histograms do."""

    def observe(self, amount: float, /) -> None:
        """Take one."""


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a work stands; what is unknown is None.

    Attributes:
        ended: Unix ns of the last success.
        seconds: how long that took.
        amount: what it did: rows deleted, bytes of the copy, points that were taken.
        lost: points that will never be taken, since the server's start.
        waiting_since: Unix ns of the oldest that waits.
        failures: failures in all.
        failed: Unix ns of the last failure.
        problem: why that was; None once it has worked again.
    """

    ended: int | None = None
    seconds: float | None = None
    amount: int | None = None
    lost: int | None = None
    waiting_since: int | None = None
    failures: int = 0
    failed: int | None = None
    problem: str | None = None


def read(db: Connection, work: Work) -> Standing:
    """Return how a work stands."""
    return tell(note(db, NOTES[work]))


def tell(text: str | None) -> Standing:
    """Return what a note says; nothing where there is none or another version wrote it."""
    try:
        return msgspec.json.decode(text, type=Standing) if text else Standing()
    except msgspec.DecodeError:
        return Standing()


def write(db: Connection, work: Work, standing: Standing) -> None:
    """Note how a work stands; within the caller's transaction."""
    remember(db, NOTES[work], encoded(standing))


def encoded(standing: Standing) -> str:
    """Return a note."""
    return msgspec.json.encode(standing).decode()


def failed(before: Standing, now: int, problem: object) -> Standing:
    """Return how a work stands after a failure."""
    said = " ".join(str(problem).split())[:LONGEST] or type(problem).__name__
    return msgspec.structs.replace(before, failures=before.failures + 1, failed=now, problem=said)
