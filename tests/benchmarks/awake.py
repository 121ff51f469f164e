"""Processors that do not fall asleep: what a decision costs after a pause depends on how deep its processor slept.

A virtual machine that idles hands its processors back; with which caches and which clock they come again changes from
minute to minute, and is the host's business. A process for each processor that counts at the lowest priority keeps
them, and gives way at once.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Self

__all__ = ["Awake"]

COUNT = """
import os, sys
if hasattr(os, "SCHED_IDLE"):
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
else:
    os.nice(19)
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
"""It ends with who started it, even if that is killed."""


class Awake:
    """Keeps all processors awake; a context manager."""

    def __init__(self) -> None:
        self._counting: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._counting = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(os.cpu_count() or 1)]
        return self

    def __exit__(self, *error: object) -> None:
        for each in self._counting:
            with contextlib.suppress(OSError):
                each.kill()
            each.wait()
