"""Imports files through the same ingestion that takes spans from bots: a span that is there is not stored again.

Every file is first read to its end without storing anything, so that a bad line costs nothing but its own mending; what
it holds waits in a temporary file meanwhile, and is then stored in transactions of bounded size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from ares_otel.server.keep.columns import rfc3339
from ares_otel.server.keep.exporting import SPANS, table_names
from ares_otel.server.keep.flat import SPAN_SHAPE, span_request
from ares_otel.server.keep.notes import note
from ares_otel.server.keep.row_spans import REFUSED, SPOKEN, Spoken, kinds_of, row_request
from ares_otel.server.keep.sinks import Format
from ares_otel.server.keep.sources import ImportFileError, Record, Records, format_of, read_lines, read_rows
from ares_otel.server.keep.waiting import Waiter, Waiting
from ares_otel.server.otlp.decode import LATEST, Decoded, decode
from ares_otel.server.otlp.otlp_json import to_protobuf
from ares_otel.server.otlp.values import number
from ares_otel.server.otlp.wire import RequestError
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.driver import Location
from ares_otel.server.store.migrate import DatabaseError, migrate
from ares_otel.server.store.rows import base_id
from ares_otel.server.store.store import Store
from ares_otel.server.story.remains import KEPT_SINCE

__all__ = ["Imported", "PartlyImportedError", "import_files"]

GROUP_SPANS: Final = 2_000
SPAN_REQUIRED: Final = {"trace_id", "span_id", "name", "time_ns"}
DERIVED: Final = "the server makes these rows from spans"


class Imported(msgspec.Struct, frozen=True):
    """What became of an import: spans in the files, and how many of them were new."""

    spans: int
    new: int


class PartlyImportedError(Exception):
    """The database could not take all; says what it took."""


def import_files(
    database: Location, files: Iterable[Path], table: str = SPANS, format_: Format | None = None
) -> Imported:
    """Store what files hold.

    Args:
        database: SQLite file or URL that no server has at the moment; made if it is not there.
        files: JSON lines of OTLP/JSON, or CSV or Parquet as `export` writes it.
        table: what rows of CSV and Parquet files are.
        format_: format of the files; None: as their names say.

    Raises:
        ImportFileError: a file cannot be read or holds something else; nothing was stored.
        DatabaseError: the database cannot be used, or must not take these spans; nothing was stored.
        FileError: the format needs an extra that is not installed; nothing was stored.
        PartlyImportedError: the database could not take all of it.
    """
    with Waiting() as waiting:
        earliest = LATEST
        for path, line, body, decoded in _decoded(files, table, format_):
            earliest = min(earliest, min(_starts(decoded), default=LATEST))
            waiting.add(Waiter(str(path), line, body))
        lock = database_of(database).lock()
        lock.acquire()
        try:
            migrate(database)
            with closing(Store(database)) as store:
                _refuse_pruned(store, earliest)
                return _store(store, waiting, SPOKEN.get(table))
        finally:
            lock.release()


def _starts(decoded: Decoded) -> Iterator[int]:
    for entries in decoded.traces.values():
        for span, _, _ in entries.values():
            yield span.start_time_unix_nano


def _refuse_pruned(store: Store, earliest: int) -> None:
    """Refuse what may have been stored and pruned: rows made of it may still be there and would be counted twice."""
    since = int(note(store.db, KEPT_SINCE) or 0)
    if earliest < since:
        raise DatabaseError(
            f"the files hold spans from {rfc3339(earliest)} on, and this database has pruned spans from before "
            f"{rfc3339(since)}, of which it keeps rows: they would count twice. Import into another database, or "
            "export again with --from"
        )


def _store(store: Store, waiting: Iterable[Waiter], spoken: Spoken | None) -> Imported:
    spans = new = size = 0
    group: list[Decoded] = []
    place = ""
    try:
        for waiter in waiting:
            decoded = decode(waiter.body)
            size += _size(decoded)
            if spoken is not None and spoken.value:
                _leave_out(store, decoded, spoken)
            group.append(decoded)
            if size >= GROUP_SPANS:
                new += store.write(each.traces for each in group)
                spans, size, group, place = spans + size, 0, [], f"{waiter.path}:{waiter.line}"
        new += store.write(each.traces for each in group)
    except Exception as error:
        if not isinstance(error, OSError | sqlite3.Error) and not store.passing(error):
            raise
        done = f"all up to {place} is stored, {new:,} new spans" if place else "nothing is stored"
        hint = "the same import may be repeated, what is there is not stored again"
        raise PartlyImportedError(f"{error}; {done}; {hint}") from error
    return Imported(spans + size, new)


def _leave_out(store: Store, decoded: Decoded, spoken: Spoken) -> None:
    """Take the spans out whose rows are there, made of other spans that said the same."""
    query = f"SELECT {spoken.value} FROM {spoken.table} WHERE id = ?"  # noqa: S608  own names
    for entries in decoded.traces.values():
        for own, (span, _, _) in list(entries.items()):
            found = store.db.execute(query, (base_id(span),)).fetchone()
            if found and found[0] == number(span.attributes, spoken.attributes[spoken.value][0]):
                del entries[own]


def _size(decoded: Decoded) -> int:
    return sum(map(len, decoded.traces.values()))


# --- from files to spans -----------------------------------------------------------------------------------------


def _decoded(files: Iterable[Path], table: str, format_: Format | None) -> Iterator[tuple[Path, int, bytes, Decoded]]:
    for path in files:
        try:
            for line, request in _requests(path, table, format_ or format_of(path)):
                yield path, line, *_checked(path, line, request)
        except OSError as error:
            raise ImportFileError(path, 0, f"cannot be read: {error.strerror or error}") from error


def _checked(path: Path, line: int, request: bytes) -> tuple[bytes, Decoded]:
    try:
        body = to_protobuf(request)
        decoded = decode(body)
    except RequestError as error:
        raise ImportFileError(path, line, f"expected OTLP/JSON: {error.reason}") from error
    if decoded.rejected:
        raise ImportFileError(path, line, f"expected spans that can be stored, got {decoded.reason}")
    return body, decoded


def _requests(path: Path, table: str, format_: Format) -> Iterator[tuple[int, bytes]]:
    if format_ == "jsonl":
        yield from _lines(path)
        return
    for line, row in _rows(path, table, format_):
        try:
            told = span_request(row) if table == SPANS else row_request(SPOKEN[table], row)
        except (ValueError, KeyError) as error:
            problem = f"expected a value for {error}" if isinstance(error, KeyError) else str(error)
            raise ImportFileError(path, line, problem) from error
        yield line, msgspec.json.encode(told)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for line, text in read_lines(path):
        try:
            told: Any = msgspec.json.decode(text)
        except msgspec.MsgspecError as error:
            raise ImportFileError(path, line, f"expected an OTLP/JSON object: {error}") from error
        if not isinstance(told, dict) or not ({"resourceSpans", "resource_spans"} & told.keys()):
            raise ImportFileError(path, line, "expected an OTLP/JSON object with resourceSpans")
        yield line, text


def _rows(path: Path, table: str, format_: Format) -> Records:
    if table == SPANS:
        records = read_rows(path, format_, dict(SPAN_SHAPE), SPAN_REQUIRED)
    elif table in SPOKEN:
        records = read_rows(path, format_, dict(kinds_of(SPOKEN[table])), {*SPOKEN[table].required})
    elif table in table_names():
        reason = REFUSED.get(table, DERIVED)
        raise ImportFileError(
            path, 0, f"{table} cannot be imported from {format_}: {reason}; export JSON lines of spans"
        )
    else:
        raise ImportFileError(path, 0, f"there is no table {table}; expected one of {', '.join((SPANS, *SPOKEN))}")
    return (Record(line, row) for line, row in records)
