"""Whoever leaves is not answered any more."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive, Scope

__all__ = ["Attended"]

PATIENCE: Final = 0.25
"""Seconds after which one looks whether the client is still there: most answers are ready by then."""

READING: Final = frozenset({"GET", "HEAD"})


class Attended:
    """Cancels the block when its client leaves, and swallows that.

    Args:
        scope: of the request; of one that has a body the client's messages are not looked at.
        receive: the client's messages.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._reads = scope["type"] == "http" and scope["method"] in READING
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[None] | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        if self._reads:
            self._task = asyncio.current_task()
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._look is not None:
            self._look.cancel()
        if not self._left or self._task is None or not isinstance(error, asyncio.CancelledError):
            return False
        return not self._task.uncancel()

    def _begin(self) -> None:
        self._look = asyncio.ensure_future(self._until_left())

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        if self._task is not None:
            self._task.cancel()
