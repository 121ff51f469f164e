"""Tables of what a model saw, from files: JSON lines, CSV, npz, Parquet.

A line is an observation, an outcome, a profit, or all of them. Columns with a name of their own: `time` (ISO 8601 or
Unix s, ms, µs, ns) or `at` (Unix ns), `prediction`, `key`, `actual`, `pnl`; all others are features. JSON lines may
have the features under `x`, as a list or by name; what stands beside it may then be a `regime`, too. In any other table
a regime is a column like all others until it is named (`by_regime`).

What others export calls the time `timestamp`, `datetime` or `date`. Where there is neither `time` nor `at`, one such
column is taken for it, in any case of letters, unless it is known as a feature or looks like one: small numbers that go
up and down, as days and hours do. Nothing is guessed: where there are several, or what stands in it cannot be read, the
file is refused with what to do.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from ares_otel.decision.watched import Matured, Observed, Realized, Told

__all__ = ["BEGIN", "REGIME", "Table", "TableError", "read_table", "told"]

OWN: Final[tuple[str, ...]] = ("at", "time", "prediction", "key", "actual", "pnl")
REGIME: Final = "regime"
BESIDE: Final = {*OWN, REGIME}
BEGIN: Final = "begin"
"""In JSON lines, what says how a model was watched from there on (`ml/tape.py`): no line of a table."""
ALIASES: Final = frozenset({"timestamp", "datetime", "date"})
SINCE: Final = 100_000_000
"""Numbers below it are small ones: in s since 1970, the coarsest unit, it is in 1973."""
UNITS: Final = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000), (0.0, 1_000_000_000))
"""From which number since 1970 on a time is in ns, µs, ms or s, and the ns of a unit."""


class TableError(ValueError):
    """A file cannot be understood; the message has file, line and what was expected."""


class Table(msgspec.Struct, frozen=True):
    """A table by columns; what is not in a line is None.

    Attributes:
        features: by name; without names `f0`, `f1`, …
        own: the columns with a name of their own that are there.
        length: lines.
        named: whether the file names the features.
    """

    features: dict[str, list[Any]]
    own: dict[str, list[Any]]
    length: int
    named: bool = True

    @property
    def timed(self) -> bool:
        """Whether there is a column of times."""
        return "at" in self.own or "time" in self.own

    @property
    def times(self) -> list[int | None] | None:
        """The times as Unix ns, None without them."""
        if "at" in self.own:
            return [None if each is None else int(each) for each in self.own["at"]]
        return [_moment(each) for each in self.own["time"]] if "time" in self.own else None

    def part(self, first: int, end: int) -> Table:
        """Return some of the lines."""
        features, own = (
            {name: column[first:end] for name, column in columns.items()} for columns in (self.features, self.own)
        )
        return Table(features, own, max(min(end, self.length) - first, 0), self.named)

    def by_regime(self, column: str) -> Table:
        """Return it with one of its columns as the regimes of its lines.

        Raises:
            TableError: there is no such column.
        """
        if column not in self.features:
            raise TableError(f"expected a column {column!r} of regimes, there are {', '.join(self.features) or 'none'}")
        features = {name: values for name, values in self.features.items() if name != column}
        return Table(features, {**self.own, REGIME: self.features[column]}, self.length, self.named)


def read_table(path: Path, features: Iterable[str] = ()) -> Table:
    """Read a table.

    Args:
        path: the file.
        features: columns that are known to be features, and so no times, whatever they are called.

    Raises:
        TableError: it is none.
        OSError: it cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TableError(f"{path}: expected a file that ends with {', '.join(READERS)}")
    found, own, length = reader(path, frozenset(features))
    return Table(found, own, length, named=list(found) != [f"f{place}" for place in range(len(found))])


def told(table: Table) -> Iterator[Told]:
    """Yield what a bot would have told, line by line: an observation, then an outcome, then a profit.

    Without times each line is seen a ns after the one before, so that bars have an order.
    """
    names = list(table.features)
    columns = [table.features[name] for name in names]
    times = table.times or [None] * table.length
    own = {name: table.own.get(name) or [None] * table.length for name in (*OWN, REGIME)}
    for place, at in enumerate(times):
        values = [column[place] for column in columns]
        order = 0 if table.timed else place
        prediction, key, actual, pnl = (own[name][place] for name in ("prediction", "key", "actual", "pnl"))
        seen = any(each is not None for each in values)
        if seen or prediction is not None:
            known = [math.nan if value is None else value for value in values]
            x = dict(zip(names, known, strict=True)) if table.named else np.array(known, np.float64)
            yield Observed(x if seen else None, prediction, key, at, order, None, own[REGIME][place])
        if actual is not None:
            yield Matured(key, actual, at, order)
        if pnl is not None:
            yield Realized(pnl, at, order)


# --- formats -------------------------------------------------------------------------------------------------------


Columns: TypeAlias = dict[str, list[Any]]


def _json_lines(path: Path, known: frozenset[str]) -> tuple[Columns, Columns, int]:
    features, own, inside, beside = [], [], set[str](), dict[str, None]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found = json.loads(line) if line.strip() else {}
        except ValueError as error:
            raise TableError(f"{path}:{number}: no JSON ({error})") from error
        if not isinstance(found, dict):
            raise TableError(f"{path}:{number}: expected an object, got {line.strip()[:40]!r}")
        if not found or BEGIN in found:
            continue
        x = found.pop("x", None)
        names = OWN if x is None and not found.keys() <= BESIDE else (*OWN, REGIME)
        own.append({name: found.pop(name) for name in names if name in found})
        named = dict(_named(x)) if isinstance(x, list) else x if isinstance(x, dict) else {}
        inside.update(named)
        beside.update(dict.fromkeys(found))
        features.append({**named, **found})
    columns, owned = _columns(features), _columns(own)
    time = _time_among(path, {**owned, **{name: columns[name] for name in beside}}, known | inside)
    if time is not None:
        owned["time"] = columns.pop(time)
    return columns, owned, len(own)


def _named(values: Sequence[object]) -> Iterator[tuple[str, object]]:
    return ((f"f{place}", value) for place, value in enumerate(values))


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _parted(columns: Columns, length: int) -> tuple[Columns, Columns, int]:
    """Return the features, the columns with a name of their own, and how many lines there are."""
    own = {name: columns[name] for name in OWN if name in columns}
    return {name: column for name, column in columns.items() if name not in own}, own, length


def _timed(path: Path, columns: Mapping[str, Sequence[Any]], known: frozenset[str]) -> dict[str, Sequence[Any]]:
    """Return columns with that of the times under its own name."""
    time = _time_among(path, columns, known)
    return {"time" if name == time else name: column for name, column in columns.items()}


def _time_among(path: Path, columns: Mapping[str, Sequence[Any]], known: frozenset[str]) -> str | None:
    """Return the column of the times where it has the name that others give it; None without one.

    Raises:
        TableError: it cannot be told which, or what is in it.
    """
    if "time" in columns or "at" in columns:
        return None
    called = [name for name in columns if name.lower() in ALIASES and name not in known]
    found = [name for name in called if not _is_like_a_feature(columns[name])]
    if len(found) > 1:
        names = " and ".join(repr(name) for name in found)
        raise TableError(f"{path}: {names} may each be the times of the bars: call the right one `time`")
    for name in found:
        try:
            for value in columns[name]:
                _moment(value or None)
        except TableError as error:
            raise TableError(f"{path}: column {name!r}: {error}; if it is a feature, give it another name") from error
    return next(iter(found), None)


def _is_like_a_feature(values: Iterable[Any]) -> bool:
    """Tell whether there are but small numbers that go up and down, or never move."""
    try:
        numbers = [float(value) for value in values if value is not None and value != ""]
    except (TypeError, ValueError):
        return False
    known = [number for number in numbers if not math.isnan(number)]
    rises = known == sorted(known) and known[:1] < known[-1:]
    return not rises and all(number < SINCE for number in known)


def _csv(path: Path, known: frozenset[str]) -> tuple[Columns, Columns, int]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        names = next(reader, None)
        if not names or len(set(names)) < len(names):
            raise TableError(f"{path}:1: expected the names of the columns, each once")
        rows = []
        for cells in reader:
            if len(cells) not in {0, len(names)}:
                raise TableError(f"{path}:{reader.line_num}: {len(cells)} cells, expected {len(names)}")
            if cells:
                rows.append(cells)
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    timed = _timed(path, dict(zip(names, columns, strict=True)), known)
    return _parted({name: _cells(name, column) for name, column in timed.items()}, len(rows))


def _cells(name: str, cells: Sequence[str]) -> list[Any]:
    """Return the cells of a column: numbers if all of them are, else texts; keys and times stay texts."""
    if name in {"key", "time"}:
        return [cell or None for cell in cells]
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return [cell or None for cell in cells]


def _npz(path: Path, known: frozenset[str]) -> tuple[Columns, Columns, int]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except ValueError as error:
        raise TableError(f"{path}: no arrays without pickles ({error})") from error
    x = found.pop("x", None)
    if x is None or x.ndim != 2:  # noqa: PLR2004  bars and features
        raise TableError(f"{path}: expected an array `x` of bars and features")
    names = [str(each) for each in found.pop("names", ())] or [f"f{place}" for place in range(x.shape[1])]
    columns = {name: x[:, place].tolist() for place, name in enumerate(names)}
    beside = _timed(path, {name: array.tolist() for name, array in found.items()}, known)
    own = {name: list(beside[name]) for name in (*OWN, REGIME) if name in beside}
    if len(names) != x.shape[1] or any(len(each) != len(x) for each in own.values()):
        raise TableError(f"{path}: `names` has to be as many as features, {', '.join(own)} as many as bars")
    return columns, own, len(x)


def _parquet(path: Path, known: frozenset[str]) -> tuple[Columns, Columns, int]:
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise TableError(f"{path}: Parquet needs: pip install 'ares-otel[parquet]'") from error
    table = parquet.read_table(path)
    return _parted(
        {name: list(column) for name, column in _timed(path, table.to_pydict(), known).items()}, table.num_rows
    )


READERS: Final = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".npz": _npz, ".parquet": _parquet}


def _moment(given: object) -> int | None:
    """Return a time as Unix ns."""
    if given is None or (isinstance(given, float) and math.isnan(given)):
        return None
    if isinstance(given, datetime):
        moment = given
    else:
        text = str(given).strip()
        try:
            return _unix(int(text))
        except ValueError:
            pass
        try:
            return _unix(float(text))
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise TableError(f"{text[:40]!r}: expected a time, ISO 8601 or Unix s, ms, µs, ns") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1_000


def _unix(value: float) -> int:
    if not math.isfinite(value):
        raise ValueError(value)
    unit = next(unit for least, unit in UNITS if abs(value) >= least)
    return value * unit if isinstance(value, int) else round(value * unit)
