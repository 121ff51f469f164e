"""The server's application: ingestion as it is, everything else by Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ares_otel.server import api, pages
from ares_otel.server.http.ingest import Ingest
from ares_otel.server.query.pool import Pool
from ares_otel.server.store.writer import Writer

__all__ = ["TRACES", "App"]

TRACES = "/v1/traces"
UNAVAILABLE = 503


class App:
    """ASGI application of the server: ingestion, health, API, pages."""

    def __init__(self, writer: Writer, pool: Pool, max_body_bytes: int) -> None:
        self._writer = writer
        self._ingest = Ingest(writer, max_body_bytes)
        health = (Route("/healthz", self._alive, name="alive"), Route("/readyz", self._ready, name="ready"))
        self._site: ASGIApp = Starlette(routes=[*health, *api.routes(pool), *pages.routes(pool)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._ingest if scope["type"] == "http" and scope["path"] == TRACES else self._site
        await app(scope, receive, send)

    async def _alive(self, request: Request) -> Response:
        """Tell that the process answers."""
        del request
        return PlainTextResponse("ok\n")

    async def _ready(self, request: Request) -> Response:
        """Tell whether spans can be stored now."""
        del request
        problem = self._writer.problem if self._writer.open else "the store is closed"
        return PlainTextResponse(f"{problem}\n", UNAVAILABLE) if problem else PlainTextResponse("ok\n")
