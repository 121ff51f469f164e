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

from ares_otel.correlation import context as ctx
from ares_otel.correlation.patch import Patch
from ares_otel.guard import GUARD

__all__ = ["active", "install", "uninstall"]


def active() -> bool:
    """Tell whether contexts are handed over."""
    return all(patch.active for patch in PATCHES)


def install() -> None:
    """Hand the context over to threads from now on."""
    for patch in PATCHES:
        patch.install()


def uninstall() -> None:
    """Take back `install()`."""
    for patch in PATCHES:
        patch.uninstall()


def _within(context: Mapping[str, Any], call: Callable[..., Any]) -> Callable[..., Any]:
    handed = [context]  # given away at the call, so that a finished thread does not keep a decision alive

    @wraps(call)
    def within(*args: Any, **kwargs: Any) -> Any:
        token = ctx.set_(handed.pop() if handed else ctx.get())
        try:
            return call(*args, **kwargs)
        finally:
            ctx.reset(token)

    return within


def _start(start: Callable[..., None]) -> Callable[..., None]:
    def start_with_context(self: threading.Thread) -> None:
        context = ctx.get()
        if ctx.DECISION_KEY in context:
            with GUARD.shield("threads"):
                self.run = _within(context, self.run)  # type: ignore[method-assign]
        start(self)

    return start_with_context


def _submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit_with_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        context = ctx.get()
        if ctx.DECISION_KEY not in context:
            return submit(self, fn, *args, **kwargs)
        # a worker thread that this very call starts must not keep the decision for the jobs that come later
        with ctx.outside():
            return submit(self, _within(context, fn), *args, **kwargs)

    return submit_with_context


PATCHES = (Patch(threading.Thread, "start", _start), Patch(ThreadPoolExecutor, "submit", _submit))
