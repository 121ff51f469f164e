"""The programs of `make servers` for tests that need the real ones."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "built", "said"]

ROOT = Path(__file__).resolve().parent.parent


def built(server: str, program: str = "") -> Path:
    """Return a built program: a server's own, or one of the tools beside it.

    Raises:
        RuntimeError: it is not there; the message says how to build it.
    """
    binary = _place(server, os.environ.get("XDG_CACHE_HOME"))
    binary = binary.parent / program if program else binary
    if not binary.exists():
        raise RuntimeError(f"{binary.name} is not built ({binary} is missing): run `make servers` first")
    return binary


def said(*command: str | Path, cwd: Path = ROOT) -> str:
    """Return all that a program said, after it ended well.

    Raises:
        AssertionError: it ended otherwise; the message has what it said.
    """
    line = [str(part) for part in command]
    answer = subprocess.run(line, cwd=cwd, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


@functools.cache
def _place(server: str, cache: str | None) -> Path:
    del cache  # where things lie depends on it
    return Path(said(sys.executable, ROOT / "deploy" / "servers.py", "--path", server).strip())
