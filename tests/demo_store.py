"""A database that the demo filled, made once in a run of the tests."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

__all__ = ["demo_database"]

DECISIONS = 400
ENOUGH = 300


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    holder = tempfile.TemporaryDirectory(prefix="ares-demo-")
    command = (sys.executable, "-m", "ares_otel.cli.main", "demo", "--decisions", str(DECISIONS), "--json")
    ended = subprocess.run(
        [*command, "--directory", holder.name], check=True, capture_output=True, text=True, timeout=170
    )
    with closing(sqlite3.connect(Path(holder.name) / "ares.db")) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM decision").fetchone()
    # a loaded machine may not deliver all within the time that the demo gives itself at its end
    assert stored >= ENOUGH, ended.stdout + ended.stderr
    return holder


def demo_database(directory: Path) -> Path:
    """Return a copy of the database, in a directory of the caller's."""
    for made in Path(_made().name).glob("ares.db*"):
        if made.suffix != ".lock":
            shutil.copyfile(made, directory / made.name)
    return directory / "ares.db"
