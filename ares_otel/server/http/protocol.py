"""HTTP/1.1 connections that cost little when a client is slow, stalls, or never ends its head."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["CROWDED", "HEAD_BYTES", "patient", "patient_socket"]

HEAD_BYTES: Final = 64 << 10
CROWDED: Final = "ares.crowded"


def patient(seconds: float, connections: int) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with limits it does not have.

    Args:
        seconds: within which the head of a request has to be there, and a client that is sent to has to read.
        connections: beyond so many a request's scope says `CROWDED`; uvicorn's own refusal has no `Retry-After`.
    """

    class Patient(_Patient):
        limit = seconds
        most = connections

    return Patient


def patient_socket(seconds: float) -> type[WebSocketsSansIOProtocol]:
    """Return uvicorn's protocol for WebSockets with a limit for clients that do not read."""

    class Patient(_PatientSocket):
        limit = seconds

    return Patient


class _Patient(HttpToolsProtocol):
    """Cuts off a head that is too long or takes too long, and a client that does not read."""

    limit: float
    most: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begun = 0
        self._heading: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        _stop(self._heading)
        _stop(self._stuck)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._heading is not None:
            self._begun += len(data)
        super().data_received(data)
        if self._heading is not None and self._begun > HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        if self._heading is None:
            self._expect_head()
        super().on_message_begin()
        if len(self.connections) > self.most:
            cast("dict[str, object]", self.scope)[CROWDED] = True

    def on_headers_complete(self) -> None:
        _stop(self._heading)
        self._heading = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        _stop(self._stuck)
        self._stuck = self.loop.call_later(self.limit, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        _stop(self._stuck)
        super().resume_writing()

    def _expect_head(self) -> None:
        self._begun = 0
        self._heading = self.loop.call_later(self.limit, self.transport.abort)


class _PatientSocket(WebSocketsSansIOProtocol):
    """Cuts off a client that does not read."""

    limit: float
    _stuck: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        _stop(self._stuck)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        _stop(self._stuck)
        self._stuck = self.loop.call_later(self.limit, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        _stop(self._stuck)
        super().resume_writing()


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
