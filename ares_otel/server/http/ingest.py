"""`/v1/traces` and `/v1/logs` as a bare ASGI application, which costs a third less than a route of a framework."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from starlette.types import Message, Receive, Scope, Send

from ares_otel.server.http.head import Head, Refusal
from ares_otel.server.otlp.wire import JSON, PROTOBUF, RequestError, failure_body, success_body
from ares_otel.server.store.writer import LOGS, TRACES, Answer, Job, Writer

__all__ = ["BODY_SECONDS", "SIGNALS", "ClientGoneError", "Ingest"]

SIGNALS: Final = {"/v1/traces": TRACES, "/v1/logs": LOGS}
"""What is taken, by path."""

MEMORY = 64 << 20
"""Most bytes of bodies that wait, all senders together."""

BODY_SECONDS = 30.0
RETRY_SECONDS = b"1"
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

OK, METHOD, SLOW, LARGE, BUSY = 200, 405, 408, 413, 503


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class Ingest:
    """Takes telemetry and answers them after they are committed.

    Too much at once is refused with 503 and `Retry-After` before memory grows; senders keep their data.

    Attributes:
        held: bytes of bodies that are received or wait to be stored.
    """

    def __init__(self, writer: Writer, max_body_bytes: int) -> None:
        self._writer = writer
        self._limit = max_body_bytes
        self._memory = max(MEMORY, max_body_bytes)
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send, repeated: Headers = ()) -> int:
        """Answer one request, with `repeated` among the headers; return its status, 0 where nobody was there."""
        encoding = JSON
        try:
            encoding, packed = _described(scope, self._limit)
            with self._memory_of_one() as body:
                await self._read(receive, body)
                answer = await self._stored(bytes(body), encoding, SIGNALS[scope["path"]], packed=packed)
        except RequestError as error:
            answer = Answer(error.status, error.reason)
        except ClientGoneError:
            return 0
        counted = "rejectedSpans" if scope["path"] == "/v1/traces" else "rejectedLogRecords"
        await _reply(send, encoding, answer, repeated, counted)
        return answer.status

    async def refuse(self, head: Head, refusal: Refusal, send: Send, repeated: Headers) -> None:
        """Answer a request that may not send, or not now, in its own encoding."""
        encoding = PROTOBUF if head.text(b"content-type").lower().startswith(PROTOBUF) else JSON
        await _reply(send, encoding, Answer(refusal.status, refusal.reason), (*refusal.headers, *repeated))

    @contextlib.contextmanager
    def _memory_of_one(self) -> Iterator[bytearray]:
        body = bytearray()
        try:
            yield body
        finally:
            self.held -= len(body)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while self._take(await receive(), body):
                    pass
        except TimeoutError as error:
            raise RequestError(SLOW, f"the body did not arrive within {BODY_SECONDS:g} s") from error

    def _take(self, message: Message, body: bytearray) -> bool:
        """Add a piece of the body; tell whether more is to come."""
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message.get("body", b"")
        if len(body) + len(piece) > self._limit:
            raise RequestError(LARGE, f"the body has more than {self._limit:,} bytes")
        if self.held + len(piece) > self._memory:
            raise RequestError(BUSY, "too much waits to be stored")
        self.held += len(piece)
        body += piece
        return bool(message.get("more_body", False))

    async def _stored(self, body: bytes, encoding: str, signal: str, *, packed: bool) -> Answer:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()

        def answer(found: Answer) -> None:
            # the loop may have ended: the sender will ask again and is answered then
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, done, found)

        if not self._writer.submit(Job(body, encoding, packed, answer, signal)):
            raise RequestError(BUSY, "too many requests wait to be stored")
        return await done


def _resolve(done: asyncio.Future[Answer], answer: Answer) -> None:
    if not done.done():
        done.set_result(answer)


def _described(scope: Scope, limit: int) -> tuple[str, bool]:
    """Return the encoding of a request and whether it is packed."""
    headers = {name: value.decode("latin-1").strip().lower() for name, value in scope["headers"]}
    if scope["method"] != "POST":
        raise RequestError(METHOD, "telemetry is sent by POST")
    encoding = headers.get(b"content-type", "").partition(";")[0].strip()
    if encoding not in {PROTOBUF, JSON}:
        raise RequestError(415, f"the content type has to be {PROTOBUF} or {JSON}")
    packing = headers.get(b"content-encoding", "identity")
    if packing not in {"identity", "", "gzip"}:
        raise RequestError(415, "the content encoding has to be gzip or none")
    length = headers.get(b"content-length", "")
    if length.isdigit() and int(length) > limit:
        raise RequestError(LARGE, f"the body has more than {limit:,} bytes")
    return encoding, packing == "gzip"


async def _reply(send: Send, encoding: str, answer: Answer, more: Headers, counted: str = "rejectedSpans") -> None:
    status = answer.status
    if status == OK:
        body = success_body(encoding, answer.rejected, answer.reason, counted)
    else:
        body = failure_body(encoding, status, answer.reason)
    headers = [(b"content-type", encoding.encode()), (b"content-length", str(len(body)).encode()), *more]
    if status == BUSY and not any(name == b"retry-after" for name, _ in more):
        headers.append((b"retry-after", RETRY_SECONDS))
    elif status == METHOD:
        headers.append((b"allow", b"POST"))
    elif status == SLOW:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
