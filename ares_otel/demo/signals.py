"""Ctrl-C and SIGTERM end the demo after the decision in hand.

A module without anything else, so that they are heard while the models' libraries are imported.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_signals"]


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that the decision in hand is finished first; main thread only."""
    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
