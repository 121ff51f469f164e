"""Ports for tests that have to name one before anybody listens there."""

from __future__ import annotations

import itertools
import os
import random
import socket

__all__ = ["free_port", "free_ports"]

RANGE = range(20_000, 32_000)
"""Below those that systems choose from (Linux from 32,768, others from 49,152): who asks for any port gets none of
these, so nobody is there by chance when a test, after a while without a server, starts one."""


def _share(environ: dict[str, str]) -> list[int]:
    """Return the ports of this process in random order: runs beside each other, told so by PORTS_OF=0/2, share none."""
    number, _, runs = environ.get("PORTS_OF", "0/1").partition("/")
    share = list(RANGE[int(number) :: int(runs)])
    random.SystemRandom().shuffle(share)
    return share


_PORTS = itertools.cycle(_share(dict(os.environ)))


def free_ports(number: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on, all different, and given to nobody else soon."""
    free = (port for port in itertools.islice(_PORTS, len(RANGE)) if _free(port))
    return list(itertools.islice(free, number))


def free_port() -> int:
    """Return one of them."""
    return free_ports(1)[0]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
