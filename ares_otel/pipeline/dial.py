"""A socket with a deadline for the whole exchange, for `http.client`; can be broken off from another thread."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
import time
import weakref
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Wire", "dial"]

Address: TypeAlias = "tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]"


WIRES: weakref.WeakSet[Wire] = weakref.WeakSet()
"""All of this process."""


class Wire:
    """What `http.client` needs of a socket, with one deadline for all that happens on it.

    A timeout of a plain socket starts again at each piece that arrives, so that a peer which sends a byte now and
    then could hold a request for ever.

    Attributes:
        deadline: monotonic time in seconds after which every operation raises `TimeoutError`.
        ended: the peer has closed, and nothing more will come.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self.ended = False
        self._sock = sock
        WIRES.add(self)

    def sendall(self, data: bytes) -> None:
        """Send all bytes before the deadline."""
        view = memoryview(data)
        while view:
            view = view[self._armed().send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a buffered reader that keeps the deadline.

        Args:
            mode: always "rb", as `http.client` asks for.
        """
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def receive_into(self, buffer: memoryview) -> int:
        """Wait for some bytes until the deadline; return how many came, 0 at the end."""
        size = self._armed().recv_into(buffer)
        self.ended = not size
        return size

    def close(self) -> None:
        """Do nothing: `http.client` closes a connection that will not be kept before it has read the answer."""

    def end(self) -> None:
        """Close the socket."""
        self._sock.close()

    def sever(self) -> None:
        """Break off whatever another thread does on the socket; it gets an error and closes the socket itself."""
        # An SSLSocket's own shutdown() would let the other thread go on in plain text.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS, with the host's name checked as the context says."""
        tls = context.wrap_socket(self._armed(), server_hostname=host, do_handshake_on_connect=False)
        self._sock = tls
        self._armed()
        tls.do_handshake()

    def connect(self, address: Address) -> None:
        """Connect to an address of `getaddrinfo`."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._armed().connect(address)

    def _armed(self) -> socket.socket:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        self._sock.settimeout(left)
        return self._sock


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader passes
        return self._wire.receive_into(buffer)


def _let_go() -> None:
    """In a forked child: close its copies at once.

    Where threads are greenlets it has a copy of the one that waits for an answer, too, which would take from the parent
    what comes on a socket that both have.
    """
    for wire in list(WIRES):
        with contextlib.suppress(OSError):
            wire.end()
    WIRES.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # there is no fork where it is missing
    os.register_at_fork(after_in_child=_let_go)


def dial(host: str, port: int, deadline: float, expose: Callable[[Wire], None]) -> Wire:
    """Connect to the first address of a host that answers; each gets its share of the time that is left.

    The name's look-up is the resolver's: nothing can break it off, and it may take longer than the deadline.

    Args:
        host: name or address.
        port: TCP port.
        deadline: monotonic time in seconds.
        expose: called with each wire before it connects, so that another thread can sever it.

    Raises:
        OSError: no address answered in time; `socket.gaierror`: the name has none.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        left = deadline - time.monotonic()
        wire = Wire(socket.socket(family, kind, protocol), time.monotonic() + left / (len(addresses) - tried))
        try:
            expose(wire)
            wire.connect(address)
        except OSError as error:
            wire.end()
            failure = error
        else:
            wire.deadline = deadline
            return wire
    raise failure or OSError(f"{host} has no address")
