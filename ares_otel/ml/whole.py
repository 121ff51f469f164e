"""Files that are replaced as a whole, so that a crash leaves the old one."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["replace_whole"]


def replace_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file; OSError if it cannot be written."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(target)
