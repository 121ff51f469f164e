"""Tests of whole rows: a classifier that tells window from reference, a model's uncertainty, kernels."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import numpy as np

from .detectors import FEW, Made, MissingError, Rows

__all__ = ["WAYS", "Kernels", "Whole"]

LARGEST_GAP: Final = 0.5
"""Share of missing values from which on a column is left out of a window instead of its rows."""

KEPT: Final = 4
"""Detectors that are kept, of different sets of columns."""

BACKENDS: Final = (("torch", "pytorch"), ("tensorflow", "tensorflow"), ("pykeops", "keops"))
SEEDS: Final = {
    "pytorch": ("torch", "manual_seed"),
    "tensorflow": ("tensorflow", "random.set_seed"),
    "keops": ("torch", "manual_seed"),
}
"""By backend: the module that permutes, and what makes it do the same again."""

PERMUTATIONS: Final = (100, 10_000)
"""At least and at most so many: with n of them chance alone finds none larger, p = 0, once in n + 1 times."""


class Whole:
    """A detector of whole rows: columns that are mostly missing are left out, then rows that are not complete."""

    def __init__(self, parts: Made, *, standardized: bool = True) -> None:
        self._parts = parts
        self._needed = parts.settings.pop("needed", FEW)
        self._center, self._scale = _moments(parts.reference)
        if not standardized:
            self._center, self._scale = np.zeros_like(self._center), np.ones_like(self._scale)
        self._made: dict[tuple[int, ...], Any] = {}

    def check(self, rows: Rows) -> dict[str, Any]:
        """Test the rows that are complete in the columns that are not mostly missing."""
        used = [j for j in range(rows.shape[1]) if np.isfinite(rows[:, j]).mean() > 1 - LARGEST_GAP]
        left = _complete(self._scaled(rows)[:, used])[: len(rows) * bool(used)]
        if len(left) < self._needed:
            return {"drifted": False, "n": len(left), "note": f"{len(left)} complete rows, needed are {self._needed}"}
        data = self._detector(tuple(used)).predict(left)["data"]
        return {
            "drifted": bool(data["is_drift"]),
            "p_value": _number(data.get("p_val")),
            "statistic": _number(data.get("distance")),
            "threshold": self._parts.level,
            "columns": [{"column": j} for j in used],
            "n": len(left),
        }

    def _scaled(self, rows: Rows) -> Rows:
        scaled: Rows = (rows - self._center) / self._scale
        return scaled

    def _detector(self, used: tuple[int, ...]) -> Any:
        if used not in self._made:
            if len(self._made) >= KEPT:
                del self._made[next(iter(self._made))]
            reference = _complete(self._scaled(self._parts.reference)[:, list(used)])
            if len(reference) < self._needed:
                raise ValueError(f"the reference has {len(reference)} complete rows, needed are {self._needed}")
            self._made[used] = self._parts.kind(reference, p_val=self._parts.level, **self._parts.settings)
        return self._made[used]


class Kernels(Whole):
    """A permutation test by kernels: with enough permutations for its level, and the same ones for the same rows."""

    def __init__(self, parts: Made) -> None:
        fewest, most = PERMUTATIONS
        parts.settings.setdefault("n_permutations", int(min(max(fewest, math.ceil(1 / parts.level)), most)))
        super().__init__(parts)

    def check(self, rows: Rows) -> dict[str, Any]:
        """Test as any detector of whole rows, from the seed on."""
        module, seeding = SEEDS[self._parts.settings["backend"]]
        attrgetter(seeding)(importlib.import_module(module))(self._parts.seed)
        return super().check(rows)


def _moments(reference: Rows) -> tuple[Rows, Rows]:
    known = np.ma.masked_invalid(reference)
    scale = known.std(axis=0).filled(1.0)
    return known.mean(axis=0).filled(0.0), np.where(scale > 0, scale, 1.0)


def _complete(rows: Rows) -> Rows:
    return rows[np.isfinite(rows).all(axis=1)]


def _number(value: Any) -> float | None:
    return None if value is None else float(np.ravel(value)[0])


def _classifier(parts: Made) -> Whole:
    """Return a detector by a classifier of scikit-learn, which comes with the library."""
    model = importlib.import_module("sklearn.linear_model").LogisticRegression(max_iter=1_000)
    parts.settings.update({"model": model, "backend": "sklearn", "preds_type": "probs", "seed": parts.seed})
    return Whole(parts)


def _uncertainty(parts: Made) -> Whole:
    """Return a detector by the entropy of predictions: the rows are those, no model leaves the bot's process."""
    parts.settings.update({"model": _same, "backend": None, "preds_type": "probs"})
    parts.settings.setdefault("uncertainty_type", "entropy")
    return Whole(parts, standardized=False)


def _same(rows: Rows) -> Rows:
    """Return class probabilities as they are; of a single column, that of the other class beside it."""
    return rows if rows.shape[1] > 1 else np.column_stack([rows, 1 - rows])


def _kernel(parts: Made) -> Whole:
    """Return a detector by kernels, with the first backend that is installed."""
    found = [name for module, name in BACKENDS if importlib.util.find_spec(module)]
    if not found:
        raise MissingError("needs PyTorch or TensorFlow: pip install 'alibi-detect[torch]'")
    parts.settings.setdefault("backend", found[0])
    return Kernels(parts)


WAYS: Final[dict[str, Callable[[Made], Whole]]] = {
    "classifier": _classifier,
    "uncertainty": _uncertainty,
    "kernel": _kernel,
}
