"""Segment files of the spool: records with checksums, so that a damaged one is skipped and its loss is known."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from ares_otel.guard import GUARD
from ares_otel.pipeline.folders import Folder, Position, claim
from ares_otel.pipeline.model import Batch, Signal

__all__ = ["HEADER_BYTES", "Record", "Segment", "SegmentReader", "SegmentWriter", "pack_body", "survey"]

MAGIC = b"\xa7Rc"
SIGNALS = {int(signal): signal for signal in Signal}
HEADER = struct.Struct("<3sBIIIIQI")
CHECK = struct.Struct("<I")
HEADER_BYTES = HEADER.size + CHECK.size
SCAN_BYTES = 65_536


class Record(NamedTuple):
    """The header of a stored batch.

    Attributes:
        order: records before it in its segment; tells how many were lost where a header is damaged.
        stored: bytes of the body in the file; fewer than `raw` where it is compressed.
        raw: bytes of the body uncompressed.
        spans: spans of the batch.
        before: spans before it in its segment.
        crc: CRC-32 of the body as stored.
        start: offset of the header in the file.
        signal: what the batch holds.
    """

    order: int
    stored: int
    raw: int
    spans: int
    before: int
    crc: int
    start: int
    signal: Signal

    @property
    def end(self) -> int:
        """Offset of the first byte after the record."""
        return self.start + HEADER_BYTES + self.stored


class Segment:
    """A segment file as the spool knows it: what was written, and how far it was read.

    Attributes:
        folder: the folder that holds it.
        number: place in the order of its folder.
        path: of the file.
        size: bytes written; the next record starts there.
        records: records ever written to it.
        spans: spans ever written to it.
        place: how far it was read or skipped.
    """

    __slots__ = ("folder", "number", "path", "place", "records", "size", "spans")

    def __init__(self, folder: Folder, number: int, size: int = 0) -> None:
        self.folder = folder
        self.number = number
        self.path = folder.segment(number)
        self.size = size
        self.records = 0
        self.spans = 0
        self.place = Position(number, 0, 0, 0)

    @property
    def left_records(self) -> int:
        """Records that were written and not yet read."""
        return max(0, self.records - self.place.records)

    @property
    def left_spans(self) -> int:
        """Spans that were written and not yet read."""
        return max(0, self.spans - self.place.spans)

    def reach(self, record: Record) -> None:
        """Move the read position to the start of a record: what lies before it is lost."""
        self.place = Position(self.number, record.start, record.order, record.before)

    def take(self, record: Record) -> None:
        """Move the read position behind a record."""
        self.place = Position(self.number, record.end, record.order + 1, record.before + record.spans)


class SegmentReader:
    """Reads the oldest segment; keeps its file open between records."""

    __slots__ = ("_file", "_path")

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._path: Path | None = None

    def read(self, segment: Segment) -> tuple[Record, bytes | None] | None:
        """Return the next record and its body (None: damaged) behind the segment's place, or None at the end.

        Raises:
            OSError: the file cannot be read; `FileNotFoundError`: it is gone.
        """
        if self._file is None or self._path != segment.path:
            self.close()
            self._file = FileIO(segment.path)
            self._path = segment.path
        record = _find(self._file, segment.place.offset)
        return record and (record, _load(self._file, record))

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


class SegmentWriter:
    """Appends records to the newest segment of this process's own folder.

    Attributes:
        folder: our own folder; None until something is written.
        segment: the file that takes the next record, if there is one.
    """

    __slots__ = ("_file", "_fsync", "_limit", "_number", "_root", "_unforced", "folder", "segment")

    def __init__(self, root: Path, limit: int, *, fsync: bool) -> None:
        self._root = root
        self._limit = limit
        self._fsync = fsync
        self._number = 0
        self._unforced: list[Path] = []
        self._file: FileIO | None = None
        self.folder: Folder | None = None
        self.segment: Segment | None = None

    def write(self, stored: bytes, batch: Batch, *, hurry: bool = False) -> Segment:
        """Append a batch whose body was packed by `pack_body`; return the segment that has it.

        Args:
            stored: the packed body.
            batch: what it is.
            hurry: do not wait until a file that is full is on the platter; `close` will.

        Raises:
            OSError: nothing was stored.
        """
        file, segment = self._target(len(stored) + HEADER_BYTES, hurry=hurry)
        record = _pack(stored, batch, segment)
        try:
            _write_fully(file, record, segment.size, fsync=self._fsync)
        except OSError:
            # A fresh file follows, so that whatever this one holds now cannot harm what is written next.
            self.abandon()
            if not segment.records:
                segment.path.unlink(missing_ok=True)
            raise
        segment.size += len(record)
        segment.records += 1
        segment.spans += batch.spans
        return segment

    def intact(self) -> bool:
        """Tell whether folder and file still are where we made them (a cleaner may have deleted them)."""
        if self.folder is None:
            return True
        return self.folder.alive() and (self._file is None or os.fstat(self._file.fileno()).st_nlink > 0)

    def close(self, *, hurry: bool = False) -> None:
        """Force everything to the platter and close the segment; in a hurry, only let the system begin to."""
        force = _begin_to_force if hurry else _force
        if self._file is not None:
            force(self._file)
            self.abandon()
        for path in self._unforced:
            if path.exists():
                with FileIO(path) as file:
                    force(file)
        self._unforced.clear()

    def abandon(self) -> None:
        """Close the segment as it is."""
        if self._file is not None:
            self._file.close()
        self._file = self.segment = None

    def _target(self, size: int, *, hurry: bool) -> tuple[FileIO, Segment]:
        if self._file is not None and self.segment is not None and self.segment.size + size <= self._limit:
            return self._file, self.segment
        if hurry and self.segment is not None:
            self._unforced.append(self.segment.path)
        elif self._file is not None:
            _force(self._file)
        self.abandon()
        if self.folder is None:
            self.folder = claim(self._root)
        self._number += 1
        segment = Segment(self.folder, self._number)
        file = FileIO(os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+")
        self._file, self.segment = file, segment
        return file, segment


def pack_body(body: bytes, *, compress: bool) -> bytes:
    """Return the body as it is stored: compressed where that makes it smaller."""
    packed = zlib.compress(body, 1) if compress else body
    return packed if len(packed) < len(body) else body


def survey(folder: Folder, number: int) -> tuple[Segment, bool]:
    """Return what the headers of a segment file say it holds, and whether bytes without a sound header end it.

    Raises:
        OSError: the file cannot be read.
    """
    segment = Segment(folder, number)
    end = 0
    with FileIO(segment.path) as file:
        segment.size = file.seek(0, os.SEEK_END)
        while record := _find(file, end):
            segment.records = record.order + 1
            segment.spans = record.before + record.spans
            end = record.end
    return segment, end < segment.size


def _pack(stored: bytes, batch: Batch, segment: Segment) -> bytes:
    facts = (segment.records, len(stored), len(batch.body), batch.spans, segment.spans, zlib.crc32(stored))
    header = HEADER.pack(MAGIC, batch.signal, *facts)
    return b"".join((header, CHECK.pack(zlib.crc32(header)), stored))


def _find(file: FileIO, offset: int) -> Record | None:
    """Return the first record with a sound header at or after an offset."""
    file.seek(offset)
    record = _parse(file.read(HEADER_BYTES), 0, offset)
    return record or next(_scan(file, offset), None)


def _load(file: FileIO, record: Record) -> bytes | None:
    """Return the uncompressed body of a record, or None if it is torn or damaged."""
    file.seek(record.start + HEADER_BYTES)
    stored = _read_fully(file, record.stored)
    if len(stored) != record.stored or zlib.crc32(stored) != record.crc:
        return None
    if record.stored == record.raw:
        return stored
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(stored, record.raw)
    except zlib.error:
        return None
    return body if len(body) == record.raw else None


def _write_fully(file: FileIO, data: bytes, offset: int, *, fsync: bool) -> None:
    """Write all bytes at an offset, or raise with the file cut back to it where that is possible."""
    view = memoryview(data)
    try:
        file.seek(offset)
        while view:
            view = view[file.write(view) :]
        if fsync:
            os.fsync(file.fileno())
    except OSError:
        _cut(file, offset)
        raise


def _force(file: FileIO) -> None:
    """Wait until the disk has what was written; a disk that cannot promise that has it all the same."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        GUARD.complain("spool", "fsync", f"{error.strerror}: what was spooled may not survive a power failure")


def _begin_to_force(file: FileIO) -> None:
    """Let the disk begin to write without waiting for it: a thread that waits for a disk cannot die before it answers.

    The end of a process takes nothing from a file that was written; only a failure of power or kernel could.
    """
    with contextlib.suppress(OSError, AttributeError):  # where there is no such advice, the system writes when it likes
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _cut(file: FileIO, offset: int) -> None:
    try:
        file.truncate(offset)
    except OSError:
        # The torn bytes stay; they are overwritten by the next record or skipped by the reader.
        return


def _read_fully(file: FileIO, size: int) -> bytes:
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _parse(data: bytes, at: int, start: int) -> Record | None:
    if len(data) - at < HEADER_BYTES:
        return None
    magic, number, order, stored, raw, spans, before, crc = HEADER.unpack_from(data, at)
    (check,) = CHECK.unpack_from(data, at + HEADER.size)
    signal = SIGNALS.get(number)
    if magic != MAGIC or signal is None or check != zlib.crc32(data[at : at + HEADER.size]):
        return None
    return Record(order, stored, raw, spans, before, crc, start, signal)


def _scan(file: FileIO, offset: int) -> Iterator[Record]:
    """Yield sound headers behind damage; windows overlap so that none is cut in two."""
    while True:
        file.seek(offset)
        window = _read_fully(file, SCAN_BYTES)
        at = window.find(MAGIC)
        while at >= 0:
            if record := _parse(window, at, offset + at):
                yield record
            at = window.find(MAGIC, at + 1)
        if len(window) < SCAN_BYTES:
            return
        offset += SCAN_BYTES - HEADER_BYTES + 1
