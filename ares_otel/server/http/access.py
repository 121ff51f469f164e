"""Who may do what: the one place that decides it for HTTP, WebSocket and gRPC."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ares_otel.server.http.head import Head, Refusal
from ares_otel.server.http.sessions import Sessions
from ares_otel.server.http.tokens import Role, Token, Tokens

__all__ = ["LOGIN", "LOGOUT", "OPEN", "Access", "bearer"]

LOGIN, LOGOUT = "/login", "/logout"
OPEN: Final = frozenset({"/healthz", "/readyz", LOGIN, LOGOUT, "/login.css", "/runbooks"})
"""Paths that anybody may ask for."""
PUBLIC: Final = ("/runbooks/", "/docs/runbooks/", "/static/")
"""What paths begin with that anybody may ask for: what the package says to everybody, and how it looks."""

UNKNOWN, FORBIDDEN, SEE_OTHER = 401, 403, 303
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="ares"')


class Access:
    """Decides by token or session.

    Attributes:
        sessions: of browsers; None where no token is asked for.

    Args:
        tokens: those that are good; None: everybody may do everything, which is for loopback alone.
        secure: browsers reach the server by HTTPS.
    """

    def __init__(self, tokens: Tokens | None, *, secure: bool = False) -> None:
        self._tokens = tokens
        self.sessions = Sessions(tokens, secure=secure) if tokens is not None else None

    def who(self, head: Head) -> Token | None:
        """Return whose token or session a request shows, None where there is none that is good."""
        if self._tokens is None or self.sessions is None:
            return None
        shown = bearer(head.text(b"authorization"))
        if shown is not None:
            return self._tokens.find(shown)
        cookie = head.headers.get(b"cookie")
        return self.sessions.find(cookie.decode("latin-1")) if cookie else None

    def has_session(self, head: Head) -> bool:
        """Tell whether it is a session that lets a request in, not a token that it shows."""
        cookie = head.headers.get(b"cookie")
        if self.sessions is None or cookie is None or bearer(head.text(b"authorization")) is not None:
            return False
        return self.sessions.find(cookie.decode("latin-1")) is not None

    def check(self, token: Token | None, role: Role) -> None:
        """Let a program pass that shows a token good for a role.

        Raises:
            Refusal: 401 without a token that is known, 403 with one that is not good for it.
        """
        if self._tokens is None:
            return
        if token is None:
            raise Refusal(UNKNOWN, "a bearer token is needed", CHALLENGE)
        if not token.allows(role):
            raise Refusal(FORBIDDEN, f"this token is for {token.role} alone")

    def check_page(self, token: Token | None, head: Head, query: bytes) -> None:
        """Let a reader pass; send a browser without a session to the login.

        Raises:
            Refusal: 401 or 403 for programs, 303 to the login for browsers.
        """
        if head.path in OPEN or head.path.startswith(PUBLIC):
            return
        if token is None and self._tokens is not None and not head.is_json and head.method in {"GET", "HEAD"}:
            wanted = quote(head.path + (f"?{query.decode('latin-1')}" if query else ""), safe="")
            raise Refusal(SEE_OTHER, "log in first", (b"location", f"{LOGIN}?next={wanted}".encode()))
        self.check(token, Role.READ if head.method in READING else Role.ALL)

    def find(self, text: str) -> Token | None:
        """Return the token in an `Authorization` value."""
        shown = bearer(text)
        return self._tokens.find(shown) if self._tokens is not None and shown is not None else None


def bearer(text: str) -> str | None:
    """Return the token of an `Authorization: Bearer …` value, None for anything else."""
    scheme, _, token = text.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
