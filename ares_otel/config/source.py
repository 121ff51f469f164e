"""Read small text files without ever waiting for one."""

from __future__ import annotations

import os
import stat

__all__ = ["LIMIT", "read_bounded", "read_text"]

LIMIT = 1 << 20


def read_bounded(path: str, limit: int = LIMIT) -> bytes:
    """Return the bytes of a regular file; never waits for a pipe or a device.

    Raises:
        OSError: cannot be read.
        ValueError: not a regular file, or longer than `limit`.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"longer than {limit} bytes")
    return content


def read_text(path: str, limit: int = LIMIT) -> str:
    """Return the text of a regular file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: cannot be read.
        ValueError: not a regular file, longer than `limit`, or not UTF-8.
    """
    try:
        return read_bounded(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from None
