"""A server for a few scrapers: one thread, bounded connections, no client that can make another one wait.

http.server would give each client a thread, which a client that says nothing holds; here a selector waits for all of
them and a request is answered once it is complete.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.http import HEAD_LIMIT, Request, parse, respond

__all__ = ["CONNECTIONS", "Connection", "Server"]

CONNECTIONS: Final = 32
REQUEST_SECONDS: Final = 5.0
RESPONSE_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 120.0
STOP_SECONDS: Final = 0.1
TEXT: Final = "text/plain; charset=utf-8"
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Connection:
    """One client: what it has sent, what it still has to get, and until when."""

    __slots__ = ("deadline", "inbox", "keep", "outbox", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = b""
        self.outbox = memoryview(b"")
        self.keep = True
        self.deadline = time.monotonic() + REQUEST_SECONDS

    def receive(self) -> bool:
        """Read what is there; False when the client is gone."""
        data = self.sock.recv(HEAD_LIMIT)
        if data and not self.inbox:
            self.deadline = time.monotonic() + REQUEST_SECONDS
        self.inbox += data
        return bool(data)

    def head(self) -> bytes | None:
        """Take a complete request head out of the inbox, b"" for one that is too large."""
        lines = self.inbox.replace(b"\r\n", b"\n").lstrip(b"\n")
        head, end, rest = lines.partition(b"\n\n")
        if len(head) > HEAD_LIMIT:
            return b""
        if not end:
            return None
        self.inbox = rest
        return head

    def busy(self) -> bool:
        """Tell whether there is something left to write."""
        return bool(self.outbox)

    def answer(self, response: bytes, *, keep: bool) -> None:
        """Put a response into the outbox."""
        self.outbox = memoryview(response)
        self.keep = keep
        self.deadline = time.monotonic() + RESPONSE_SECONDS

    def send(self) -> bool:
        """Write what fits; True when all is written."""
        self.outbox = self.outbox[self.sock.send(self.outbox) :]
        if not self.outbox:
            self.deadline = time.monotonic() + IDLE_SECONDS
        return not self.outbox


class Server:
    """Answers requests at a listening socket until it is stopped.

    Args:
        listener: bound and listening; closed by `stop`.
        respond: makes the response to a request, in the server's thread.
        guard: counts errors.
    """

    def __init__(self, listener: socket.socket, respond: Callable[[Request], bytes], guard: Guard = GUARD) -> None:
        listener.setblocking(False)
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listener = listener
        self._respond = respond
        self._guard = guard
        self._connections: set[Connection] = set()
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ares-otel-metrics", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._selector.register(self._listener, READ)
        self._selector.register(self._alarm, READ)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and free the port, within a tenth of a second also while a scrape is being answered."""
        # in this order: told to stop, the thread may be gone at once, and its end of the bell with it
        self._bell.send(b"x")
        self._stopping = True
        self._thread.join(STOP_SECONDS)
        self._bell.close()
        self._listener.close()

    def abandon(self) -> None:
        """Close this process' copies of all sockets and leave those of the parent as they are.

        Nothing is unregistered: the selector is shared with the parent, which goes on serving.
        """
        for connection in self._connections:
            connection.sock.close()
        for each in (self._listener, self._alarm, self._bell, self._selector):
            each.close()

    def _run(self) -> None:
        process = os.getpid()
        while not self._stopping:
            ready = self._selector.select(self._patience())
            keep_to(process)
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, Connection):
                    self._ready(key.data)
            self._expire()
        for connection in list(self._connections):
            self._close(connection)
        for each in (self._listener, self._alarm, self._selector):
            each.close()

    def _patience(self) -> float:
        first = min((each.deadline for each in self._connections), default=time.monotonic() + IDLE_SECONDS)
        return max(0.0, first - time.monotonic())

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._close(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError) and not self._stopping:
                self._guard.failed("metrics.accept", error)
                time.sleep(0.05)  # out of file descriptors: the listener stays ready and would be asked at once
            return
        sock.setblocking(False)
        if len(self._connections) >= CONNECTIONS:
            self._close(min(self._connections, key=lambda each: each.deadline))
        connection = Connection(sock)
        self._connections.add(connection)
        self._selector.register(sock, READ, connection)

    def _ready(self, connection: Connection) -> None:
        alive = False
        with self._guard.shield("metrics.endpoint"):
            alive = self._step(connection)
        if not alive:
            self._close(connection)

    def _step(self, connection: Connection) -> bool:
        """Go on with a connection; False when it is to be closed."""
        try:
            if connection.busy():
                return self._flush(connection)
            return connection.receive() and self._serve(connection)
        except BlockingIOError:
            return True
        except OSError:
            # the client went away, which is its right
            return False

    def _serve(self, connection: Connection) -> bool:
        head = connection.head()
        if head is None:
            return True
        request = parse(head) if head else None
        if request is None:
            status, words = (400, b"no HTTP/1.1 request\n") if head else (431, b"the request head is too large\n")
            connection.answer(respond(status, TEXT, words, None), keep=False)
        else:
            connection.answer(self._respond(request), keep=request.keep)
        return self._flush(connection)

    def _flush(self, connection: Connection) -> bool:
        try:
            done = connection.send()
        except BlockingIOError:
            done = False
        self._selector.modify(connection.sock, READ if done else WRITE, connection)
        if done and connection.keep and connection.inbox:
            return self._serve(connection)
        return connection.keep or not done

    def _close(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self._selector.unregister(connection.sock)
            connection.sock.close()
