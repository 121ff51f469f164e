"""Where telemetry runs: in which interpreter, with or without its lock, and with which kind of threads.

Neither gevent nor eventlet is imported here; what a bot has not loaded cannot have changed its threads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from ares_otel.guard import GUARD
from ares_otel.interpreter import is_main

__all__ = ["Threads", "beside", "refusal"]

PATCHED = ("thread", "socket", "time")


def refusal() -> tuple[str, str] | None:
    """Return why no telemetry can run here, as a word and a sentence; None where it can."""
    if not is_main():
        return "sub-interpreter", (
            "this is a sub-interpreter, which has no signals and does not fork; "
            "it runs without telemetry: call setup() in the main interpreter, or use a process"
        )
    if not _has_lock():
        return "free-threaded", (
            "this Python runs without its global lock, and what the bot's threads say would be lost or torn; "
            "the bot runs without telemetry: set PYTHON_GIL=1, or use the usual build of Python"
        )
    if _is_patched_by_eventlet():
        return "eventlet", (
            "eventlet.monkey_patch() has replaced threads and sockets, and eventlet is not supported; "
            "the bot runs without telemetry: use gevent, asyncio or threads"
        )
    return None


def _has_lock() -> bool:
    """Tell whether one thread at a time runs Python; a free-threaded build does, too, if it is told to."""
    is_enabled = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or bool(is_enabled())


def _is_patched_by_eventlet() -> bool:
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and any(patcher.is_monkey_patched(name) for name in PATCHED)


def _is_patched_by_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def beside(call: Callable[[], object]) -> bool:
    """Run something in a greenlet of its own, if this code runs in gevent's hub, which may not wait for anything.

    Returns:
        False where that is not so; nothing was done then.
    """
    gevent, hub = sys.modules.get("gevent"), sys.modules.get("gevent.hub")
    if gevent is None or hub is None or not isinstance(gevent.getcurrent(), hub.Hub):
        return False
    gevent.spawn(call)
    return True


class Threads:
    """The kind of threads that telemetry was started with, to notice when somebody changes it afterwards."""

    def __init__(self) -> None:
        self._gevent = _is_patched_by_gevent()

    def watch(self) -> None:
        """Complain, once, if threads have been replaced since the start."""
        if _is_patched_by_gevent() != self._gevent:
            self._complain("gevent.monkey.patch_all()")
        elif _is_patched_by_eventlet():
            self._complain("eventlet.monkey_patch()")

    def _complain(self, what: str) -> None:
        GUARD.complain("setup", what, f"{what} came after setup(), and telemetry may stall; it has to come before")
