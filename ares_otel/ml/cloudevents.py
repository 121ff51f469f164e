"""Drift as CloudEvents 1.0, structured JSON, and the file that hands them on.

The id is made of what the event is about, so that whoever reads the file after a crash and restart can tell a
repetition: the same start or end of the same episode of the same model and reference has the same id for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ares_otel.guard import GUARD
from ares_otel.ml.budget import Line
from ares_otel.ml.events import DriftEvent, DriftState, Moved, Quantity

__all__ = ["CLEARED", "DETECTED", "NAMED", "TYPES", "About", "Outbox", "cloud_event", "identity", "quantity"]

DETECTED: Final = "io.ares.ml.drift.detected.v1"
NAMED: Final = "io.ares.ml.drift.named.v1"
CLEARED: Final = "io.ares.ml.drift.cleared.v1"
TYPES: Final = {DriftState.STARTED: DETECTED, DriftState.NAMED: NAMED, DriftState.CLEARED: CLEARED}
WHERE: Final = "drift.outbox"
DIGITS: Final = 32
SECOND: Final = 1_000_000_000


class About(msgspec.Struct, frozen=True):
    """What an event is about.

    Attributes:
        service: name of the bot.
        model: name of the model.
        version: of the model.
        reference: hash of the reference.
    """

    service: str
    model: str
    version: str | None
    reference: str


def quantity(moved: Moved | Quantity | Line) -> str:
    """Return the name of a monitored quantity, `feature:moment`; that of a pair is `a & b:dependence`."""
    feature = moved.feature if isinstance(moved.feature, str) else " & ".join(moved.feature)
    return f"{feature}:{moved.moment}"


def cloud_event(event: DriftEvent, about: About, time: int, traceparent: str, summary: str = "") -> dict[str, Any]:
    """Return an event in the structured JSON form.

    Args:
        event: the start or end of an episode, or names of its features.
        about: whose.
        time: when it was found, Unix ns.
        traceparent: of the check that found it.
        summary: the event in one sentence.
    """
    since = event.since
    return {
        "specversion": "1.0",
        "id": identity(event, about),
        "source": f"/ares-otel/{about.service}",
        "type": TYPES[event.state],
        "subject": about.model,
        "time": _stamp(time),
        "datacontenttype": "application/json",
        "traceparent": traceparent,
        "data": {
            "model": about.model,
            "version": about.version,
            "reference": about.reference,
            "kind": event.kind.value,
            "state": event.state.value,
            "episode": event.episode,
            "severity": event.severity.value,
            "effect": event.effect,
            "evidence": event.evidence,
            "bar": event.bar,
            "at": _stamp(event.at),
            "since": None if since is None else {"bar": since.bar, "at": _stamp(since.at)},
            "names": list(event.names),
            "features": [_moved(each) for each in event.features],
            "summary": summary,
        },
    }


def identity(event: DriftEvent, about: About) -> str:
    """Return what tells this event from all others, the same in every process that finds it."""
    parts = (*msgspec.structs.astuple(about), event.kind.value, event.episode, event.state.value)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]


def _moved(moved: Moved) -> dict[str, Any]:
    feature = moved.feature if isinstance(moved.feature, str) else list(moved.feature)
    found = {**msgspec.structs.asdict(moved), "feature": feature, "moment": moved.moment.value}
    return {name: value for name, value in found.items() if value is not None}


def _stamp(time: int | None) -> str | None:
    if time is None:
        return None
    moment = datetime.fromtimestamp(time // SECOND, UTC)
    fraction = f"{time % SECOND:09d}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"


class Outbox:
    """A file of one CloudEvent a line; each is on disk before the next step, and none comes twice.

    At the size limit the file moves to `.1`, in place of the one before.

    Args:
        path: the file.
        limit: size in bytes at which it moves.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._known: set[str] | None = None

    def put(self, event: dict[str, Any]) -> bool:
        """Append an event; False if it is there already or cannot be written (which is counted)."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            known = self._ids()
            if event["id"] in known:
                return False
            self._write(json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            known.add(event["id"])
        except (OSError, ValueError) as error:
            GUARD.complain(WHERE, type(error).__name__, f"{self.path}: {error}; the event is in the log and spans only")
            return False
        return True

    def _ids(self) -> set[str]:
        if self._known is None:
            self._known = {str(event.get("id")) for path in (self._former, self.path) for event in _events(path)}
        return self._known

    @property
    def _former(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def _write(self, line: bytes) -> None:
        if self.path.exists() and self.path.stat().st_size + len(line) > self._limit:
            self.path.replace(self._former)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if _is_torn(self.path):
                line = b"\n" + line
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a file; a line that a crash has torn is none."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _is_torn(path: Path) -> bool:
    """Tell whether the last line of a file has no end."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
