"""`/api/v1`: what is stored, for programs. Everything answers below `/api` as well."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ares_otel.server.api.answering import Answering, Missing, reply
from ares_otel.server.api.beyond import REPORTS, Unmade
from ares_otel.server.api.catalog import ENDPOINTS
from ares_otel.server.api.openapi import document
from ares_otel.server.query.pool import Pool

__all__ = ["routes"]

BASES = ("/api/v1", "/api")


def routes(pool: Pool) -> Sequence[BaseRoute]:
    """Return the routes of the API."""
    found: list[BaseRoute] = []
    for base in BASES:
        found.append(Route(f"{base}/openapi.json", _openapi))
        found.append(Route(base + REPORTS, Unmade()))
        found += [Route(base + endpoint.path, Answering(endpoint, pool)) for endpoint in ENDPOINTS]
    return (*found, Route("/api/{rest:path}", Missing()))


async def _openapi(request: Request) -> Response:
    """Answer the description of the API."""
    return reply(request, msgspec.json.encode(document(ENDPOINTS)))
