"""Instructions of the hot path: what no other load of the machine can change.

The processor's own counter is read where the system lends it (`perf_event_open`); a virtual machine often has none.
Where valgrind is installed it counts instead, in runs of two lengths whose difference is the decisions alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Counted", "counted"]

HERE = Path(__file__).parent
NAMES = ("nothing", "ours", "ours-blocks", "ours-spans", "careful", "usual")
SYSCALLS = {"x86_64": 298, "aarch64": 241}
HARDWARE, INSTRUCTIONS, SIZE = 0, 1, 128
USER_ONLY = 1 << 5 | 1 << 6
WARM, SHORT, LONG = 200, 200, 600

DECIDE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from bot import made
from workload import Settings, inputs
variant, given = made(sys.argv[2], Settings("http://127.0.0.1:9", idle=True)), inputs()
for number in range(int(sys.argv[3])):
    variant.decide(given[number % len(given)])
os._exit(0)
"""


class Counted(NamedTuple):
    """Instructions of a decision by variant, and by what they were counted or why they were not."""

    how: str
    by_variant: dict[str, float]


def counted() -> Counted:
    """Count by what the machine offers."""
    problem = _no_counter()
    if problem is None and shutil.which("perf"):
        return Counted("perf stat, user mode", {name: _between(_perf, name) for name in NAMES})
    problem = problem or "the perf tool is not installed"
    if shutil.which("valgrind"):
        how = f"valgrind (no counter of the processor: {problem})"
        return Counted(how, {name: _between(_valgrind, name) for name in NAMES})
    return Counted(f"not counted: {problem}; valgrind is not installed", {})


def _no_counter() -> str | None:
    """Return why the processor's counter cannot be read, None if it can."""
    number = SYSCALLS.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return f"perf_event_open is not known on {sys.platform} {platform.machine()}"
    attributes = bytearray(SIZE)
    struct.pack_into("<IIQ", attributes, 0, HARDWARE, SIZE, INSTRUCTIONS)
    struct.pack_into("<Q", attributes, 40, USER_ONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(number, (ctypes.c_char * SIZE).from_buffer(attributes), 0, -1, -1, 0)
    if handle < 0:
        return f"perf_event_open: {os.strerror(ctypes.get_errno())}"
    with contextlib.suppress(OSError):
        os.close(handle)
    return None


def _between(count: object, name: str) -> float:
    assert callable(count)
    return float((count(name, WARM + LONG) - count(name, WARM + SHORT)) / (LONG - SHORT))


def _run(prefix: list[str], name: str, decisions: int) -> str:
    words = [*prefix, sys.executable, "-c", DECIDE, str(HERE), name, str(decisions)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    return done.stderr


def _perf(name: str, decisions: int) -> int:
    told = _run(["perf", "stat", "-x,", "-e", "instructions:u"], name, decisions)
    return int(re.findall(r"^(\d+),", told, re.MULTILINE)[-1])


def _valgrind(name: str, decisions: int) -> int:
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    told = _run(tool, name, decisions)
    return int(re.findall(r"I\s+refs:\s+([\d,]+)", told)[-1].replace(",", ""))
