"""`/api/v1`: what is stored, for programs."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from ares_otel.server.query.pool import Pool

__all__ = ["routes"]


def routes(pool: Pool) -> Sequence[BaseRoute]:
    """Return the routes of the API."""
    del pool
    return ()
