"""Folders of the spool: each belongs to one living process; those of dead processes can be adopted."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
else:
    import fcntl

__all__ = ["Folder", "Position", "claim", "orphans"]

NAME = re.compile(r"\d{20}-\d+-[0-9a-f]{8}")
SEGMENT = re.compile(r"(\d{8})\.seg")
LOCK = "lock"
CURSOR = "cursor"
PLACE = struct.Struct("<QQQQ")
CHECK = struct.Struct("<I")
TRIES = 8


class Position(NamedTuple):
    """How far a folder was read: the segment's number, the offset in it, the records and spans before that."""

    number: int
    offset: int
    records: int
    spans: int


class Folder:
    """A folder whose lock this process holds until it is released or the process ends, however it ends.

    Forked children share the lock: they must call `forget`, which leaves it with the parent.
    """

    __slots__ = ("_cursor", "_lock", "path")

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._cursor: FileIO | None = None

    def alive(self) -> bool:
        """Tell whether the folder still exists and is still ours."""
        return _same(self.path / LOCK, self._lock)

    def segment(self, number: int) -> Path:
        """Return the path of a segment file."""
        return self.path / f"{number:08d}.seg"

    def segments(self) -> list[tuple[int, Path]]:
        """Return numbers and paths of the segment files, oldest first.

        Raises:
            OSError: the folder cannot be read.
        """
        found = ((SEGMENT.fullmatch(path.name), path) for path in self.path.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)

    def position(self) -> Position | None:
        """Return how far the folder was read, or None if that is not known."""
        with contextlib.suppress(OSError, struct.error):
            data = (self.path / CURSOR).read_bytes()
            if CHECK.unpack_from(data, PLACE.size)[0] == zlib.crc32(data[: PLACE.size]):
                return Position(*PLACE.unpack_from(data))
        return None

    def save(self, position: Position) -> None:
        """Remember how far the folder was read.

        Raises:
            OSError: it cannot be written; a restart then sends some batches again.
        """
        if self._cursor is None:
            self._cursor = FileIO(os.open(self.path / CURSOR, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        data = PLACE.pack(*position)
        self._cursor.seek(0)
        self._cursor.write(data + CHECK.pack(zlib.crc32(data)))

    def remove(self) -> None:
        """Give up the lock, and delete the folder unless segments are left in it."""
        self._close_cursor()
        with contextlib.suppress(OSError):
            if not self.segments():
                (self.path / CURSOR).unlink(missing_ok=True)
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Give up the lock: the content is an orphan now."""
        self._close_cursor()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    forget = release
    """Closing one of several descriptors of the same lock does not unlock it, so a child may simply close its own."""

    def _close_cursor(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None


def claim(root: Path) -> Folder:
    """Make a folder of our own under a root; its name begins with the time, so that names sort by age.

    Raises:
        OSError: the root cannot be made or written.
    """
    root.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        path = root / f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}"
        path.mkdir(mode=0o700)
        # Another process may take the new folder for an orphan before the lock is ours.
        if folder := _take(path):
            return folder
    raise BlockingIOError(f"no folder of its own could be locked under {root}")


def orphans(root: Path) -> Iterator[Folder]:
    """Lock and yield the folders under a root whose processes are dead, oldest first.

    Raises:
        OSError: the root cannot be read.
    """
    if root.is_dir():
        for path in sorted(path for path in root.iterdir() if NAME.fullmatch(path.name)):
            if folder := _take(path):
                yield folder


def _take(path: Path) -> Folder | None:
    try:
        fd = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    # Who had the lock before us may have deleted the file while we waited to open it.
    if _locked(fd) and _same(path / LOCK, fd):
        return Folder(path, fd)
    os.close(fd)
    return None


def _same(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


if sys.platform == "win32":  # pragma: no cover

    def _locked(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _locked(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
