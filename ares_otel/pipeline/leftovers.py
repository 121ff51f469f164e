"""What ended processes left at the place of a ring, and who may have it: one at a time, by locks of the system."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from ares_otel.pipeline.ring import trim

try:
    import fcntl
except ImportError:  # pragma: no cover  # no such locks there: whoever comes writes
    fcntl = None  # type: ignore[assignment]

__all__ = ["claim", "leftovers", "lock", "move_aside", "places"]

NEW: Final = 0o600
KEPT_BYTES: Final = 1 << 28
"""Most that rings of ended processes take beside a new one."""

LOCK: Final = ".lock"
LEFT: Final = ".left-"
PAUSE: Final = 0.05


def lock(path: Path, patience: float = 0.0) -> int | None:
    """Take a ring's place for this process; return what holds it until it is closed, None if another one has it.

    Args:
        path: the ring.
        patience: seconds for which another one may have it: who only looks what is left there has it for a moment.

    Raises:
        OSError: nothing can be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(path.with_name(path.name + LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, NEW)
    end = time.monotonic() + patience
    while not _locked(held):
        if time.monotonic() >= end:
            os.close(held)
            return None
        time.sleep(PAUSE)
    return held


def claim(file: Path) -> int | None:
    """Take a ring that was moved out of the way; return what holds it, None if another has it or it is there no longer.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        held = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    if _locked(held) and file.exists():
        return held
    os.close(held)
    return None


def _locked(held: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def places(where: Path) -> list[Path]:
    """Return the rings that a path means: itself, or all of a folder."""
    if not where.is_dir():
        return [where]
    return sorted(file.with_name(file.name.removesuffix(LOCK)) for file in where.glob(f"*{LOCK}"))


def leftovers(path: Path) -> tuple[list[Path], int]:
    """Move what an ended process left at a place out of the way; call it with the lock.

    Returns:
        All that was left there so far, oldest first, as far as it fits `KEPT_BYTES`; and how many had to go for that.

    Raises:
        OSError: a file cannot be moved.
    """
    if path.exists():
        trim(move_aside(path, "left"))
    found = sorted(path.parent.glob(f"{path.name}{LEFT}*"))
    room, kept = KEPT_BYTES, 0
    for each in reversed(found):
        room -= each.stat().st_size
        if room < 0:
            break
        kept += 1
    removed = found[: len(found) - kept]
    for each in removed:
        each.unlink()
    return found[len(removed) :], len(removed)


def move_aside(path: Path, word: str) -> Path:
    """Give a file a name that says what it is, and when that was seen.

    Raises:
        OSError: it cannot be moved.
    """
    return path.replace(path.with_name(f"{path.name.partition(LEFT)[0]}.{word}-{time.time_ns():020d}"))
