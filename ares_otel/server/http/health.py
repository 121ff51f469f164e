"""Liveness and readiness."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ares_otel.server.http.watch import free
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.writer import Answer, Job, Writer

__all__ = ["Health"]

UNAVAILABLE: Final = 503
PROBE_SECONDS: Final = 2.0
RETRY: Final = {"retry-after": "1"}


class Health:
    """Tells whether the process answers, and whether it can store now.

    Attributes:
        stopping: the server takes nothing more.

    Args:
        writer: is asked to commit an empty transaction, so that a database that cannot be written is found before
            telemetry comes.
        database: SQLite file, whose disk needs room; None for another database.
        reserve: bytes that have to be free there.
    """

    def __init__(self, writer: Writer, database: Path | None, reserve: int) -> None:
        self.stopping = False
        self._writer = writer
        self._database = database
        self._reserve = reserve
        self._probe: asyncio.Task[str | None] | None = None

    def routes(self) -> Sequence[Route]:
        """Return `/healthz` and `/readyz`."""
        return (Route("/healthz", self._alive, name="alive"), Route("/readyz", self._ready, name="ready"))

    async def _alive(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def _ready(self, request: Request) -> Response:
        del request
        problem = await self.problem()
        return PlainTextResponse(f"{problem}\n", UNAVAILABLE, RETRY) if problem else PlainTextResponse("ok\n")

    async def problem(self) -> str | None:
        """Return why nothing can be stored now, None if it can."""
        if self.stopping:
            return "the server stops"
        if not self._writer.open:
            return "the store is closed"
        room = None if self._database is None else free(self._database)
        if room is not None and room < self._reserve:
            return f"only {room:,.0f} bytes are free on the disk of the database"
        # many who ask at the same time share one transaction
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().create_task(self._write_nothing())
        try:
            return await asyncio.wait_for(asyncio.shield(self._probe), PROBE_SECONDS)
        except TimeoutError:
            return f"the database did not commit within {PROBE_SECONDS:g} s"

    async def _write_nothing(self) -> str | None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()

        def answer(found: Answer) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: None if done.done() else done.set_result(found))

        if not self._writer.submit(Job(b"", PROTOBUF, False, answer)):
            # a full queue is a busy server, and work is under way
            return self._writer.problem
        found = await done
        return None if found.status < 300 else self._writer.problem or found.reason  # noqa: PLR2004  success
