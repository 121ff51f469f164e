"""The server's application: who asks, whether they may, and who answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ares_otel.config import Server
from ares_otel.server import api, pages
from ares_otel.server.http import journal, login
from ares_otel.server.http.access import Access
from ares_otel.server.http.answers import Sealed, ids, refuse, refuse_socket
from ares_otel.server.http.attending import Attended
from ares_otel.server.http.head import Head, Refusal
from ares_otel.server.http.ingest import SIGNALS, Ingest
from ares_otel.server.http.limits import Gauge, Rates
from ares_otel.server.http.origins import Origins
from ares_otel.server.http.protocol import CROWDED
from ares_otel.server.http.tokens import Role
from ares_otel.server.http.watch import Watch
from ares_otel.server.pages.alarms import Alarms
from ares_otel.server.pages.site import LOGGED_IN
from ares_otel.server.push.streams import ALLOWED
from ares_otel.server.query.pool import Pool
from ares_otel.server.store.writer import Writer

__all__ = ["App"]

STREAMS: Final = frozenset({"/api/v1/stream", "/api/v1/ws"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FAILED: Final = 400
UNAVAILABLE: Final = 503


class App:
    """ASGI application of the server: telemetry on a bare path, everything else by Starlette.

    Args:
        writer: takes telemetry.
        pool: answers questions.
        settings: of the server.
        access: who may do what.
        watch: counts requests.
        more: further routes, which come first.
        alarms: what Alertmanager says.
    """

    def __init__(
        self,
        writer: Writer,
        pool: Pool,
        settings: Server,
        access: Access,
        watch: Watch,
        more: Sequence[BaseRoute] = (),
        alarms: Alarms | None = None,
    ) -> None:
        self.ingest = Ingest(writer, settings.max_body_bytes)
        self._access = access
        self._watch = watch
        self._log_all = settings.access_log
        self._origins = Origins(settings.host, settings.public_url, settings.allowed_hosts)
        self._reads, self._writes = Rates(settings.limits.reads), Rates(settings.limits.writes)
        self._busy = Gauge(settings.limits.concurrent, "requests")
        self._secure = (settings.public_url or "").startswith("https:") or settings.certificate is not None
        routes = (
            *more,
            watch.route(),
            *login.routes(access.sessions),
            # one of the pages lies within the API, which answers everything else there
            *pages.routes(pool, settings.trace_url, alarms),
            *api.routes(pool),
        )
        self._site: ASGIApp = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head, started = Head(scope), time.perf_counter()
        if scope["type"] == "http" and head.path in SIGNALS:
            status, route = await self._take(head, scope, receive, send), head.path
            failed = status >= FAILED
        else:
            status = await self._show(head, scope, receive, send)
            route, failed = getattr(scope.get("route"), "path", "other"), False
        seconds = time.perf_counter() - started
        if status:
            method = head.method if head.method in METHODS else "other"
            self._watch.answered(route, method, status, None if head.path in STREAMS else seconds)
        if self._log_all and (failed or head.path not in SIGNALS):
            journal.note(head, status, seconds)

    async def _take(self, head: Head, scope: Scope, receive: Receive, send: Send) -> int:
        """Take telemetry; return the status of the answer."""
        repeated = ids(head)
        try:
            _check_room(scope)
            self._origins.check(head)
            token = self._access.who(head)
            self._writes.take(token.name if token is not None else head.client)
            self._access.check(token, Role.WRITE)
        except Refusal as refusal:
            await self.ingest.refuse(head, refusal, send, repeated)
            return refusal.status
        return await self.ingest(scope, receive, send, repeated)

    async def _show(self, head: Head, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a page, the API, or a stream; return the status of the answer."""
        sealed = Sealed(send, head, secure=self._secure)
        try:
            _check_room(scope)
            self._origins.check(head)
            token = self._access.who(head)
            self._reads.take(token.name if token is not None else head.client)
            self._access.check_page(token, head, scope["query_string"])
            scope[LOGGED_IN] = self._access.has_session(head)
            if head.path in STREAMS:
                scope[ALLOWED] = lambda: self._is_allowed(head)
                await self._site(scope, receive, sealed)
            else:
                with self._busy.one():
                    async with Attended(scope, receive):
                        await self._site(scope, receive, sealed)
        except Refusal as refusal:
            await (refuse if scope["type"] == "http" else refuse_socket)(sealed, refusal)
        return sealed.status

    def _is_allowed(self, head: Head) -> bool:
        """Tell whether a client that was let in may stay: tokens and sessions end."""
        try:
            self._access.check(self._access.who(head), Role.READ)
        except Refusal:
            return False
        return True


def _check_room(scope: Scope) -> None:
    if scope.get(CROWDED):
        raise Refusal(UNAVAILABLE, "more connections than may be", (b"retry-after", b"1"), (b"connection", b"close"))
