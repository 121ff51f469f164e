"""How a process ends: at exit, by SIGTERM, as a child of `multiprocessing`; and how it goes on after a fork."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from ares_otel.setup.surroundings import beside

__all__ = ["arrange", "forgo"]

LOG = logging.getLogger("ares_otel")
LAST = -100
INIT = 1

_shutdown: list[Callable[[], bool]] = []


def arrange(shutdown: Callable[[], bool], after_fork: Callable[[], None]) -> None:
    """Arrange for an orderly end: once in a process, and for SIGTERM unless the bot handles that itself."""
    if not _shutdown:
        _shutdown.append(shutdown)
        atexit.register(shutdown)
        if hasattr(os, "register_at_fork"):  # pragma: no branch  # there is no fork where it is missing
            os.register_at_fork(after_in_child=_end_with_parent)
            os.register_at_fork(after_in_child=after_fork)
        _end_with_child()
    if _on_main() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def forgo() -> None:
    """Let SIGTERM do what it did before."""
    if _on_main() and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """Save what is recorded, then die of the signal as the bot would have done without us."""
    if beside(lambda: _on_sigterm(number, None)):
        return
    if _is_logging(frame):
        # the thread that waits here for ours holds the handlers that ours would log to
        LOG.disabled = True
    _shutdown[0]()
    LOG.disabled = False
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    if os.getpid() == INIT:
        # the first process of a container does not die of a signal: it would live on without telemetry
        raise SystemExit(128 + number)


def _is_logging(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == "logging":
            return True
        frame = frame.f_back
    return False


# --- children of `multiprocessing` end by `os._exit`, past `atexit` ------------------------------------------------


def _end_with_child() -> None:
    """In a child that was not forked: be the last of what `multiprocessing` does at its end."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        _finalize(_shutdown[0])


def _end_with_parent() -> None:
    """In a forked child: the same, once `multiprocessing` has forgotten what the parent does at its end."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_shutdown[0], _finalize)


def _finalize(shutdown: Callable[[], bool]) -> None:
    from multiprocessing.util import Finalize  # noqa: PLC0415  loaded already by who uses it

    Finalize(None, shutdown, exitpriority=LAST)
