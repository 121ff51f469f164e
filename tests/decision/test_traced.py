"""`traced` keeps what it wraps: plain functions, coroutines, generators and async generators."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from opentelemetry import trace

import ares_otel as ares
from ares_otel.testing import Capture


def test_a_plain_function(ares_capture: Capture) -> None:
    """Bare, the function's name is the span's; result, signature and exception stay."""

    @ares.traced
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    @ares.traced("risky", component="tactician")
    def fail() -> None:
        raise ValueError("bad")

    assert add(1) == 3
    assert add.__doc__ == "Add."
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    with pytest.raises(ValueError, match="bad"):
        fail()
    first, second = ares_capture.spans()
    assert first["name"] == "test_a_plain_function.add"
    assert (second["name"], second["attributes"]["ares.component"]) == ("risky", "tactician")
    assert second["status"] == (2, "ValueError: bad")


def test_a_coroutine_function(ares_capture: Capture) -> None:
    """It stays a coroutine function; nested calls are children; cancelling it is recorded."""

    @ares.traced("inner")
    async def inner() -> int:
        await asyncio.sleep(0)
        return 1

    @ares.traced("outer")
    async def outer() -> int:
        return await inner() + 1

    @ares.traced("waits")
    async def waits() -> None:
        await asyncio.sleep(60)

    async def main() -> int:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await outer()

    assert inspect.iscoroutinefunction(outer)
    assert asyncio.run(main()) == 2
    assert ares_capture.tree() == ["waits", "outer", "  inner"]
    assert ares_capture.spans("waits")[0]["attributes"]["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_generator(ares_capture: Capture) -> None:
    """Sending, throwing, closing and the returned value work; the span is current only while it runs."""

    @ares.traced("steps")
    def steps() -> Generator[int, str, str]:
        with ares.span("inside"):
            pass
        try:
            got = yield 1
        except KeyError:
            got = yield 10
        return got

    gen = steps()
    assert inspect.isgeneratorfunction(steps)
    assert next(gen) == 1
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert gen.throw(KeyError("x")) == 10
    with pytest.raises(StopIteration) as done:
        gen.send("end")
    assert done.value.value == "end"
    assert ares_capture.tree() == ["steps", "  inside"]
    assert "status" not in ares_capture.spans("steps")[0]


def test_a_generator_that_is_left_or_fails(ares_capture: Capture) -> None:
    """Left alone it ends when it is closed, its `finally` runs; an exception makes its span an error."""
    closed: list[bool] = []

    @ares.traced("endless")
    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    @ares.traced("fails")
    def fails() -> Iterator[int]:
        yield 1
        raise RuntimeError("broke")

    gen = endless()
    next(gen)
    gen.close()  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="broke"):
        list(fails())
    never_started = endless()
    never_started.close()  # type: ignore[attr-defined]

    endless_span, fails_span = ares_capture.spans()
    assert closed == [True]
    assert (endless_span["name"], fails_span["status"]) == ("endless", (2, "RuntimeError: broke"))
    assert "status" not in endless_span


def test_an_async_generator(ares_capture: Capture) -> None:
    """The same for async generators."""

    @ares.traced("ticks")
    async def ticks() -> Any:
        with ares.span("inside"):
            await asyncio.sleep(0)
        try:
            got = yield 1
        except KeyError:
            got = yield 10
        if got == "fail":
            raise RuntimeError("broke")
        yield 2

    async def main() -> None:
        assert [value async for value in ticks()] == [1, 2]
        gen = ticks()
        assert await anext(gen) == 1
        assert trace.get_current_span() is trace.INVALID_SPAN
        assert await gen.athrow(KeyError("x")) == 10
        with pytest.raises(RuntimeError, match="broke"):
            await gen.asend("fail")
        left = ticks()
        await anext(left)
        await left.aclose()

    assert inspect.isasyncgenfunction(ticks)
    asyncio.run(main())
    assert ares_capture.tree() == ["ticks", "  inside"] * 3
    statuses = [span.get("status") for span in ares_capture.spans("ticks")]
    assert statuses == [None, (2, "RuntimeError: broke"), None]


@pytest.mark.parametrize(
    ("result", "empty"), [(None, True), (False, True), ({}, True), ([], True), (0, False), ({"a": 1}, False)]
)
def test_an_empty_result_is_marked(ares_capture: Capture, result: object, empty: bool) -> None:  # noqa: FBT001
    """A call that returns nothing where a value is expected is made visible."""

    @ares.traced("plain", expect_result=True)
    def plain() -> object:
        return result

    @ares.traced("coroutine", expect_result=True)
    async def coroutine() -> object:
        return result

    plain()
    asyncio.run(coroutine())

    assert [span["attributes"].get("ares.result.empty", False) for span in ares_capture.spans()] == [empty, empty]


def test_methods_and_class_bodies(ares_capture: Capture) -> None:
    """Methods can be decorated; async iteration over a traced method works."""

    class Bot:
        @ares.traced
        def decide(self) -> str:
            return "buy"

        @ares.traced(component="analyst")
        async def feed(self) -> AsyncIterator[int]:
            yield 1

    async def main() -> list[int]:
        return [value async for value in Bot().feed()]

    assert Bot().decide() == "buy"
    assert asyncio.run(main()) == [1]
    assert [span["name"] for span in ares_capture.spans()] == [
        "test_methods_and_class_bodies.Bot.decide",
        "test_methods_and_class_bodies.Bot.feed",
    ]
