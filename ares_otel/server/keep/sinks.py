"""Where an export goes: JSON lines, CSV or Parquet, written row by row with bounded memory."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any, Final, Literal, Protocol, TypeAlias

import msgspec

from ares_otel.server.keep.columns import Kind
from ares_otel.server.keep.files import FileError

__all__ = ["FORMATS", "Format", "Shape", "parquet", "write_csv", "write_jsonl", "write_parquet", "writer"]

Format: TypeAlias = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("jsonl", "csv", "parquet")
GROUP_ROWS: Final = 5_000
ENCODER: Final = msgspec.json.Encoder()
MISSING: Final = "pyarrow is not installed; Parquet comes with: pip install 'ares-otel[parquet]'"

Row: TypeAlias = Sequence[Any]
Shape: TypeAlias = Sequence[tuple[str, Kind]]
"""Names and kinds of the columns of rows."""


class _Writer(Protocol):
    """Writes rows and returns how many these were."""

    def __call__(self, target: IO[bytes], shape: Shape, rows: Iterable[Row], /) -> int:
        """Write all rows."""


def writer(name: Format) -> _Writer:
    """Return what writes a format."""
    made: dict[Format, _Writer] = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}
    return made[name]


def write_jsonl(target: IO[bytes], shape: Shape, rows: Iterable[Row]) -> int:
    """Write an object a line; what is not known is left out."""
    names = [name for name, _ in shape]
    number = 0
    for row in rows:
        known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        target.write(ENCODER.encode(known) + b"\n")
        number += 1
    return number


def write_csv(target: IO[bytes], shape: Shape, rows: Iterable[Row]) -> int:
    """Write a header and a line a row; what is not known is empty, numbers are as exact as they are stored."""
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False)
    written = csv.writer(text, lineterminator="\r\n")  # RFC 4180, and what makes either of them be quoted
    written.writerow([name for name, _ in shape])
    number = 0
    for row in rows:
        written.writerow([_cell(value) for value in row])
        number += 1
    text.flush()
    text.detach()
    return number


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else value


def parquet() -> Any:
    """Return pyarrow with its Parquet module.

    Raises:
        FileError: the extra is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise FileError(MISSING) from error


def write_parquet(target: IO[bytes], shape: Shape, rows: Iterable[Row]) -> int:
    """Write row groups of bounded size, compressed by zstd; times are timestamps of ns in UTC."""
    arrow, module = parquet()
    kinds = {
        "text": arrow.string(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "boolean": arrow.bool_(),
        "time": arrow.timestamp("ns", tz="UTC"),
    }
    schema = arrow.schema([(name, kinds[kind]) for name, kind in shape])
    convert = [_timestamp(shape, at) if kind == "time" else None for at, (_, kind) in enumerate(shape)]
    number = 0
    with module.ParquetWriter(target, schema, compression="zstd") as written:
        for group in _groups(rows):
            columns = []
            for at, field in enumerate(schema):
                instead = convert[at]
                column = [row[at] if instead is None else instead(row) for row in group]
                columns.append(arrow.array(column, type=field.type))
            written.write_table(arrow.Table.from_arrays(columns, schema=schema))
            number += len(group)
    return number


def _timestamp(shape: Shape, at: int) -> Callable[[Row], Any]:
    """Return how a row's time is told as a number: by the column beside it, which is in Unix ns."""
    beside = [name for name, _ in shape].index(f"{shape[at][0]}_ns")
    return lambda row: row[beside]


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while group := list(islice(left, GROUP_ROWS)):
        yield group
