"""What the live stream costs ingestion: nobody listening beside 200 clients, of whom 20 never read, in turns.

The server is a process of its own; spans go to it as fast as it acknowledges them. Prints spans a second, CPU µs of the
server a span, its resident memory. Absolute times are this machine's alone; the ratio of the medians is what counts.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
from store import Load

__all__ = ["main"]

SERVE = """
import sys
from pathlib import Path
from ares_otel.server.http.serve import serve
sys.exit(serve(Path(sys.argv[1]), port=0))
"""
SENDERS = 8
KIND = "application/x-protobuf"


class Result(NamedTuple):
    """What one round took."""

    rate: float
    cpu: float
    memory: int
    heard: int


def _listen(port: int, reading: int, deaf: int, heard: Synchronized[int]) -> None:
    """Connect clients of the stream and read all but some of them, until the process is ended."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(reading + deaf)]
    selector = selectors.DefaultSelector()
    for number, each in enumerate(sockets):
        each.sendall(b"GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        if number >= deaf:
            selector.register(each, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            heard.value += len(key.fileobj.recv(1 << 20))  # type: ignore[union-attr]  # only sockets are registered


@contextmanager
def _clients(port: int, reading: int, deaf: int) -> Iterator[Synchronized[int]]:
    """Have clients in a process of their own."""
    heard = multiprocessing.Value("q", 0)
    process = multiprocessing.Process(target=_listen, args=(port, reading, deaf, heard))
    if reading + deaf:
        process.start()
        time.sleep(2.0)  # until all are connected and told
    yield heard
    if reading + deaf:
        process.terminate()
        process.join()


@contextmanager
def _served(directory: str) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-c", SERVE, str(Path(directory) / "bench.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().split()[2]).port or 0
        try:
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def _round(port: int, server: psutil.Process, load: Load, requests: int, clients: tuple[int, int]) -> Result:
    bodies = [load.request() for _ in range(requests)]
    spans = sum(body.count(b"ares.correlation.id") for body in bodies)
    with _clients(port, *clients) as heard:
        used, started = _cpu(server), time.perf_counter()
        _send(port, bodies)
        wall, used = time.perf_counter() - started, _cpu(server) - used
        return Result(spans / wall, used / spans * 1e6, server.memory_info().rss, heard.value)


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def _send(port: int, bodies: list[bytes]) -> None:
    left = iter(bodies)
    lock = threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                return
            connection.request("POST", "/v1/traces", body, {"content-type": KIND})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == http.HTTPStatus.OK, answer.status

    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=150, help="requests of 100 decisions in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--deaf", type=int, default=20, help="how many of them never read")
    args = parser.parse_args()
    load = Load()
    variants = {"nobody": (0, 0), f"{args.clients} clients": (args.clients - args.deaf, args.deaf)}
    results: dict[str, list[Result]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory, _served(directory) as (port, server):
        _round(port, server, load, 20, (0, 0))
        for _ in range(args.rounds):
            for name, clients in variants.items():
                results[name].append(_round(port, server, load, args.requests, clients))
    _report(results)


def _report(results: dict[str, list[Result]]) -> None:
    lines = [f"{'':14}{'spans/s':>10}{'CPU µs/span':>14}{'RSS MB':>9}{'heard MB':>10}"]
    medians = {}
    for name, rounds in results.items():
        rate, cpu = (statistics.median(getattr(each, kind) for each in rounds) for kind in ("rate", "cpu"))
        memory, heard = (max(getattr(each, kind) for each in rounds) for kind in ("memory", "heard"))
        lines.append(f"{name:14}{rate:>10,.0f}{cpu:>14.1f}{memory / 1e6:>9.0f}{heard / 1e6:>10.1f}")
        medians[name] = (rate, cpu)
    (alone, beside) = medians.values()
    lines.append(f"rate {beside[0] / alone[0] - 1:+.1%}, server CPU a span {beside[1] / alone[1] - 1:+.1%}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
