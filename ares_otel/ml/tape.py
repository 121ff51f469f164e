"""What a watched model was told, kept so that it can be looked at again with nothing else at hand.

A file of JSON lines. A line with `begin` holds everything that verdicts depend on, as it was at that moment: the state
of all monitors, which are made of the reference, the budget, the edge and whatever else was said of the model. It is
written whenever a process begins to watch, whenever the model or its reference is another one, and at the head of each
file. The other lines are what was told since then, with every digit: features in order or by name, predictions, keys,
regimes, outcomes, profits, each with the time that the monitors took it for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ares_otel.decision.watched import Matured, Observed, Realized, Told
from ares_otel.guard import GUARD
from ares_otel.ml.frames import fields, is_missing
from ares_otel.ml.parts import Promise
from ares_otel.ml.regimes import label_of
from ares_otel.ml.rows import single
from ares_otel.ml.tables import BEGIN, REGIME, TableError

__all__ = ["Begun", "Stretch", "Tape", "stretches"]

WHERE: Final = "drift.tape"


class Begun(msgspec.Struct, frozen=True):
    """How a model is watched from here on.

    Attributes:
        promise: what its user is promised.
        state: of its monitors, compressed, with model, version and reference (`keeping.packed`).
    """

    promise: Promise
    state: bytes

    @classmethod
    def of(cls, promise: Promise, state: bytes) -> Begun:
        """Return the beginning of a stretch."""
        return cls(promise, zlib.compress(state))

    @property
    def whole(self) -> bytes:
        """The state as it was packed."""
        return zlib.decompress(self.state)


class Stretch(NamedTuple):
    """What was told between two beginnings.

    Attributes:
        begun: how the model was watched.
        told: to it, in its order.
    """

    begun: Begun
    told: list[Told]


class Tape:
    """Writes down what a model was told, one JSON object a line; at its limit the file becomes `.1`.

    Args:
        path: the file.
        limit: in bytes; twice what its head takes, if that is more.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._head = 0
        self._beginning: Callable[[], Begun] | None = None

    def begin(self, beginning: Callable[[], Begun]) -> None:
        """Write down how the model is watched, now and at the head of each file to come."""
        self._beginning = beginning
        try:
            self._append(self._begins(beginning()))
        except OSError as error:
            self._complain(error)

    def write(self, item: Told, at: int) -> None:
        """Append what was told, with the time that the monitors take it for; what fails is counted."""
        try:
            self._append(json.dumps(_line(item, at), default=_plain) + "\n")
        except (OSError, TypeError, ValueError) as error:
            self._complain(error)

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        limit = max(self._limit, 2 * self._head)
        if self.path.exists() and self.path.stat().st_size + len(line) > limit:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            if self._beginning is not None and not line.startswith(HEAD):
                line = self._begins(self._beginning()) + line
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _begins(self, begun: Begun) -> str:
        # a line of its own, even where a crash has left half a line
        line = f"{HEAD}:{msgspec.json.encode(begun).decode()}}}\n"
        self._head = len(line)
        return line

    def _complain(self, error: Exception) -> None:
        GUARD.complain(WHERE, type(error).__name__, f"{self.path}: {error}; a replay will miss it")


HEAD: Final = f'\n{{"{BEGIN}"'


def _line(item: Told, at: int) -> dict[str, object]:
    if isinstance(item, Realized):
        return {"at": at, "pnl": item.profit}
    if isinstance(item, Matured):
        return {"at": at, "key": str(item.key), "actual": item.actual}
    regime = item.in_regime()
    line = {
        "at": at,
        "x": single(item.x),
        "prediction": single(item.prediction),
        "key": None if item.key is None else str(item.key),
        REGIME: None if regime is None else label_of(regime),
    }
    return {name: _named(value) for name, value in line.items() if value is not None}


def _named(value: object) -> object:
    """Return what is by name with texts as names: JSON has no others."""
    return {str(name): each for name, each in value.items()} if isinstance(value, Mapping) else value


def _plain(value: Any) -> object:
    if isinstance(value, Mapping):
        return _named(value)
    if names := fields(value):
        return {name: value[name] for name in names}
    for name in ("to_dict", "tolist", "item", "__float__"):
        convert = getattr(value, name, None)
        if callable(convert):
            return _named(convert())
    return None if is_missing(value) else str(value)


def stretches(path: Path) -> tuple[list[Stretch], int]:
    """Return what a bot has kept of a model, and how many lines are of before anything was said of it.

    A file that says nothing of the model has no stretches: it is a table like others.

    Raises:
        OSError: it cannot be read.
        TableError: it was kept by a bot, and is damaged.
    """
    found: list[Stretch] = []
    before = 0
    torn = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            read = json.loads(line) if line.strip() else {}
        except ValueError:
            torn = torn or number
            continue
        if isinstance(read, dict) and BEGIN in read:
            torn = 0  # half a line before it is what a crash has left
            found.append(Stretch(_begun(path, number, read[BEGIN]), []))
        elif torn and found:
            raise TableError(f"{path}:{torn}: no JSON")
        elif found and read:
            found[-1].told.extend(_told(read))
        else:
            before += bool(read)
    return found, before


def _begun(path: Path, number: int, given: object) -> Begun:
    try:
        return msgspec.convert(given, Begun)
    except msgspec.ValidationError as error:
        raise TableError(
            f"{path}:{number}: says how a model was watched in another way than this version ({error})"
        ) from error


def _told(line: Mapping[str, Any]) -> Iterator[Told]:
    at = line.get("at")
    if "pnl" in line:
        yield Realized(line["pnl"], at, 0)
    elif "actual" in line:
        yield Matured(line.get("key"), line["actual"], at, 0)
    else:
        yield Observed(line.get("x"), line.get("prediction"), line.get("key"), at, 0, None, line.get(REGIME))
