"""The whole API by schemathesis: whatever is asked, no 500, and nothing that its description does not say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from demo_store import demo_database

from ares_otel.server.http.serve import EmbeddedServer

EXAMPLES = 25
LEFT_OUT = ("--exclude-path", "/api/v1/stream", "--exclude-path", "/api/v1/reports/generate")
"""A stream has no end to wait for; what is not made yet is answered 501. Both have tests of their own."""

KNOWN = """\
[[operations]]
include-path-regex = "(?<!episodes/)\\\\{{id\\\\}}"
parameters = {{ "path.id" = "{correlation_id}" }}
[[operations]]
include-path-regex = "client_id"
parameters = {{ "path.client_id" = "{client_id}" }}
[[operations]]
include-path-regex = "model_id"
parameters = {{ "path.model_id" = "momentum" }}
[[operations]]
include-path = "/api/v1/export"
parameters = {{ "query.correlation_id" = "{correlation_id}" }}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server with what the demo did."""
    with EmbeddedServer(demo_database(tmp_path)) as running:
        yield running


def checked(server: EmbeddedServer, directory: Path, *options: str) -> None:
    """Run schemathesis in a directory, which may hold its configuration."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", f"{server.url}/api/v1/openapi.json", "--seed", "1", "--no-color", *LEFT_OUT]
    command += options
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=directory, check=False)
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]


@pytest.mark.timeout(700)
def test_whatever_is_asked(server: EmbeddedServer, tmp_path: Path) -> None:
    """No server error, no undescribed status, type or field, no wrong parameter accepted, on any endpoint."""
    checked(server, tmp_path, "--max-examples", str(EXAMPLES), "--phases", "coverage,fuzzing")


@pytest.mark.timeout(300)
def test_what_is_there(server: EmbeddedServer, tmp_path: Path) -> None:
    """The same where the id of a path means something, so that the answers are real ones."""
    with urlopen(f"{server.url}/api/v1/orders?status=filled&limit=1") as answer:
        order = json.load(answer)["items"][0]
    (tmp_path / "schemathesis.toml").write_text(KNOWN.format_map(order))

    checked(
        server, tmp_path, "--max-examples", "5", "--phases", "coverage,fuzzing", "--include-path-regex", r"\{|export"
    )
