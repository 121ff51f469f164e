"""Reads files of an import: JSON lines, CSV or Parquet, with the place of each record, so that errors can name it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from ares_otel.server.keep.sinks import FORMATS, Format, parquet

__all__ = ["ImportFileError", "Record", "Records", "format_of", "read_lines", "read_rows"]

LONGEST_LINE: Final = 64 << 20
BATCH_ROWS: Final = 5_000
INTEGER: Final = re.compile(r"[+-]?\d{1,19}")


class ImportFileError(Exception):
    """What is wrong with a file, and where."""

    def __init__(self, path: Path, line: int, problem: str, column: str = "") -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {column + ': ' if column else ''}{problem}")


class Record(NamedTuple):
    """A line or a row with its number, from 1 (a header counts as a line)."""

    line: int
    value: Any


Records: TypeAlias = Iterator[Record]


def format_of(path: Path) -> Format:
    """Return the format that the name of a file ends with.

    Raises:
        ImportFileError: it is none of those that are known.
    """
    for name in FORMATS:
        if path.name.endswith(f".{name}"):
            return name
    raise ImportFileError(path, 0, f"expected a name that ends with .{', .'.join(FORMATS)}, or --format")


def read_lines(path: Path) -> Records:
    """Yield the lines that are not empty, as bytes.

    Raises:
        ImportFileError: a line is too long.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise ImportFileError(path, number, f"expected lines of less than {LONGEST_LINE:,} bytes")
            if line.strip():
                yield Record(number, line)


def read_rows(path: Path, format_: Format, kinds: dict[str, str], required: set[str]) -> Records:
    """Yield rows as values by column, typed as `kinds` says; a cell that is empty is absent.

    Raises:
        ImportFileError: a column is unknown or missing, a value is not of its type.
        FileError: the format needs an extra that is not installed.
        OSError: it cannot be read.
    """
    yield from (_csv if format_ == "csv" else _parquet)(path, kinds, required)


def _csv(path: Path, kinds: dict[str, str], required: set[str]) -> Records:
    csv.field_size_limit(LONGEST_LINE)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            _check_header(path, header, kinds, required)
            for cells in reader:
                if len(cells) != len(header):
                    problem = f"expected {len(header)} cells as in the header, got {len(cells)}"
                    raise ImportFileError(path, reader.line_num, problem)
                row = zip(header, cells, strict=True)
                yield Record(
                    reader.line_num,
                    {name: _typed(path, reader.line_num, name, kinds[name], cell) for name, cell in row if cell},
                )
        except csv.Error as error:
            raise ImportFileError(path, reader.line_num, f"expected CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise ImportFileError(path, reader.line_num + 1, f"expected UTF-8: {error.reason}") from error


def _check_header(path: Path, header: list[str], kinds: dict[str, str], required: set[str]) -> None:
    for name in header:
        if name not in kinds:
            raise ImportFileError(path, 1, f"unknown column; expected some of {', '.join(kinds)}", repr(name))
    if len({*header}) != len(header):
        raise ImportFileError(path, 1, "expected each column once")
    if missing := sorted(required - {*header}):
        raise ImportFileError(path, 1, f"expected the columns {', '.join(missing)}, too")


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError
    return text == "true"


def _integer(text: str) -> int:
    if INTEGER.fullmatch(text) is None:
        raise ValueError
    return int(text)


READ: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "text": ("a text", str),
    "time": ("a time", str),
    "integer": ("a whole number", _integer),
    "number": ("a number", float),
    "boolean": ("true or false", _boolean),
}


def _typed(path: Path, line: int, name: str, kind: str, cell: str) -> Any:
    expected, read = READ[kind]
    try:
        return read(cell)
    except ValueError:
        raise ImportFileError(path, line, f"expected {expected}, got {cell!r:.60}", name) from None


def _parquet(path: Path, kinds: dict[str, str], required: set[str]) -> Records:
    arrow, module = parquet()
    try:
        with module.ParquetFile(path) as file:
            _check_header(path, list(file.schema_arrow.names), kinds, required)
            number = 0
            columns = [name for name in file.schema_arrow.names if kinds[name] != "time"]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    known = {name: value for name, value in row.items() if value is not None}
                    yield Record(number, _checked(path, number, kinds, known))
    except (arrow.ArrowException, OSError) as error:
        raise ImportFileError(path, 0, f"expected a Parquet file: {error}") from error


TYPES: Final[dict[str, tuple[type, ...]]] = {
    "text": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
}


def _checked(path: Path, number: int, kinds: dict[str, str], row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if type(value) not in TYPES[kinds[name]]:
            raise ImportFileError(path, number, f"expected {READ[kinds[name]][0]}, got {value!r:.60}", name)
    return row
