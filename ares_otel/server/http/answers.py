"""Headers that every answer has, and the answers that say no."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from starlette.types import Message, Send

from ares_otel.server.http.head import CORRELATION_HEADER, REQUEST_HEADER, Head, Refusal

__all__ = ["POLICY", "Sealed", "ids", "refuse", "refuse_socket"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)
"""Where an application sets one of them itself, its own counts: files that never change may be cached."""

STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
PROBLEM: Final = b"application/problem+json"


class Sealed:
    """A `send` that adds the headers of all answers and remembers the status.

    Attributes:
        status: of the answer, 0 before there is one.
    """

    def __init__(self, send: Send, head: Head, *, secure: bool) -> None:
        self.status = 0
        self._send = send
        self._head = head
        self._more = (*HEADERS, STRICT_TRANSPORT) if secure else HEADERS

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        if message["type"] in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
            self.status = message.get("status", 101)
            given = list(message.get("headers", ()))
            names = {name for name, _ in given}
            message["headers"] = [*given, *(pair for pair in self._more if pair[0] not in names), *ids(self._head)]
        await self._send(message)


def ids(head: Head) -> list[tuple[bytes, bytes]]:
    """Return the headers that repeat a request's ids."""
    found = [(REQUEST_HEADER, head.request_id)]
    return [*found, (CORRELATION_HEADER, head.correlation_id)] if head.correlation_id else found


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer a request with a refusal, as `application/problem+json` (RFC 9457)."""
    await _answer(send, refusal, "http.response")


async def refuse_socket(send: Send, refusal: Refusal) -> None:
    """Answer a WebSocket's request with a refusal."""
    await _answer(send, refusal, "websocket.http.response")


async def _answer(send: Send, refusal: Refusal, kind: str) -> None:
    said = {"title": HTTPStatus(refusal.status).phrase, "status": refusal.status, "detail": refusal.reason}
    body = json.dumps(said).encode()
    headers = [(b"content-type", PROBLEM), (b"content-length", str(len(body)).encode()), *refusal.headers]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
