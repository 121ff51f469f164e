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

from ares_otel.server.http.serve import EmbeddedServer

__all__ = ["demo_database"]

DECISIONS = 400


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """Run the demo against a server of our own: at the usual port, which the demo's takes, others may send as well."""
    holder = tempfile.TemporaryDirectory(prefix="ares-demo-")
    database = Path(holder.name) / "ares.db"
    command = (sys.executable, "-m", "ares_otel.cli.main", "demo", "--decisions", str(DECISIONS), "--json")
    with EmbeddedServer(database) as server:
        options = ("--otlp", server.url, "--directory", holder.name)
        ended = subprocess.run([*command, *options], check=True, capture_output=True, text=True, timeout=170)
    with closing(sqlite3.connect(database)) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM decision").fetchone()
    assert stored == DECISIONS, ended.stdout + ended.stderr
    return holder


def demo_database(directory: Path) -> Path:
    """Return a copy of the database, in a directory of the caller's."""
    for made in Path(_made().name).glob("ares.db*"):
        if made.suffix != ".lock":
            shutil.copyfile(made, directory / made.name)
    return directory / "ares.db"
