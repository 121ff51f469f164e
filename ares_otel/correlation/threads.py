"""Threads started and jobs submitted inside a decision belong to it.

A new thread begins with an empty context before Python 3.14, so a record made in an executor would find no decision.
While installed, `Thread.start` and `ThreadPoolExecutor.submit` hand over OpenTelemetry's context when there is a
decision to hand over, and do nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from typing import Any

from opentelemetry.context import Context

from ares_otel.correlation import context as ctx

__all__ = ["install", "uninstall"]

_before: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Hand the context over to threads from now on."""
    if _before:
        return
    _before["start"] = threading.Thread.start
    _before["submit"] = ThreadPoolExecutor.submit
    threading.Thread.start = _start(threading.Thread.start)  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = _submit(ThreadPoolExecutor.submit)  # type: ignore[method-assign]


def uninstall() -> None:
    """Take back `install()`."""
    if _before:
        threading.Thread.start = _before.pop("start")  # type: ignore[method-assign]
        ThreadPoolExecutor.submit = _before.pop("submit")  # type: ignore[method-assign]


def _within(context: Mapping[str, Any], call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def within(*args: Any, **kwargs: Any) -> Any:
        token = ctx.set_(context)
        try:
            return call(*args, **kwargs)
        finally:
            ctx.reset(token)

    return within


def _start(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def start_with_context(self: threading.Thread) -> None:
        context = ctx.get()
        if ctx.DECISION_KEY in context:
            self.run = _within(context, self.run)  # type: ignore[method-assign]
        start(self)

    return start_with_context


def _submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(submit)
    def submit_with_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        context = ctx.get()
        if ctx.DECISION_KEY not in context:
            return submit(self, fn, *args, **kwargs)
        # a worker thread that this very call starts must not keep the decision for the jobs that come later
        token = ctx.set_(Context())
        try:
            return submit(self, _within(context, fn), *args, **kwargs)
        finally:
            ctx.reset(token)

    return submit_with_context
