"""Callbacks of the bot: waited for, contained, and bounded where they can be."""

from __future__ import annotations

import asyncio
import functools

import pytest

from ares_otel.guard import GUARD
from ares_otel.ml import calling
from ares_otel.ml.calling import called


def test_an_async_callback_is_awaited() -> None:
    """Whoever looks at its result finds it done; so is one that a plain function returns."""
    done: list[object] = []

    async def later(where: str, event: object) -> None:
        await asyncio.sleep(0)
        done.append((where, event))

    assert called(functools.partial(later, "partial"), 1, "m")
    assert called(lambda event: later("lambda", event), 2, "m")
    assert done == [("partial", 1), ("lambda", 2)]
    assert GUARD.counts() == {}


def test_an_async_callback_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for ever does not hold up the watch; what it raises is counted as that of any other."""
    monkeypatch.setattr(calling, "PATIENCE", 0.01)

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    async def broken(_: object) -> None:
        raise KeyError("no")

    async def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    assert not any(called(callback, 1, "m") for callback in (never, broken, cancelled))
    assert GUARD.counts() == {"callback of m": 3}


def test_where_a_loop_runs_already_it_is_refused() -> None:
    """As in a test that flushes within a loop of its own: said and counted, nothing is left unawaited."""

    async def callback(_: object) -> None:
        raise AssertionError

    async def bot() -> bool:
        return called(callback, 1, "m")

    assert not asyncio.run(bot())
    assert GUARD.counts() == {"callback of m": 1}
