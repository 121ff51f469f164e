"""The bot's callbacks, called in the thread that watches; an `async` one gets a loop for as long as it takes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ares_otel.guard import GUARD

__all__ = ["PATIENCE", "called"]

PATIENCE: Final = 10.0
"""Seconds that an `async` callback may take."""


def called(callback: Callable[[Any], object], event: object, model: str) -> bool:
    """Call a callback and wait for it; False if it raised, or took too long, which is logged once."""
    try:
        found = callback(event)
        if inspect.isawaitable(found):
            _run(found)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  it is the bot's
        GUARD.failed(f"callback of {model}", error)
        return False
    return True


def _run(found: Awaitable[object]) -> None:
    bounded = _bounded(found)
    try:
        asyncio.run(bounded)
    finally:
        # whatever was not begun, because this thread has a loop already, would be warned of
        bounded.close()
        getattr(found, "close", _nothing)()


async def _bounded(found: Awaitable[object]) -> None:
    async with asyncio.timeout(PATIENCE):
        await found


def _nothing() -> None:
    """Do nothing."""
