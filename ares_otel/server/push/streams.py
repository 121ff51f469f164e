"""`/api/v1/stream` (server-sent events) and `/api/v1/ws` (WebSocket): the same messages, the same rules."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from ares_otel.server.push.events import TOPICS
from ares_otel.server.push.hub import Batch, Client, FullError, Hub, Wanted

__all__ = ["ALLOWED", "routes"]

ALLOWED: Final = "ares.allowed"
"""Key in a request's scope: a function that tells whether its client may still listen."""

CHECK_SECONDS: Final = 10.0
RETRY: Final = b"retry: 2000\n\n"
LONGEST: Final = 4_096
MANY: Final = 64
GOING_AWAY, POLICY, LATER = 1001, 1008, 1013
UNAVAILABLE, BAD = 503, 400

REASON: Final = "the server stops, or access has ended"
END: Final = msgspec.json.encode({"topic": "end", "data": {"reason": REASON}})

Write: TypeAlias = Callable[[bytes], Awaitable[None]]


def routes(hub: Hub) -> Sequence[BaseRoute]:
    """Return the two routes of the live stream."""
    return (
        Route("/api/v1/stream", _Sse(hub), methods=["GET"], name="stream"),
        WebSocketRoute("/api/v1/ws", _Socket(hub), name="ws"),
    )


class _Sse:
    """Server-sent events; a client that comes back goes on after its `Last-Event-ID`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the client goes, or the server."""
        asked = _Asked(scope)
        if asked.problem:
            await _answer(send, BAD, asked.problem)
            return
        try:
            with self._hub.listener(asked.wanted, "sse") as client:
                snapshot = self._hub.begin(client, asked.last)
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})

                async def write(data: bytes) -> None:
                    await send({"type": "http.response.body", "body": data, "more_body": True})

                await write(RETRY + _sse("snapshot", snapshot))
                async with _watched(receive, client, "http.disconnect"):
                    await self._serve(client, scope, write)
                if not client.gone:
                    await write(_sse("end", END))
                    await send({"type": "http.response.body", "body": b""})
        except FullError:
            await _answer(send, UNAVAILABLE, "as many listen as may")

    async def _serve(self, client: Client, scope: Scope, write: Write) -> None:
        async for batch in _batches(client, scope):
            await write(batch.sse(client.wanted) or _sse("heartbeat", _beat()))


class _Socket:
    """WebSocket: each message a text frame with one JSON object; what the client sends is not read."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the client goes, or the server."""
        await receive()
        asked = _Asked(scope)
        await send({"type": "websocket.accept"})
        if asked.problem:
            await send({"type": "websocket.close", "code": POLICY, "reason": asked.problem})
            return

        async def write(data: bytes) -> None:
            await send({"type": "websocket.send", "text": data.decode()})

        try:
            with self._hub.listener(asked.wanted, "websocket") as client:
                await write(self._hub.begin(client, asked.last))
                async with _watched(receive, client, "websocket.disconnect"):
                    await self._serve(client, scope, write)
                if not client.gone:
                    await write(END)
                    await send({"type": "websocket.close", "code": GOING_AWAY, "reason": REASON})
        except FullError:
            await send({"type": "websocket.close", "code": LATER, "reason": "as many listen as may"})

    async def _serve(self, client: Client, scope: Scope, write: Write) -> None:
        async for batch in _batches(client, scope):
            for text in [message.text for message in batch.chosen(client.wanted)] or [_beat()]:
                await write(text)


class _Asked:
    """What a client asks for: `topics`, `strategy`, `symbol` (each several by commas), `last_event_id`."""

    def __init__(self, scope: Scope) -> None:
        query = scope["query_string"].decode("latin-1")[:LONGEST]
        given: dict[str, frozenset[str]] = {}
        for name, value in parse_qsl(query)[:MANY]:
            given[name] = given.get(name, frozenset()) | {word for word in value.split(",") if word}
        self.wanted = Wanted(*(given.get(name, frozenset()) for name in ("topics", "strategy", "symbol")))
        unknown = sorted(self.wanted.topics - {*TOPICS})
        self.problem = f"topics: expected some of {', '.join(TOPICS)}" if unknown else ""
        last = Headers(scope=scope).get("last-event-id") or next(iter(given.get("last_event_id", ())), "")
        self.last = last[:64]


@contextlib.asynccontextmanager
async def _watched(receive: Receive, client: Client, gone: str) -> AsyncIterator[None]:
    """End a client that goes away."""

    async def watch() -> None:
        while (await receive())["type"] != gone:
            pass
        client.gone = True
        client.end()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


async def _batches(client: Client, scope: Scope) -> AsyncIterator[Batch]:
    """Yield what a client gets, until it goes, or has to."""
    checked = time.monotonic()
    while True:
        batch = await client.next()
        if client.ended and not batch.messages:
            return
        if time.monotonic() >= checked + CHECK_SECONDS:
            checked = time.monotonic()
            if not _is_allowed(scope):
                return
        yield batch
        if client.ended:
            return


def _is_allowed(scope: Scope) -> bool:
    allowed = scope.get(ALLOWED)
    return allowed is None or bool(allowed())


def _sse(event: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def _beat() -> bytes:
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
    return msgspec.json.encode({"topic": "heartbeat", "data": {"time": now}})


_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def _answer(send: Send, status: int, reason: str) -> None:
    body = msgspec.json.encode({"status": status, "detail": reason})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == UNAVAILABLE:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
