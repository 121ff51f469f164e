"""What measurements beside ingestion share: a server of its own process, a closed loop of senders, paired ratios."""

from __future__ import annotations

import contextlib
import http.client
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from medians import interval
from store import Load

__all__ = ["Bodies", "Served", "compared"]

SENDERS = 8
KIND = "application/x-protobuf"
DEADLINE = 30.0
ENOUGH = 110
"""Requests of 100 decisions for a second, more than are taken in one."""


class Served:
    """The server, in a process of its own.

    Args:
        script: its program; the first argument is the database.
        database: file.
    """

    def __init__(self, script: str, database: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(database)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = urlsplit(self._process.stdout.readline().split()[2]).port or 0
        self._own = psutil.Process(self._process.pid)

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        times = self._own.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self._own.memory_info().rss)

    def tell(self, signal: int) -> None:
        """Send it a signal."""
        self._process.send_signal(signal)

    def metrics(self, name: str) -> dict[str, float]:
        """Return the samples of a metric by their labels as they stand there."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", "/metrics")
            said = connection.getresponse().read().decode()
        found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", said, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    def wait(self, name: str, expected: float) -> None:
        """Wait until the samples of a metric make a sum."""
        deadline = time.monotonic() + DEADLINE
        while sum(self.metrics(name).values()) != expected:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is not {expected:g} after {DEADLINE:g} s")
            time.sleep(0.05)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]  # it is a pipe


class Bodies:
    """Requests that wait to be sent.

    Args:
        load: makes them.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._waiting: deque[tuple[bytes, int]] = deque()

    def fill(self, seconds: float) -> None:
        """Make so many as a server can take in some seconds."""
        while len(self._waiting) < ENOUGH * seconds:
            self._waiting.append((self._load.request(), self._load.spans))

    def send(self, port: int, end: float) -> int:
        """Send until the end, several at a time, each as soon as the one before is acknowledged; return the spans."""
        sent: list[int] = []

        def work() -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                while time.perf_counter() < end:
                    body, spans = self._waiting.popleft()
                    connection.request("POST", "/v1/traces", body, {"content-type": KIND})
                    answer = connection.getresponse()
                    answer.read()
                    assert answer.status == http.HTTPStatus.OK, answer.status
                    sent.append(spans)

        threads = [threading.Thread(target=work) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(sent)


def compared(name: str, pairs: Sequence[tuple[float, float]]) -> str:
    """Say by how much the second of pairs differs from the first: the median of the ratios, and its interval."""
    ratios = [beside / alone - 1 for alone, beside in pairs]
    low, high = interval(ratios)
    return f"{name}: {statistics.median(ratios):+.1%} (95 % {low:+.1%} … {high:+.1%}, n {len(ratios)} pairs)"
