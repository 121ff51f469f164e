"""Bounded FIFO of batches on disk: what could not be delivered goes out later, after a restart if need be."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ares_otel.guard import GUARD
from ares_otel.pipeline.folders import Folder, Position, orphans
from ares_otel.pipeline.model import Batch
from ares_otel.pipeline.segments import HEADER_BYTES, Record, Segment, SegmentReader, SegmentWriter, pack_body, survey

__all__ = ["Spool"]

MIB = 1 << 20
SEGMENTS_AT_LEAST = 8
STRIKES = 5
FULL = "spool_full"
CORRUPT = "corrupt"
GONE = "spool_error"


class _Peeked(NamedTuple):
    """The batch that was read and not yet acknowledged; its segment is None when the cap took it meanwhile."""

    batch: Batch
    record: Record
    segment: Segment | None


class _Shelf:
    """The segments in the order of their age, read from the front; counts what cannot be read."""

    def __init__(self, writer: SegmentWriter) -> None:
        self.segments: deque[Segment] = deque()
        self.lost: Counter[str] = Counter()
        self.corrupt_records = 0
        self.adopted = 0
        self._writer = writer
        self._reader = SegmentReader()
        self._peeked: _Peeked | None = None
        self._strikes = 0

    @property
    def detached(self) -> _Peeked | None:
        """The batch in flight whose segment is gone."""
        return self._peeked if self._peeked and self._peeked.segment is None else None

    def holds(self, folder: Folder) -> bool:
        """Tell whether a segment of the folder waits."""
        return any(segment.folder is folder for segment in self.segments)

    def peek(self) -> Batch | None:
        """Return the oldest batch that is readable, the same until `advance`."""
        if self._peeked is None:
            self._peeked = self._next()
        return self._peeked.batch if self._peeked else None

    def advance(self) -> None:
        """Forget the batch that was peeked."""
        peeked, self._peeked = self._peeked, None
        if peeked is None or peeked.segment is None:
            return
        segment = peeked.segment
        segment.take(peeked.record)
        if not segment.left_records:
            self._remove(segment)
            return
        try:
            segment.folder.save(segment.place)
        except OSError as error:
            _complain(error, "remembering what was sent")

    def lose(self, segment: Segment, reason: str) -> None:
        """Count what is left in a segment as lost and delete it; a batch in flight is not lost yet."""
        if reason == CORRUPT:
            self._skip(segment, segment.records, segment.spans)
        else:
            self.lost[reason] += segment.left_spans
        if self._peeked and self._peeked.segment is segment:
            self._peeked = self._peeked._replace(segment=None)
            self.lost[reason] -= self._peeked.batch.spans
        self._remove(segment)

    def close(self) -> None:
        """Close the file that is being read; a batch in flight whose segment is gone is lost now."""
        self._reader.close()
        if detached := self.detached:
            self.lost[FULL] += detached.batch.spans
        self._peeked = None

    def adopt(self, folder: Folder) -> None:
        """Put the segments of a dead process on the shelf; what cannot be read stays for another process."""
        try:
            sent = folder.position() or Position(0, 0, 0, 0)
            for number, path in folder.segments():
                self._adopt(folder, number, path, sent)
        except OSError as error:
            _complain(error, "adopting")
        if not self.holds(folder):
            folder.remove()

    def _adopt(self, folder: Folder, number: int, path: Path, sent: Position) -> None:
        segment, torn = survey(folder, number)
        if number == sent.number:
            segment.place = sent
        self.corrupt_records += torn
        if number < sent.number or not segment.left_records:
            path.unlink(missing_ok=True)
        else:
            self.segments.append(segment)
            self.adopted += segment.left_spans

    def _next(self) -> _Peeked | None:
        while self.segments:
            segment = self.segments[0]
            try:
                found = self._reader.read(segment)
            except OSError as error:
                _complain(error, "reading")
                self._strikes += 1
                if self._strikes < STRIKES and not isinstance(error, FileNotFoundError):
                    return None
                self.lose(segment, GONE)
                continue
            self._strikes = 0
            if peeked := self._judge(segment, found):
                return peeked
        return None

    def _judge(self, segment: Segment, found: tuple[Record, bytes | None] | None) -> _Peeked | None:
        """Return the batch of a sound record; count what is damaged and what was lost before it."""
        if found is None or found[0].order >= segment.records:
            self.lose(segment, CORRUPT)
            return None
        record, body = found
        self._skip(segment, record.order, record.before)
        segment.reach(record)
        if body is not None:
            return _Peeked(Batch(body, record.spans, record.signal), record, segment)
        self._skip(segment, record.order + 1, record.before + record.spans)
        segment.take(record)
        return None

    def _skip(self, segment: Segment, records: int, spans: int) -> None:
        if records > segment.place.records:
            GUARD.complain("spool", CORRUPT, f"torn or damaged records in {segment.path} are skipped")
            self.corrupt_records += records - segment.place.records
            self.lost[CORRUPT] += spans - segment.place.spans

    def _remove(self, segment: Segment) -> None:
        self.segments.remove(segment)
        self._reader.close()
        if segment is self._writer.segment:
            self._writer.abandon()
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            _complain(error, "deleting")
        if segment.folder is not self._writer.folder and not self.holds(segment.folder):
            segment.folder.remove()


class Spool:
    """Bounded FIFO of batches in a folder that several processes share, each with a sub-folder of its own.

    Content of processes that ended without delivering theirs is adopted at construction and comes first, oldest
    folder first. No method raises for what the disk does: it is counted, logged once, and the caller keeps its
    batch. Not safe for threads: the caller holds a lock.

    Args:
        directory: the shared folder; made when first needed.
        cap_bytes: bound of the files' sizes, adopted ones included; beyond it the oldest segment goes.
        segment_bytes: a new file begins when the present one would become larger; at most an eighth of the cap.
        fsync: force every append to the platter; else only when a file is full and at `close`.
        adopt: take over what dead processes left.
        retry_seconds: after a disk error, appends are refused at once for this long.
        monotonic: clock in seconds.
        what: what is kept, for the log.
    """

    def __init__(
        self,
        directory: Path,
        cap_bytes: int = 256 * MIB,
        segment_bytes: int = 4 * MIB,
        *,
        fsync: bool = False,
        adopt: bool = True,
        retry_seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        what: str = "spans",
    ) -> None:
        self._what = what
        self._root = directory
        self._cap = cap_bytes
        self._segment_bytes = min(segment_bytes, cap_bytes // SEGMENTS_AT_LEAST)
        self._fsync = fsync
        self._retry_seconds = retry_seconds
        self._monotonic = monotonic
        self._reset()
        if adopt:
            self._adopt()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._closed = False
        self._writer = SegmentWriter(self._root, self._segment_bytes, fsync=self._fsync)
        self._shelf = _Shelf(self._writer)
        self._broken_until = float("-inf")

    def __len__(self) -> int:
        """Return the number of batches that wait."""
        return sum(segment.left_records for segment in self._shelf.segments) + (self._shelf.detached is not None)

    @property
    def spans(self) -> int:
        """Spans that wait."""
        detached = self._shelf.detached
        return sum(segment.left_spans for segment in self._shelf.segments) + (detached.batch.spans if detached else 0)

    @property
    def bytes(self) -> int:
        """Bytes of the files, what was already read of the oldest one included."""
        return sum(segment.size for segment in self._shelf.segments)

    @property
    def adopted(self) -> int:
        """Spans that dead processes left, as far as headers of records are readable."""
        return self._shelf.adopted

    @property
    def lost(self) -> Counter[str]:
        """Spans that went in and will not come out, by reason: `spool_full`, `corrupt`, `spool_error`."""
        return self._shelf.lost

    @property
    def corrupt_records(self) -> int:
        """Records skipped because they were torn or damaged."""
        return self._shelf.corrupt_records

    def append(self, batch: Batch, *, hurry: bool = False) -> bool:
        """Store a batch behind all others; False when the disk refuses it and the caller must keep it.

        Args:
            batch: at least one span.
            hurry: do not compress it, and leave the `fsync` of files that are full to `close`.
        """
        self._follow_fork()
        if self._closed or self._monotonic() < self._broken_until:
            return False
        try:
            return self._write(batch, hurry=hurry)
        except OSError as error:
            self._broken_until = self._monotonic() + self._retry_seconds
            _complain(error, "writing")
            return False

    def peek(self) -> Batch | None:
        """Return the oldest batch, the same until `advance`; None when empty or unreadable just now."""
        self._follow_fork()
        return None if self._closed else self._shelf.peek()

    def advance(self) -> None:
        """Forget the batch that `peek` returned: the receiver has it, or will never take it."""
        self._follow_fork()
        self._shelf.advance()

    def pop(self) -> Batch | None:
        """Return the oldest batch and forget it."""
        batch = self.peek()
        self.advance()
        return batch

    def close(self, *, hurry: bool = False) -> None:
        """Force what was written to the platter and give up the folders; the content stays for the next process.

        Args:
            hurry: do not wait for the platter; what `fsync` asked for has waited already.
        """
        self._follow_fork()
        if self._closed:
            return
        self._closed = True
        self._shelf.close()
        self._writer.close(hurry=hurry)
        if (own := self._writer.folder) and not self._shelf.holds(own):
            own.remove()
        for segment in self._shelf.segments:
            segment.folder.release()

    def after_fork(self) -> None:
        """Make an empty spool of the child's own; the parent keeps folders, files and content."""
        self._shelf.close()
        self._writer.abandon()
        if self._writer.folder:
            self._writer.folder.forget()
        for segment in self._shelf.segments:
            segment.folder.forget()
        self._reset()

    def _follow_fork(self) -> None:
        if self._pid != os.getpid():
            self.after_fork()

    def _write(self, batch: Batch, *, hurry: bool) -> bool:
        stored = pack_body(batch.body, compress=not hurry)
        size = len(stored) + HEADER_BYTES
        if size > self._cap:
            GUARD.complain("spool", "batch", f"a batch of {size} bytes exceeds the cap of {self._cap} bytes")
            return False
        if not self._writer.intact():
            self._forsake()
        segments = self._shelf.segments
        while segments and self.bytes + size > self._cap:
            message = f"the cap of {self._cap} bytes is reached: the oldest {self._what} are dropped"
            GUARD.complain("spool", f"{FULL} {self._what}", message)
            self._shelf.lose(segments[0], FULL)
        segment = self._writer.write(stored, batch, hurry=hurry)
        if not segments or segments[-1] is not segment:
            segments.append(segment)
        return True

    def _forsake(self) -> None:
        """Count what somebody deleted, and begin a folder anew."""
        GUARD.complain("spool", "vanished", f"files under {self._root} were deleted by somebody else")
        self._writer.abandon()
        for segment in [segment for segment in self._shelf.segments if not segment.path.exists()]:
            self._shelf.lose(segment, GONE)
        if self._writer.folder and not self._writer.folder.alive():
            self._writer.folder.release()
            self._writer.folder = None

    def _adopt(self) -> None:
        try:
            for folder in orphans(self._root):
                self._shelf.adopt(folder)
        except OSError as error:
            _complain(error, "adopting")


def _complain(error: OSError, doing: str) -> None:
    kind = errno.errorcode.get(error.errno or 0, type(error).__name__)
    GUARD.complain("spool", f"{doing} {kind}", f"{doing} failed ({error}); what does not fit into memory is lost")
