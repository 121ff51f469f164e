"""A file in memory that outlives the process: what the bot's threads write there is found after `kill -9`.

The file is mapped and its blocks are allocated beforehand, so that a disk that gets full cannot kill the bot by SIGBUS.
It has segments that are filled one after the other. A record is written by one call of C, which no other thread
interrupts, so that the hot path takes no lock; its checksum begins with a number of its segment, so that neither a torn
record nor one of an earlier turn is ever taken for one of this. A segment is used again once the worker has released
what is in it; where none is free, records are refused and counted: nothing here waits or grows.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, NoReturn
from zlib import crc32

__all__ = ["SEGMENTS", "Found", "Position", "Ring", "RingError", "read", "trim"]

SEGMENTS: Final = 8
VERSION: Final = 1
HEAD_BYTES: Final = 65_536  # a multiple of every page size, as mapping asks for
MAGIC: Final = b"ARESRING"
HEAD: Final = struct.Struct("<8sIIII")
SEGMENT: Final = struct.Struct("<QQI")
GAP: Final = SEGMENT.size
FIRST: Final = SEGMENT.size + 4
MARK: Final = 0xA7524E47
RECORD: Final = struct.Struct("<III")
PACK: Final = RECORD.pack
NEW: Final = 0o600
LARGEST: Final = 1 << 30
POPULATE: Final = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


class RingError(Exception):
    """A file is no ring of this version."""


class Position(NamedTuple):
    """A place between two records: the number of the segment, counted over all turns, and the offset in it."""

    serial: int
    offset: int


class Found(NamedTuple):
    """What a ring of an ended process holds.

    Attributes:
        info: as it was given when the ring was made.
        records: each with the place where it begins, in the order in which they were written.
        damaged: stretches that hold no sound record, with sound ones behind them.
        gaps: records were refused while the oldest of these were written.
    """

    info: bytes
    records: list[tuple[Position, bytes]]
    damaged: int
    gaps: bool


class _Segment(NamedTuple):
    serial: int
    nonce: int
    write: Callable[[bytes], object]
    tell: Callable[[], int]


def _closed(_: bytes = b"") -> NoReturn:
    raise ValueError("closed")


CLOSED: Final = _Segment(0, 0, _closed, lambda: 0)


class Ring:
    """Writes records to a new file; safe from any thread, and from a signal handler.

    Args:
        path: the file, which must not exist.
        size: its bytes, about.
        info: at most 64,000 bytes that are kept beside the records.

    Attributes:
        tight: no segment is free but the one that is written: the beginning of something is better refused, so that
            there is room for the ends.
        refused: records that found no room.

    Raises:
        OSError: the file cannot be made, or there is no room for it.
    """

    def __init__(self, path: Path, size: int, info: bytes = b"") -> None:
        self.path = path
        self.tight = False
        self.refused = 0
        self._lock = threading.RLock()
        self._turning = False
        self._run = int.from_bytes(os.urandom(8), "little")
        self._size = max(size // SEGMENTS // HEAD_BYTES, 1) * HEAD_BYTES
        self._oldest = 1
        self._freed = Position(1, FIRST)
        self._maps = self._make(info)
        self._current = self._begin(1)

    def _make(self, info: bytes) -> list[mmap.mmap]:
        made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, NEW)
        try:
            _allocate(made, HEAD_BYTES + SEGMENTS * self._size)
            check = crc32(info, self._size)
            os.pwrite(made, HEAD.pack(MAGIC, VERSION, self._size, len(info), check) + info, 0)
            places = range(HEAD_BYTES, HEAD_BYTES + SEGMENTS * self._size, self._size)
            return [mmap.mmap(made, self._size, flags=POPULATE, offset=place) for place in places]
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(made)

    def put(self, payload: bytes) -> bool:
        """Write a record; tell whether it found room."""
        _, nonce, write, _ = self._current
        try:
            write(PACK(MARK, len(payload), crc32(payload, nonce)) + payload)
        except ValueError:
            return self._turn(payload)
        return True

    def refuse(self) -> None:
        """Count a record that was not even tried, because the ring is tight."""
        with self._lock:
            self.refused += 1

    def place(self) -> Position:
        """Return where the next record goes; what is written before it has been handed over before this call."""
        current = self._current
        return Position(current.serial, current.tell())

    @property
    def held(self) -> int:
        """Bytes that were written and not released, about."""
        here, freed = self.place(), self._freed
        return max((here.serial - freed.serial) * self._size + here.offset - freed.offset, 0)

    def release(self, position: Position) -> None:
        """Let the segments before a place be used again."""
        with self._lock:
            self._freed = max(self._freed, position)
            self._oldest = max(self._oldest, position.serial)
            self._weigh(self._current.serial)

    def close(self, *, remove: bool) -> None:
        """Write nothing any more; `remove` what is written, too, because nobody needs it."""
        self.abandon()
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def abandon(self) -> None:
        """Let go of the file: at the end, and in a forked child, whose parent goes on with it."""
        self._current = CLOSED
        self._lock = threading.RLock()
        maps, self._maps = self._maps, []
        for each in maps:
            each.close()

    def _turn(self, payload: bytes) -> bool:
        """Write a record behind the end of a segment: into the next one, if that is free."""
        with self._lock:
            if self._turning or not self._maps or len(payload) > self._size - FIRST - RECORD.size:
                self.refused += 1
                return False
            self._turning = True
            try:
                return self._write_on(payload)
            finally:
                self._turning = False

    def _write_on(self, payload: bytes) -> bool:
        for _ in range(2):
            serial, nonce, write, _tell = self._current
            with contextlib.suppress(ValueError):  # another thread may have turned meanwhile
                write(PACK(MARK, len(payload), crc32(payload, nonce)) + payload)
                return True
            if serial + 1 - self._oldest >= SEGMENTS:
                break
            self._current = self._begin(serial + 1)
        self.refused += 1
        self._maps[self._current.serial % SEGMENTS][GAP] = 1
        return False

    def _begin(self, serial: int) -> _Segment:
        place = self._maps[serial % SEGMENTS]
        nonce = _nonce(serial, self._run)
        place.seek(0)
        place.write(SEGMENT.pack(serial, self._run, nonce) + bytes(FIRST - SEGMENT.size))
        self._weigh(serial)
        return _Segment(serial, nonce, place.write, place.tell)

    def _weigh(self, serial: int) -> None:
        self.tight = serial + 1 - self._oldest >= SEGMENTS


def _nonce(serial: int, run: int) -> int:
    return crc32(b"%d %d" % (serial, run))


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    block = bytes(1 << 20)  # pragma: no cover  # macOS
    for start in range(0, size, len(block)):  # pragma: no cover
        os.pwrite(descriptor, block[: size - start], start)


# --- reading -------------------------------------------------------------------------------------------------------


def read(path: Path) -> Found:
    """Return what a ring holds that nobody writes any more.

    Raises:
        RingError: the file is no ring of this version.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size, info = _head(head)
        body = file.read(SEGMENTS * size)
    segments = [_segment(body[start : start + size]) for start in range(0, SEGMENTS * size, size)]
    sound = sorted((each for each in segments if each is not None), key=lambda each: each[0])
    run = sound[-1][1] if sound else 0
    records: list[tuple[Position, bytes]] = []
    # one that was begun has a header; a damaged one leaves a hole in the numbers
    damaged = sound[-1][0] - sound[0][0] + 1 - len(sound) if sound else 1
    gaps = False
    for serial, of_run, data in sound:
        if of_run != run:
            damaged += 1
            continue
        gaps = gaps or data[GAP] != 0
        for offset, payload in _records(data, _nonce(serial, run)):
            if payload is None:
                damaged += 1
            else:
                records.append((Position(serial, offset), payload))
    return Found(info, records, max(damaged, 0), gaps)


def trim(path: Path) -> None:
    """Give back what no record was written to, which is nearly all of a ring whose process ended soon."""
    with contextlib.suppress(RingError):
        data = path.read_bytes()
        size, _ = _head(data[:HEAD_BYTES])
        for start in reversed(range(HEAD_BYTES, HEAD_BYTES + SEGMENTS * size, size)):
            found = _segment(data[start : start + size])
            if found is not None:
                serial, run, body = found
                sound = [at + RECORD.size + len(it) for at, it in _records(body, _nonce(serial, run)) if it is not None]
                os.truncate(path, start + max(sound, default=FIRST))
            if found is not None or any(data[start : start + FIRST]):
                return


def _head(data: bytes) -> tuple[int, bytes]:
    if len(data) < HEAD_BYTES or not data.startswith(MAGIC):
        raise RingError("it is no ring of ares_otel, or its beginning is damaged")
    _, version, size, length, check = HEAD.unpack_from(data)
    if version != VERSION:
        raise RingError(f"it is of version {version}, this is version {VERSION}")
    info = data[HEAD.size : HEAD.size + length]
    if crc32(info, size) != check or not 0 < size <= LARGEST or size % HEAD_BYTES:
        raise RingError("its beginning is damaged")
    return size, info


def _segment(data: bytes) -> tuple[int, int, bytes] | None:
    if len(data) < FIRST:
        return None
    serial, run, nonce = SEGMENT.unpack_from(data)
    return (serial, run, data) if serial and nonce == _nonce(serial, run) else None


def _records(data: bytes, nonce: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield offset and payload of each sound record of a segment, and None for a stretch before one that has none."""
    at, mark = FIRST, MARK.to_bytes(4, "little")
    while True:
        payload = _record(data, at, nonce)
        if payload is None:
            following = data.find(mark, at + 1)
            while following >= 0 and _record(data, following, nonce) is None:
                following = data.find(mark, following + 1)
            if following < 0:
                return
            yield at, None
            at = following
            continue
        yield at, payload
        at += RECORD.size + len(payload)


def _record(data: bytes, at: int, nonce: int) -> bytes | None:
    if at + RECORD.size > len(data):
        return None
    mark, size, check = RECORD.unpack_from(data, at)
    start = at + RECORD.size
    if mark != MARK or start + size > len(data):
        return None
    payload = data[start : start + size]
    return payload if crc32(payload, nonce) == check else None
