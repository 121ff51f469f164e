"""Detectors of outliers: how many of a window's rows are as far out as few of the reference's were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .detectors import FEW, Made, Rows

__all__ = ["WAYS", "Outliers", "Series"]

LEARNS: Final = ("Mahalanobis",)
"""Detectors that learn from what they score; their `fit` is for something else."""

USUAL: Final = {"window_amp": 20, "window_local": 20, "n_est_points": 20}
"""Lengths of windows that a detector of series has to be given, as its documentation has them."""

RARE: Final = 99.0
"""Percentile of the reference's scores from which on a row is an outlier."""


class Outliers:
    """A detector that scores whole rows; fitted on the first half of the reference, its threshold is of the other."""

    def __init__(self, parts: Made) -> None:
        known = parts.reference[np.isfinite(parts.reference).all(axis=1)]
        if len(known) < 2 * FEW:
            raise ValueError(f"the reference has {len(known)} complete rows, needed are {2 * FEW}")
        self._percentile = parts.settings.pop("percentile", RARE)
        self._parts = parts
        if parts.kind.__name__ in LEARNS:
            parts.settings.setdefault("n_components", min(3, known.shape[1]))
        self._learned, self._judged = known[: len(known) // 2], known[len(known) // 2 :]
        self._begin()
        self._of_reference = self._count(self._judged)

    def check(self, rows: Rows) -> dict[str, Any]:
        """Count outliers among the complete rows, by a detector that has not learned from earlier windows."""
        left = rows[np.isfinite(rows).all(axis=1)]
        if len(left) < FEW:
            return {"drifted": False, "n": len(left), "note": f"{len(left)} complete rows, needed are {FEW}"}
        self._begin()
        outliers = self._count(left)
        return {
            "outliers": [outliers, len(left), self._of_reference, len(self._judged)],
            "statistic": outliers / len(left),
            "n": len(left),
        }

    def _begin(self) -> None:
        """Make it anew: one that learns from what it scores would forget the reference."""
        self._detector = self._parts.kind(**self._parts.settings)
        if self._parts.kind.__name__ in LEARNS:
            self._detector.score(self._learned)
        else:
            self._detector.fit(self._learned)
        self._detector.infer_threshold(self._judged, threshold_perc=self._percentile)

    def _count(self, rows: Rows) -> int:
        return int(np.sum(self._detector.predict(rows)["data"]["is_outlier"]))


class Series:
    """A detector that scores a series in its order, one of it a column; gaps are filled with the value before."""

    def __init__(self, parts: Made) -> None:
        self._percentile = parts.settings.pop("percentile", RARE)
        self._parts = parts
        self._each: dict[int, tuple[Any, int, int]] = {}
        for j in range(parts.reference.shape[1]):
            series = _filled(parts.reference[:, j])
            if len(series) >= 2 * FEW:
                detector = parts.kind(**{**USUAL, **parts.settings})
                detector.infer_threshold(series, threshold_perc=self._percentile)
                self._each[j] = detector, self._count(detector, series), len(series)

    def check(self, rows: Rows) -> dict[str, Any]:
        """Count outliers of each column."""
        columns: list[dict[str, Any]] = []
        for j, (detector, usual, size) in self._each.items():
            series = _filled(rows[:, j])
            if len(series) >= FEW:
                outliers = self._count(detector, series)
                columns.append({"column": j, "n": len(series), "outliers": [outliers, len(series), usual, size]})
        return {"columns": columns, "n": max((int(each["n"]) for each in columns), default=0)}

    def _count(self, detector: Any, series: Rows) -> int:
        return int(np.sum(detector.predict(series)["data"]["is_outlier"]))


def _filled(column: Rows) -> Rows:
    """Return a column from its first value on, without gaps."""
    there = np.isfinite(column)
    if not there.any():
        return column[:0]
    first = int(np.argmax(there))
    at = np.maximum.accumulate(np.where(there, np.arange(len(column)), 0))
    return column[at][first:]


WAYS: Final[dict[str, Callable[[Made], Outliers | Series]]] = {"outliers": Outliers, "series": Series}
