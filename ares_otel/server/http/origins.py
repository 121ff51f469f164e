"""Which names the server answers to, and which pages may make a browser send something to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from ares_otel.server.http.head import Head, Refusal

__all__ = ["Origins", "is_loopback"]

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORBIDDEN, MISDIRECTED = 403, 421


class Origins:
    """Checks `Host` and `Origin`.

    A page of a foreign site can make a browser on this machine send requests to loopback, and by a name that it lets
    point to 127.0.0.1 even read the answers. So on loopback only known names are answered; beyond, a token is asked
    for, and names are checked where some are given.

    Args:
        host: address the server listens on.
        public_url: address in browsers, where a proxy stands in front.
        allowed: further names.
    """

    def __init__(self, host: str, public_url: str | None = None, allowed: Iterable[str] = ()) -> None:
        public = urlsplit(public_url or "")
        self._public = f"{public.scheme}://{public.netloc}".lower() if public.netloc else ""
        given = {name.lower() for name in (*allowed, public.hostname or "") if name}
        local = is_loopback(host)
        self._names = {*LOOPBACK, host.lower(), *given} if local or given else set[str]()

    def check(self, head: Head) -> None:
        """Refuse a request that came by a foreign name, or that a foreign page made a browser send.

        Raises:
            Refusal: 400 without a host, 421 for a foreign name, 403 for a foreign page.
        """
        host = head.text(b"host").lower()
        if head.repeated:
            raise Refusal(400, "a header comes twice that has to come once")
        if self._names and _name(host) not in self._names:
            raise Refusal(MISDIRECTED, "the server does not go by that name; server.allowed_hosts adds one")
        origin = head.headers.get(b"origin")
        if origin is None:
            # browsers that say no origin say where a request comes from
            foreign = head.method not in SAFE and head.headers.get(b"sec-fetch-site") in {b"cross-site", b"same-site"}
        else:
            foreign = not self._is_own(origin.decode("latin-1").lower(), host)
        if foreign:
            raise Refusal(FORBIDDEN, "a page of another site may not ask this")

    def _is_own(self, origin: str, host: str) -> bool:
        return origin == self._public or urlsplit(origin).netloc == host


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    """Return a host without its port and without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
