"""What tests of the API share: a database that the demo filled, and requests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from server_kit import Reply, send

from ares_otel.server.http.serve import EmbeddedServer

__all__ = ["DECISIONS", "demo_database", "demo_server", "get", "told"]

DECISIONS = 400


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    holder = tempfile.TemporaryDirectory(prefix="ares-demo-")
    command = (sys.executable, "-m", "ares_otel.cli.main", "demo", "--decisions", str(DECISIONS), "--json")
    subprocess.run([*command, "--directory", holder.name], check=True, capture_output=True, timeout=120)
    return holder


def demo_database(directory: Path) -> Path:
    """Return a copy of a database that the demo filled, once in a run of the tests."""
    database = directory / "ares.db"
    for made in Path(_made().name).glob("ares.db*"):
        if made.suffix != ".lock":
            shutil.copyfile(made, directory / made.name)
    return database


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with what the demo did."""
    with EmbeddedServer(demo_database(tmp_path_factory.mktemp("demo"))) as running:
        yield running


def get(server: EmbeddedServer, path: str, **headers: str) -> Reply:
    """Ask for a path."""
    return send(server.url, None, path=path, method="GET", content_type=None, **headers)


def told(server: EmbeddedServer, path: str) -> Any:
    """Return an answer that has to be there."""
    reply = get(server, path)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)
