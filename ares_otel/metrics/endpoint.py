"""The scrape endpoint: where it listens, what it answers, how Prometheus finds it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakSet

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.discovery import Discovery
from ares_otel.metrics.http import OPENMETRICS_TYPE, PLAIN_TYPE, Request, respond, wants_openmetrics
from ares_otel.metrics.serving import CONNECTIONS, Server

__all__ = ["Endpoint", "Render"]

PORT: Final = 9_464
PORTS: Final = 32
TEXT: Final = "text/plain; charset=utf-8"


class Render(Protocol):
    """Makes an exposition: `Metrics.render`."""

    def __call__(self, *, openmetrics: bool) -> bytes:
        """Return OpenMetrics, or Prometheus' text format."""


class Endpoint:
    """Serves `/metrics` over HTTP/1.1 from a daemon thread.

    Args:
        render: makes the exposition, once for each scrape.
        host: address to listen at; loopback unless told otherwise, for the numbers are nobody else's business.
        port: first port to try, 0 for any.
        ports: how many ports to try, so that several bots on one host each find one.
        before_scrape: called before each exposition, to drain the queue; it bounds its own time.
        discovery: file in which Prometheus finds this endpoint.
        guard: counts errors.
    """

    def __init__(
        self,
        render: Render,
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        ports: int = PORTS,
        before_scrape: Callable[[], object] | None = None,
        discovery: Discovery | None = None,
        guard: Guard = GUARD,
    ) -> None:
        self._render = render
        self._before_scrape = before_scrape
        self._discovery = discovery
        self._guard = guard
        self._host = host
        self._ports = range(port, port + ports if port else 1)
        self._server: Server | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port while it listens."""
        return None if self._server is None else self._server.address

    def start(self) -> bool:
        """Listen and serve; False, counted and logged, if no port can be had."""
        if self._server is not None:
            return True
        with self._guard.shield("metrics.endpoint"):
            listener = self._listen()
            if listener is None:
                first, last = self._ports[0], self._ports[-1]
                message = f"no free port at {self._host} from {first} to {last}; there is no /metrics"
                self._guard.complain("metrics.endpoint", "port", message)
                return False
            self._server = Server(listener, self._respond, self._guard)
            self._server.start()
            ENDPOINTS.add(self)
            if self._discovery is not None:
                self._discovery.add(*self._server.address)
        return self._server is not None

    def stop(self) -> None:
        """Stop serving, give the port back and leave the discovery file; takes at most 0.2 s."""
        server, self._server = self._server, None
        if server is None:
            return
        with self._guard.shield("metrics.endpoint"):
            server.stop()
            if self._discovery is not None:
                self._discovery.remove(*server.address)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to its clients."""
        server, self._server = self._server, None
        if server is not None:
            server.abandon()

    def _listen(self) -> socket.socket | None:
        family, kind, protocol, _, _ = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)[0]
        for port in self._ports:
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self._host, port))
                listener.listen(CONNECTIONS)
            except OSError:
                listener.close()
                continue
            return listener
        return None

    def _respond(self, request: Request) -> bytes:
        if request.path != "/metrics":
            return respond(404, TEXT, b"not found; there is only /metrics\n", request)
        if request.method not in {"GET", "HEAD"}:
            return respond(405, TEXT, b"only GET and HEAD\n", request, (("Allow", "GET, HEAD"),))
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        if self._before_scrape is not None:
            with self._guard.shield("metrics.drain"):
                self._before_scrape()
        with self._guard.shield("metrics.scrape"):
            body = self._render(openmetrics=openmetrics)
            return respond(200, OPENMETRICS_TYPE if openmetrics else PLAIN_TYPE, body, request)
        return respond(500, TEXT, b"the exposition failed; see the log\n", request)


ENDPOINTS: WeakSet[Endpoint] = WeakSet()


def _abandon_all() -> None:
    for endpoint in list(ENDPOINTS):
        endpoint.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
