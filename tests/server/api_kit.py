"""What tests of the API share: a server with what the demo did, and requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo_store import demo_database
from server_kit import Reply, send

from ares_otel.server.http.serve import EmbeddedServer

__all__ = ["demo_server", "get", "told"]


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
