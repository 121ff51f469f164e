"""`make bench-push`: what the live stream costs ingestion; slices with clients and without, in pairs.

A server in a process of its own takes spans as fast as it acknowledges them (a closed loop of several connections). A
slice is some seconds long; slices with 200 clients, of whom 20 never read, and slices without any take turns, each
pair in the other order than the one before. Bodies are made and clients are connected between slices. Measured are
the rate of acknowledged spans and the CPU time of the server's process alone; the number that counts is the median of
the pairs' ratios with its interval (95 %, from order statistics, no distribution assumed). The clients are one process
of lowest priority that reads and discards: on two cores it competes with the server as clients elsewhere would not, so
its own CPU is printed beside.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from beside import Bodies, Served, compared
from store import Load

__all__ = ["main"]

SERVE = """
import sys
from pathlib import Path
from ares_otel.server.http.serve import serve
from ares_otel.server.push import hub
hub.LINGER_SECONDS = 0.0  # a slice without clients has none of the stream's work
sys.exit(serve(Path(sys.argv[1]), port=0))
"""
ASK = b"GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n"
DEAF_BYTES = 4_096
"""Receive buffer of a client that does not read, so that it is stuck after the first messages."""


class Slice(NamedTuple):
    """What one slice took: spans a second, server's CPU µs a span, and what its clients did."""

    rate: float
    cpu: float
    client_cpu: float
    heard: int


class Clients:
    """Clients of the stream in a process of their own."""

    def __init__(self, port: int, reading: int, deaf: int) -> None:
        self.count = reading + deaf
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_listen, args=(theirs, port, reading, deaf), daemon=True)
        self._process.start()

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Have them listen, all told once, while the block runs."""
        self._pipe.send(True)
        self._pipe.recv()
        try:
            yield
        finally:
            self._pipe.send(False)
            self._pipe.recv()

    def used(self) -> tuple[float, int]:
        """Return CPU seconds and bytes heard so far."""
        self._pipe.send(None)
        cpu, heard = self._pipe.recv()
        return cpu, heard

    def close(self) -> None:
        """End them."""
        self._process.terminate()
        self._process.join()


def _listen(pipe: Connection, port: int, reading: int, deaf: int) -> None:
    """Do as the pipe says: connect, disconnect, tell; read and discard all the time."""
    os.nice(19)
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    sockets: list[socket.socket] = []
    heard, into = 0, bytearray(1 << 20)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not pipe:
                heard += key.fileobj.recv_into(into)  # type: ignore[union-attr]  # only sockets are registered
                continue
            word = pipe.recv()
            if word is None:
                pipe.send((time.process_time(), heard))
            elif word:
                sockets = [_connected(port, deaf=number >= reading) for number in range(reading + deaf)]
                for each in sockets[:reading]:
                    selector.register(each, selectors.EVENT_READ)
                pipe.send(True)
            else:
                for each in sockets[:reading]:
                    selector.unregister(each)
                for each in sockets:
                    each.close()
                pipe.send(True)


def _connected(port: int, *, deaf: bool) -> socket.socket:
    """Return a client that has heard the beginning of its stream."""
    made = socket.socket()
    if deaf:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEAF_BYTES)
    made.connect(("127.0.0.1", port))
    made.sendall(ASK)
    made.recv(1 if deaf else 1 << 20)
    return made


class Bench:
    """One run."""

    def __init__(self, server: Served, clients: Clients, seconds: float) -> None:
        self._server = server
        self._clients = clients
        self._seconds = seconds
        self._bodies = Bodies(Load())
        self.memory = 0

    def slice(self, *, beside: bool) -> Slice:
        """Measure one slice."""
        self._bodies.fill(self._seconds)
        with self._clients.connected() if beside else contextlib.nullcontext():
            self._server.wait("ares_server_stream_clients", self._clients.count if beside else 0)
            (client_cpu, heard), cpu, started = self._clients.used(), self._server.cpu, time.perf_counter()
            spans = self._bodies.send(self._server.port, started + self._seconds)
            wall, cpu = time.perf_counter() - started, self._server.cpu - cpu
            after = self._clients.used()
            self.memory = max(self.memory, self._server.memory)
        return Slice(spans / wall, cpu / spans * 1e6, (after[0] - client_cpu) / wall, after[1] - heard)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a slice")
    parser.add_argument("--pairs", type=int, default=25, help="pairs of slices")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--deaf", type=int, default=20, help="how many of them never read")
    parser.add_argument(
        "--directory", type=Path, default=Path.cwd(), help="of the database; /dev/shm: without the disk"
    )
    args = parser.parse_args()
    pairs: list[tuple[Slice, Slice]] = []
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=args.directory))
        server = Served(SERVE, Path(directory) / "bench.db")
        stack.callback(server.close)
        clients = Clients(server.port, args.clients - args.deaf, args.deaf)
        stack.callback(clients.close)
        bench = Bench(server, clients, args.seconds)
        for beside in (False, True):
            bench.slice(beside=beside)  # warm
        for number in range(args.pairs):
            order = (False, True) if number % 2 else (True, False)
            found = {beside: bench.slice(beside=beside) for beside in order}
            pairs.append((found[False], found[True]))
        _report(pairs, args.clients, bench.memory)


def _report(pairs: Sequence[tuple[Slice, Slice]], clients: int, memory: int) -> None:
    lines = [f"{'':14}{'spans/s':>10}{'CPU µs/span':>14}{'clients, CPU':>15}{'heard, MB':>12}"]
    for name, slices in zip(("nobody", f"{clients} clients"), zip(*pairs, strict=True), strict=True):
        rate, cpu, client, heard = (statistics.median(values) for values in zip(*slices, strict=True))
        lines.append(f"{name:14}{rate:>10,.0f}{cpu:>14.1f}{client:>15.1%}{heard / 1e6:>12.1f}")
    for name, field in (("spans a second", "rate"), ("server's CPU a span", "cpu")):
        lines.append(compared(name, [(getattr(alone, field), getattr(beside, field)) for alone, beside in pairs]))
    lines.append(f"most memory of the server: {memory / 1e6:.0f} MB")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
