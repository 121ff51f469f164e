"""From a row of live features, in whatever form, to the numbers that are watched; what is wrong with it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from ares_otel.ml.frames import NUMBERS, Column, fields, is_missing, number
from ares_otel.ml.scores import Floats

__all__ = ["Rows", "single"]

MOST: Final = 64
"""Unknown names that are remembered at most."""
SHOWN: Final = 5


class Rows:
    """Reads rows.

    Attributes:
        invalid: by feature, values that were no number.
        absent: by feature, rows by name that did not have it.
        unknown: by name, what rows by name had beyond the features; at most MOST names.
        unseen: by feature, categories that the reference does not know.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self._plain = not any(column.levels for column in columns)
        self._shape = (len(columns),)
        self._named = {column.name for column in columns}
        self.invalid: Counter[str] = Counter()
        self.absent: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()

    def read(self, row: Any) -> Floats:
        """Return the numbers of a row, NaN where there is none; a row of another length raises ValueError."""
        if type(row) is np.ndarray and row.dtype == np.float64 and row.shape == self._shape and self._plain:
            return row
        if self._plain and isinstance(row, list | tuple | np.ndarray) and not isinstance(row, np.ma.MaskedArray):
            found = _numbers_of(row)
            if found is not None and found.shape == self._shape:
                return found
        row = single(row)
        if names := fields(row):
            row = {name: row[name] for name in names}
        if isinstance(row, Mapping) or (hasattr(row, "keys") and hasattr(row, "__getitem__")):
            return self._numbers(self._by_name(row))
        return self._numbers(self._in_order(row))

    def _numbers(self, values: list[Any]) -> Floats:
        pairs = zip(self.columns, values, strict=True)
        return np.array([part for column, value in pairs for part in self._parts(column, value)], np.float64)

    def _in_order(self, row: Any) -> list[Any]:
        """Return the values of a row in the order of the features; of one feature, its value is a row, too."""
        is_plain = isinstance(row, str | bytes) or not isinstance(row, Iterable)
        values = row.tolist() if hasattr(row, "tolist") else row if is_plain else list(row)
        if not isinstance(values, list) and len(self.columns) == 1:
            return [values]
        if not isinstance(values, list) or len(values) != len(self.columns):
            said = f"{len(values)}" if isinstance(values, list) else type(values).__name__
            raise ValueError(f"a row has {len(self.columns)} values ({self._few()}), not {said}")
        return values

    def _few(self) -> str:
        names = [column.name for column in self.columns]
        return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

    def _by_name(self, row: Any) -> list[Any]:
        """Return the values of a row by name, None for what it does not have."""
        keys = {str(key): key for key in row.keys()}  # noqa: SIM118  (a series is iterated by its values)
        for name in keys.keys() - self._named:
            if name in self.unknown or len(self.unknown) < MOST:
                self.unknown[name] += 1
        self.absent.update(self._named - keys.keys())
        return [row[keys[column.name]] if column.name in keys else None for column in self.columns]

    def _parts(self, column: Column, value: Any) -> Iterable[float]:
        """Return the numbers of a value: one, or one for each category."""
        if not column.levels:
            found = number(value)
            if found is None:
                self.invalid[column.name] += 1
                return (np.nan,)
            return (found,)
        if is_missing(value):
            return (np.nan,) * len(column.levels)
        text = str(value)
        if text not in column.known:
            self.unseen[column.name] += 1
        return (float(text == level) for level in column.levels)


def single(row: Any) -> Any:
    """Return the one row of a table of one row; anything else as it is."""
    if len(getattr(row, "shape", ())) > 1 and len(row) == 1:
        return row.iloc[0] if hasattr(row, "iloc") else row.row(0, named=True) if hasattr(row, "row") else row[0]
    return row


def _numbers_of(row: Any) -> Floats | None:
    """Return a row of nothing but numbers; None if it is none."""
    try:
        found = np.asarray(row)
    except ValueError:  # of several lengths
        return None
    return found.astype(np.float64) if found.dtype.kind in NUMBERS else None
