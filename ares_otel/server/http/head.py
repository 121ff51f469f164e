"""What the head of a request says, read once: headers, who asks, the ids that the answer repeats."""

from __future__ import annotations

import re
import secrets
from typing import Final

from starlette.types import Scope

__all__ = ["CORRELATION_HEADER", "REQUEST_HEADER", "Head", "Refusal"]

REQUEST_HEADER: Final = b"x-request-id"
CORRELATION_HEADER: Final = b"x-correlation-id"
SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
ONCE: Final = frozenset({b"authorization", b"content-length", b"host", b"origin", b"cookie"})


class Refusal(Exception):  # noqa: N818  an answer, not an error
    """A request that is not answered with what it asks for.

    Attributes:
        status: HTTP status.
        reason: what was wrong, for people.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, reason: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Head:
    """The head of a request.

    Attributes:
        headers: by name in small letters; those that may stand once alone stand once.
        path: of the request, without the query.
        method: of the request; GET for a WebSocket's.
        client: address of the other side, which may be a proxy.
        request_id: from `X-Request-ID` where that is a sane one, else a new one.
        correlation_id: from `X-Correlation-ID` where that is a sane one, else empty.
    """

    __slots__ = ("client", "correlation_id", "headers", "method", "path", "repeated", "request_id")

    def __init__(self, scope: Scope) -> None:
        pairs = scope["headers"]
        self.headers: dict[bytes, bytes] = dict(pairs)
        self.repeated = len(self.headers) < len(pairs) and _repeated([name for name, _ in pairs])
        self.path: str = scope["path"]
        self.method: str = scope.get("method", "GET")
        client = scope.get("client")
        self.client: str = client[0] if client else ""
        given = self.headers.get(REQUEST_HEADER, b"")
        self.request_id = given if SAFE_ID.fullmatch(given) else secrets.token_hex(8).encode()
        given = self.headers.get(CORRELATION_HEADER, b"")
        self.correlation_id = given if given and SAFE_ID.fullmatch(given) else b""

    def text(self, name: bytes) -> str:
        """Return a header as text, empty where it is missing."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    @property
    def is_json(self) -> bool:
        """Whether the answer to a program is expected, not a page for people."""
        return "text/html" not in self.text(b"accept")


def _repeated(names: list[bytes]) -> bool:
    """Tell whether a header comes twice that has to come once: two readers would read two things."""
    return any(names.count(name) > 1 for name in ONCE)
