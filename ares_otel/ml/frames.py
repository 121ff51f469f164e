"""From what users have (arrays, frames, mappings by name) to a matrix of numbers; imports neither pandas nor polars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from ares_otel.ml.scores import Floats

__all__ = ["Column", "Table", "Time", "fields", "is_missing", "nanoseconds", "number", "table_of", "titles_of"]

Time: TypeAlias = datetime | int
"""An aware `datetime`, a naive one in UTC, a `numpy.datetime64`, or Unix ns."""
Objects: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[Any]]

LEVELS: Final = 8
"""Categories of a feature that are watched at most, the most frequent ones."""
COMMON: Final = 0.01
"""Share that a category has at least to be watched."""
NUMBERS: Final = "fiub"
TWO: Final = 2
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Column(msgspec.Struct, frozen=True):
    """A feature as it was given.

    Attributes:
        name: of the feature.
        levels: the categories that are watched, empty for a number.
        known: all categories that were seen.
    """

    name: str
    levels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class Table(NamedTuple):
    """A reference as a matrix.

    Attributes:
        columns: the features as they were given.
        values: bars x numbers, NaN where missing; a category has a column of 0 and 1.
        names: of the numbers.
        binary: which numbers have two values.
        times: of the bars, Unix ns; None without any.
    """

    columns: tuple[Column, ...]
    values: Floats
    names: tuple[str, ...]
    binary: tuple[bool, ...]
    times: np.ndarray[tuple[int], np.dtype[np.int64]] | None


def is_missing(value: object) -> bool:
    """Tell whether there is no value: None, NaN of any type, NaT and NA of pandas."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124  (NaN, NaT)
    except TypeError:  # NA answers no question
        return True
    except ValueError:  # an array answers many
        return False


def number(value: object) -> float | None:
    """Return a value as a number, NaN if it is missing; None if it is none."""
    if is_missing(value):
        return float("nan")
    if isinstance(value, str | bytes):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def nanoseconds(at: object) -> int | None:
    """Return a time as Unix ns; None if there is none. What is no time raises TypeError, one after 2262 ValueError."""
    if is_missing(at):
        return None
    found = _nanoseconds(at)
    if not -(2**63) <= found < 2**63:
        raise ValueError(f"a time is between the years 1677 and 2262, not {at}")
    return found


def _nanoseconds(at: object) -> int:
    if isinstance(at, datetime):
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        past = aware - EPOCH
        return (past.days * 86_400 + past.seconds) * 10**9 + past.microseconds * 1000
    if isinstance(at, np.datetime64):
        return int(at.astype("datetime64[ns]").astype(np.int64))
    if isinstance(at, int | np.integer):
        return int(at)
    raise TypeError(f"a time is a datetime, a numpy.datetime64 or Unix ns as int, not {type(at).__name__}")


def table_of(reference: object, names: Sequence[str] | None = None, times: object = None) -> Table:
    """Return an array (bars x features), a frame of pandas or polars, or a mapping of columns as a matrix."""
    given = _picked(_by_name(reference), names)
    listed = _listed(names, len(given), [name for name, _ in given])
    made = [_converted(name, values) for name, (_, values) in zip(listed, given, strict=True)]
    values = np.concatenate([numbers for _, numbers, _ in made], 1)
    titles = tuple(title for column, _, _ in made for title in titles_of(column))
    binary = tuple(flag for _, _, flags in made for flag in flags)
    found = times if times is not None else _index(reference)
    return Table(tuple(column for column, _, _ in made), values, titles, binary, _times(found, len(values)))


def titles_of(column: Column) -> Iterable[str]:
    """Return what the numbers of a feature are called."""
    return [f"{column.name}={level}" for level in column.levels] or [column.name]


def _picked(given: list[tuple[str | None, Objects]], names: Sequence[str] | None) -> list[tuple[str | None, Objects]]:
    """Return the columns in the order of the names, where these are names of columns and not new ones."""
    known = {name: (name, values) for name, values in given if name is not None}
    asked = [str(name) for name in names or ()]
    if not any(name in known for name in asked):
        return given
    if unknown := [name for name in asked if name not in known]:
        raise ValueError(f"the reference has no column {unknown[0]!r}, only {', '.join(known)}")
    return [known[name] for name in asked]


def _by_name(reference: object) -> list[tuple[str | None, Objects]]:
    """Return the columns, with names where they have some."""
    columns = getattr(reference, "columns", None)
    if columns is None:
        columns = list(reference) if isinstance(reference, Mapping) else fields(reference)
    if columns is not None and hasattr(reference, "__getitem__"):
        found = [(str(name), _column(reference[name], str(name))) for name in columns]
        if not found:
            raise ValueError("a reference needs at least one column")
        if len({len(values) for _, values in found}) > 1:
            raise ValueError("the columns of a reference must be equally long")
        return [(name, values) for name, values in found]
    matrix = _array(reference)
    if matrix.ndim == 0:
        said = type(reference).__name__
        raise TypeError(f"a reference is an array of shape (bars, features), a frame or columns by name, not {said}")
    if matrix.ndim != TWO or matrix.shape[1] == 0:
        raise ValueError(f"a reference is an array of shape (bars, features), not of shape {matrix.shape}")
    return [(None, matrix[:, place]) for place in range(matrix.shape[1])]


def fields(given: object) -> tuple[str, ...] | None:
    """Return the names of a structured array or record of numpy; None of anything else."""
    return given.dtype.names if isinstance(given, np.ndarray | np.void) else None


def _array(values: Any) -> Objects:
    """Return values as an array, in which what a mask hides is None."""
    return np.asarray(values.tolist() if isinstance(values, np.ma.MaskedArray) else values)


def _column(values: object, name: str) -> Objects:
    numpy = getattr(values, "to_numpy", None)
    found = _array(numpy() if numpy is not None else values)
    if found.ndim != 1:
        raise ValueError(f"column {name!r} of the reference is no series of values (are there two of that name?)")
    return found


def _listed(names: Sequence[str] | None, count: int, own: Sequence[str | None]) -> list[str]:
    """Return the names of the features, given ones before those of the frame."""
    listed = (
        [str(name) for name in names]
        if names is not None
        else [name if name is not None else f"f{place}" for place, name in enumerate(own)]
    )
    if len(listed) != count:
        raise ValueError(f"{len(listed)} names for {count} columns")
    if twice := [name for name, times in Counter(listed).items() if times > 1]:
        raise ValueError(f"two columns are called {twice[0]!r}")
    return listed


def _converted(name: str, values: Objects) -> tuple[Column, Floats, list[bool]]:
    """Return a column, its numbers (bars x 1, or a column for each category), and which of these have two values."""
    if values.dtype.kind in NUMBERS:
        numbers = values.astype(np.float64)
    elif values.dtype.kind in "OSUT":
        found = [number(value) for value in values.tolist()]
        if any(value is None for value in found):
            return _category(name, values)
        numbers = np.array(found, np.float64)
    else:
        raise TypeError(f"column {name!r} of the reference holds {values.dtype}, neither numbers nor categories")
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)[:, None]
    return Column(name), numbers, [len(np.unique(numbers[~np.isnan(numbers)])) == TWO]


def _category(name: str, values: Objects) -> tuple[Column, Floats, list[bool]]:
    texts = [None if is_missing(value) else str(value) for value in values.tolist()]
    count = Counter(text for text in texts if text is not None)
    levels = [level for level, times in count.most_common(LEVELS) if times >= COMMON * len(texts)]
    if len(levels) == len(count) == TWO:
        levels = levels[:1]  # the other one is its mirror
    if not levels:
        raise ValueError(f"column {name!r} of the reference has a different text in each row: leave it out")
    column = Column(name, tuple(levels), tuple(sorted(count)[:1000]))
    rows = [[np.nan if text is None else float(text == level) for level in levels] for text in texts]
    return column, np.array(rows, np.float64), [True] * len(levels)


def _index(reference: object) -> object:
    """Return the times of a pandas frame that is indexed by them."""
    index = getattr(reference, "index", None)
    dtype = getattr(index, "dtype", None)
    return index if getattr(dtype, "kind", "") == "M" else None


def _times(given: Any, bars: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    if given is None:
        return None
    found = np.array([nanoseconds(at) for at in _listed_times(given)], np.int64)
    if len(found) != bars:
        raise ValueError(f"{len(found)} times for {bars} bars")
    if (found[1:] < found[:-1]).any():
        raise ValueError("the bars of a reference come in the order of time, which their times do not")
    return found


def _listed_times(given: Any) -> list[object]:
    numpy = getattr(given, "to_numpy", None)
    array = np.asarray(numpy() if numpy is not None else given)
    return list(array.astype("datetime64[ns]").astype(np.int64) if array.dtype.kind == "M" else array)
