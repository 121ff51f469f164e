"""Exports a time range of one table, or the spans themselves, to a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from ares_otel.server.keep.columns import PUBLIC, Names, columns_of, export_rows, table_of
from ares_otel.server.keep.files import new_file
from ares_otel.server.keep.flat import SPAN_SHAPE, flat_rows
from ares_otel.server.keep.sinks import Format, Shape, parquet, writer
from ares_otel.server.keep.spans_json import resource_spans, to_line
from ares_otel.server.keep.unpacked import SHOWN
from ares_otel.server.store.schema import METADATA
from ares_otel.server.story.reader import Reader

__all__ = ["ALWAYS", "SPANS", "Order", "export", "table_names"]

SPANS: Final = "spans"
ALWAYS: Final = (0, (1 << 63) - 1)
"""The time range of all there is, Unix ns."""


class Order(msgspec.Struct, frozen=True):
    """What is wanted: a table by its public name, a format, a range [since, until) in Unix ns of the rows' own time."""

    table: str = SPANS
    format: Format = "jsonl"
    since: int = ALWAYS[0]
    until: int = ALWAYS[1]


def table_names() -> tuple[str, ...]:
    """Return the names of what can be exported."""
    return (SPANS, *(name for name, table in PUBLIC.items() if name in SHOWN or table in METADATA.tables))


def export(reader: Reader, order: Order, target: Path | None) -> int:
    """Write what is wanted into a new file (None: to standard output); return how many spans or rows it were.

    Raises:
        FileError: the file exists or cannot be written, or the format needs an extra that is not installed.
    """
    if order.format == "parquet":
        parquet()
    if target is None:
        return _write(reader, order, sys.stdout.buffer)
    with new_file(target) as part, part.open("wb") as file:
        return _write(reader, order, file)


def _write(reader: Reader, order: Order, file: IO[bytes]) -> int:
    if order.table != SPANS:
        shape, rows = _table(reader, order)
        return writer(order.format)(file, shape, rows)
    if order.format != "jsonl":
        return writer(order.format)(file, SPAN_SHAPE, flat_rows(resource_spans(reader, order.since, order.until)))
    number = 0
    for message in resource_spans(reader, order.since, order.until):
        file.write(to_line(message))
        number += sum(len(scope.spans) for scope in message.scope_spans)
    return number


def _table(reader: Reader, order: Order) -> tuple[Shape, Iterator[tuple[Any, ...]]]:
    table = table_of(order.table)
    columns = columns_of(table, Names(reader.db))
    rows = export_rows(reader.db, table, order.since, order.until)
    shape = [(column.name, column.kind) for column in columns]
    return shape, (tuple(column.make(row) for column in columns) for row in rows)
