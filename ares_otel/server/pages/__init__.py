"""The console: what is stored, for people."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from ares_otel.server.query.pool import Pool

__all__ = ["routes"]


def routes(pool: Pool) -> Sequence[BaseRoute]:
    """Return the routes of the pages."""
    del pool
    return ()
