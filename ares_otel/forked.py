"""Threads that a fork copies, although it should not: those of gevent, which are greenlets.

A forked child has none of its parent's threads. With `gevent.monkey.patch_all()` threads are greenlets, and the child
goes on with all of them: what they had in hand would be done twice.
"""

from __future__ import annotations

import os
import threading

__all__ = ["keep_to"]

_parked: list[threading.Event] = []


def keep_to(process: int) -> None:
    """Return in the process with this id; in any other, never: there the thread is a copy that has nothing to do.

    It does not end either: `threading` has forgotten it by the fork, and would complain about its end.
    """
    if os.getpid() != process:
        _parked.append(threading.Event())
        _parked[-1].wait()
