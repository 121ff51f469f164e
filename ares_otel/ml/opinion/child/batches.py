"""Tests of one column at a time, each on the values that are there, with one correction over all columns."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .detectors import FEW, Made, Rows

__all__ = ["WAYS", "Columns"]


class Columns:
    """A detector of the library for each column, so that a missing value costs that column one value and no other any.

    The correction over columns (Bonferroni, which the library has by default, too) is over those that can be tested.
    """

    def __init__(self, parts: Made) -> None:
        self._parts = parts
        settings = parts.settings
        self._categorical = set(settings.pop("categorical", ()))
        self._needed = settings.pop("needed", FEW)
        self._known: dict[int, NDArray[np.float64]] = {}
        self._made: dict[tuple[int, bool], Any] = {}

    def check(self, rows: Rows) -> dict[str, Any]:
        """Test each column that has enough values."""
        tested = [j for j in range(rows.shape[1]) if self._values(rows, j).size >= self._needed]
        columns = [self._column(j, self._values(rows, j)) for j in tested]
        level = self._parts.level / max(len(columns), 1)
        for column in columns:
            column["drifted"] = column["p_value"] <= level
        least = min(columns, key=lambda column: float(column["p_value"]), default=None)
        return {
            "drifted": any(column["drifted"] for column in columns),
            "p_value": least and min(1.0, least["p_value"] * len(columns)),
            "statistic": least and least["statistic"],
            "threshold": self._parts.level,
            "columns": columns,
            "n": max((column["n"] for column in columns), default=0),
        }

    def _values(self, rows: Rows, j: int) -> NDArray[np.float64]:
        column = rows[:, j]
        return column[np.isfinite(column)]

    def _column(self, j: int, values: NDArray[np.float64]) -> dict[str, Any]:
        reference = self._reference(j)
        new = j in self._categorical and not np.isin(values, reference).all()
        if new:  # categories that the reference never had are one more of the test
            values = np.where(np.isin(values, reference), values, reference.max() + 1)
        if (j, new) not in self._made:
            self._made[j, new] = self._detector(j, reference, new=new)
        data = self._made[j, new].predict(values[:, None])["data"]
        return {
            "column": j,
            "n": int(values.size),
            "p_value": float(np.ravel(data["p_val"])[0]),
            "statistic": float(np.ravel(data["distance"])[0]),
        }

    def _reference(self, j: int) -> NDArray[np.float64]:
        if j not in self._known:
            values = self._values(self._parts.reference, j)
            if values.size < self._needed:
                raise ValueError(f"column {j} of the reference has {values.size} values, needed are {self._needed}")
            self._known[j] = values
        return self._known[j]

    def _detector(self, j: int, reference: NDArray[np.float64], *, new: bool) -> Any:
        settings = dict(self._parts.settings)
        if j in self._categorical:
            categories = [*np.unique(reference).tolist(), *([float(reference.max()) + 1] if new else [])]
            settings["categories_per_feature"] = {0: categories}
        return self._parts.kind(reference[:, None], p_val=self._parts.level, **settings)


WAYS: Final = {"columns": Columns, "categories": Columns, "mixed": Columns}
