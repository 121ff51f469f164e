"""Detectors that take one row after another: those of alibi-detect, and anything with `update` and `drift_detected`."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from .detectors import Made, Rows

__all__ = ["WAYS", "Online", "Updated"]

GROWING: Final = {"test_stats": -1, "drift_preds": -1}
"""What grows with every row in a detector and is only ever read at its end, and how much of it stays."""


class Online:
    """An online detector of the library: a missing value is drawn from the reference, where it is neutral."""

    def __init__(self, parts: Made) -> None:
        kind = _remembering(parts)
        settings = dict(parts.settings)
        known = parts.reference[np.isfinite(parts.reference).all(axis=1)]
        self._columns = [column[np.isfinite(column)] for column in parts.reference.T]
        self._random = np.random.default_rng(parts.seed)
        self._windows = max(settings["window_sizes"])
        self._detector = kind(known, n_features=known.shape[1], verbose=False, **settings)
        self._detector.reset_state()

    def check(self, rows: Rows) -> dict[str, Any]:
        """Take each row; after an alarm begin anew, so that one shift is not counted with every row."""
        alarms: list[int] = []
        told: dict[str, Any] = {}
        for number, row in enumerate(rows):
            data = self._detector.predict(self._whole(row))["data"]
            told = told if alarms else data
            self._trim()
            if data["is_drift"]:
                alarms.append(number)
                self._detector.reset_state()
        return {
            "drifted": bool(alarms),
            "alarms": alarms,
            "statistic": _largest(told.get("test_stat")),
            "threshold": _largest(told.get("threshold")),
            "n": len(rows),
            "held": self._held(),
        }

    def _whole(self, row: Rows) -> Rows:
        absent = ~np.isfinite(row)
        if absent.any():
            row = row.copy()
            row[absent] = [self._random.choice(self._columns[j]) for j in np.flatnonzero(absent)]
        return row

    def _trim(self) -> None:
        """Keep of the state only what the next row reads."""
        for name, start in {**GROWING, "xs": -self._windows}.items():
            values = getattr(self._detector, name, None)
            if values is not None and len(values) > -start:
                setattr(self._detector, name, values[start:].copy())

    def _held(self) -> int:
        """Return how many rows of anything the state holds, by which growth would show."""
        return max(len(getattr(self._detector, name, ())) for name in (*GROWING, "xs"))


def _largest(values: Any) -> float | None:
    found = np.ravel(np.asarray(values, dtype=float)) if values is not None else np.empty(0)
    found = found[np.isfinite(found)]
    return float(found.max()) if found.size else None


def _remembering(parts: Made) -> Any:
    """Return the kind of detector, with thresholds that are simulated once and then read from the cache."""

    class Remembering(parts.kind):  # type: ignore[name-defined,misc]
        def _configure_thresholds(self) -> None:
            path = _place(parts)
            if path and path.exists():
                self.__dict__.update(_read(path))
                return
            before = {name: id(value) for name, value in vars(self).items()}
            super()._configure_thresholds()
            if path:
                _keep(path, {name: value for name, value in vars(self).items() if before.get(name) != id(value)})

    return Remembering


def _place(parts: Made) -> Path | None:
    """Return the file of thresholds: they follow from sizes and settings, and of shares also from those."""
    if not parts.cache:
        return None
    known = parts.reference[np.isfinite(parts.reference).all(axis=1)]
    shares = known.sum(axis=0).tolist() if "FET" in parts.kind.__name__ else []
    decides = [parts.kind.__name__, parts.version, known.shape, parts.settings, parts.seed, shares]
    name = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return Path(parts.cache, f"{parts.kind.__name__}-{name[:16]}.json")


def _read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: np.array(values, dtype=kind) for name, (kind, values) in found.items()}


def _keep(path: Path, simulated: Mapping[str, Any]) -> None:
    """Write all that the simulation left in the detector; what is no array would not come back as it was."""
    if not all(isinstance(value, np.ndarray) for value in simulated.values()):
        return
    kept = {name: (value.dtype.str, value.tolist()) for name, value in simulated.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(kept, file)
    os.replace(file.name, path)  # noqa: PTH105  whole or not at all


class Updated:
    """Anything that is told one number after the other by `update(x)` and says `drift_detected`, one of it a column."""

    def __init__(self, parts: Made) -> None:
        self._kind, self._settings = parts.kind, parts.settings
        self._each = [self._begun() for _ in range(parts.reference.shape[1])]
        for row in parts.reference:
            self._take(row)

    def check(self, rows: Rows) -> dict[str, Any]:
        """Tell it each value that is there; after an alarm begin with a new one."""
        alarms: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            for j in self._take(row):
                alarms.setdefault(j, []).append(number)
        return {
            "drifted": bool(alarms),
            "alarms": sorted({number for numbers in alarms.values() for number in numbers}),
            "columns": [{"column": j, "drifted": True} for j in sorted(alarms)],
            "n": len(rows),
        }

    def _take(self, row: Rows) -> list[int]:
        moved = []
        for j in np.flatnonzero(np.isfinite(row)):
            self._each[j].update(float(row[j]))
            if self._each[j].drift_detected:
                moved.append(int(j))
                self._each[j] = self._begun()
        return moved

    def _begun(self) -> Any:
        return self._kind(**self._settings)


WAYS: Final[dict[str, Callable[[Made], Online | Updated]]] = {"online": Online, "updated": Updated}
