"""A database that the demo filled, made once in a run of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["DECISIONS", "demo_database"]

DECISIONS = 400


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    holder = tempfile.TemporaryDirectory(prefix="ares-demo-")
    command = (sys.executable, "-m", "ares_otel.cli.main", "demo", "--decisions", str(DECISIONS), "--json")
    subprocess.run([*command, "--directory", holder.name], check=True, capture_output=True, timeout=120)
    return holder


def demo_database(directory: Path) -> Path:
    """Return a copy of the database, in a directory of the caller's."""
    for made in Path(_made().name).glob("ares.db*"):
        if made.suffix != ".lock":
            shutil.copyfile(made, directory / made.name)
    return directory / "ares.db"
