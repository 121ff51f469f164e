"""`traced`: a span around every call of a function, coroutine function, generator or async generator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast, overload

from ares_otel.correlation import context as ctx
from ares_otel.decision.api import span
from ares_otel.decision.live import LiveSpan
from ares_otel.semconv.enums import Component

__all__ = ["traced"]

F = TypeVar("F", bound=Callable[..., Any])


@overload
def traced(function: F, /) -> F: ...


@overload
def traced(
    name: str | None = None, /, *, component: Component | str | None = None, expect_result: bool = False
) -> Callable[[F], F]: ...


def traced(
    target: Callable[..., Any] | str | None = None,
    /,
    *,
    component: Component | str | None = None,
    expect_result: bool = False,
) -> Any:
    """Put a span around every call; use it bare, or with a name and options.

    The span of a generator lasts from its first step to its end and is current only while the generator runs.

    Args:
        target: the function, or the span's name (default: the function's qualified name).
        component: which part of the bot this is.
        expect_result: mark the span `ares.result.empty` when the call returns None, False or something empty.
    """
    if callable(target):
        return _wrap(target, _name(target), component, expect_result)

    def decorate(function: F) -> F:
        return cast("F", _wrap(function, target or _name(function), component, expect_result))

    return decorate


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__)).replace("<locals>.", "")


def _wrap(
    function: Callable[..., Any],
    name: str,
    component: Component | str | None,
    expect: bool,  # noqa: FBT001
) -> Callable[..., Any]:
    def begin() -> LiveSpan:
        return span(name, component=component)

    if inspect.isasyncgenfunction(function):
        return _async_generator(function, begin)
    if inspect.isgeneratorfunction(function):
        return _generator(function, begin)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, begin, expect)
    return _plain(function, begin, expect)


def _plain(function: Callable[..., Any], begin: Callable[[], LiveSpan], expect: bool) -> Callable[..., Any]:  # noqa: FBT001
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with begin() as live:
            result = function(*args, **kwargs)
            if expect:
                _mark_empty(live, result)
            return result

    return call


def _coroutine(function: Callable[..., Any], begin: Callable[[], LiveSpan], expect: bool) -> Callable[..., Any]:  # noqa: FBT001
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with begin() as live:
            result = await function(*args, **kwargs)
            if expect:
                _mark_empty(live, result)
            return result

    return call


def _mark_empty(live: LiveSpan, result: object) -> None:
    # compared by identity and type: the truth of an array or a frame is an error
    empty = result is None or result is False or (isinstance(result, (dict, list, tuple, str)) and not result)
    if empty:
        live.set_attribute("ares.result.empty", value=True)


class _Stepped:
    """A span that is current only during the steps of a generator."""

    def __init__(self, begin: Callable[[], LiveSpan]) -> None:
        self.begin = begin
        self.live: LiveSpan | None = None
        self.inner: Any = None

    @contextmanager
    def step(self) -> Iterator[None]:
        if self.live is None:
            with_span = self.live = self.begin()
            with_span.__enter__()
            self.inner = ctx.get()
            ctx.reset(with_span.token)
            with_span.token = None
        token = ctx.set_(self.inner)
        try:
            yield
        finally:
            ctx.reset(token)

    def end(self, error: BaseException | None = None) -> None:
        if self.live is not None and not self.live.end_at:
            self.live.__exit__(type(error) if error else None, error, None)


def _generator(function: Callable[..., Any], begin: Callable[[], LiveSpan]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner: Generator[Any, Any, Any] = function(*args, **kwargs)
        stepped = _Stepped(begin)
        resume: Callable[[], Any] = inner.__next__
        try:
            while True:
                try:
                    with stepped.step():
                        value = resume()
                except StopIteration as done:
                    return done.value
                resume = yield from _handed(inner, value, stepped)
        except GeneratorExit:
            raise
        except BaseException as error:
            stepped.end(error)
            raise
        finally:
            stepped.end()

    return call


def _handed(inner: Generator[Any, Any, Any], value: Any, stepped: _Stepped) -> Generator[Any, Any, Callable[[], Any]]:
    """Yield a value to the caller; return what to do with the inner generator next."""
    try:
        sent = yield value
    except GeneratorExit:
        with stepped.step():
            inner.close()
        raise
    except BaseException as thrown:  # noqa: BLE001  whatever the caller throws belongs to the inner generator
        error = thrown
        return lambda: inner.throw(error)
    return lambda: inner.send(sent)


def _async_generator(function: Callable[..., Any], begin: Callable[[], LiveSpan]) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        stepped = _Stepped(begin)
        resume: Callable[[], Any] = inner.__anext__
        try:
            while True:
                try:
                    with stepped.step():
                        value = await resume()
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    with stepped.step():
                        await inner.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001  whatever the caller throws belongs to the inner one
                    resume = _throwing(inner, thrown)
                else:
                    resume = _sending(inner, sent)
        except GeneratorExit:
            raise
        except BaseException as error:
            stepped.end(error)
            raise
        finally:
            stepped.end()

    return call


def _throwing(inner: AsyncGenerator[Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: inner.athrow(error)


def _sending(inner: AsyncGenerator[Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: inner.asend(value)
