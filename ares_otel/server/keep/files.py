"""Files that get their name when they are complete, and replace nothing."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SIDES", "FileError", "new_file", "set_aside_name", "sync_directory"]

SIDES = ("", "-wal", "-shm")
"""What SQLite has beside a file of a name."""


class FileError(Exception):
    """A file that cannot be written or read, said so that a user knows what to do."""


def set_aside_name(directory: Path, stem: str, ending: str = "") -> Path:
    """Return a name that nothing has, for what was there before: the stem, `.before-`, the time, the ending."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name, number = directory / f"{stem}.before-{stamp}{ending}", 0
    while name.exists():
        number += 1
        name = directory / f"{stem}.before-{stamp}-{number}{ending}"
    return name


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Give a name for a file, which takes the target's name at the end of the block unless something has it by then.

    Only its user may read it.

    Raises:
        FileError: the target exists or cannot be written.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    if target.exists():
        raise FileError(f"{target} exists already; name another file, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        # a link fails where a rename would replace what came meanwhile
        os.link(part, target)
        sync_directory(target.parent)
    except OSError as error:
        if target.exists():
            raise FileError(f"{target} exists already; name another file, or remove it first") from error
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        for side in SIDES:
            with contextlib.suppress(OSError):
                part.with_name(part.name + side).unlink()


def sync_directory(directory: Path) -> None:
    """Make names in a directory outlive the power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
