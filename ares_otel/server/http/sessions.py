"""Sessions of browsers: a cookie that proves a token without being one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from ares_otel.server.http.tokens import Role, Token, Tokens

__all__ = ["COOKIE", "Sessions"]

COOKIE: Final = "ares_session"
SECONDS: Final = 12 * 3_600
ENDED_LIMIT: Final = 10_000
PARTS: Final = 4


class Sessions:
    """Makes and checks cookies `name.expiry.nonce.seal`, sealed by the token's digest.

    Nothing is stored, so a session outlives a restart; it ends with its time, with its token, or by logout.

    Args:
        tokens: the tokens that are good now.
        secure: the cookie is for HTTPS alone.
        clock: seconds since 1970.
    """

    def __init__(self, tokens: Tokens, *, secure: bool, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._clock = clock
        self._flags = "; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        self._ended: dict[str, float] = {}

    def begin(self, text: str) -> bytes | None:
        """Return the `Set-Cookie` header for a token that allows reading, None for any other text."""
        token = self._tokens.find(text)
        if token is None or not token.allows(Role.READ):
            return None
        body = f"{token.name}.{int(self._clock()) + SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{COOKIE}={body}.{_seal(token, body)}; Max-Age={SECONDS}{self._flags}".encode()

    def end(self, header: str) -> bytes:
        """End the session of a `Cookie` header; return the `Set-Cookie` header that takes the cookie away."""
        if self.find(header) is not None:
            _, expiry, nonce, _ = _value(header).split(".")
            self._forget_old()
            self._ended[nonce] = float(expiry)
        return f"{COOKIE}=; Max-Age=0{self._flags}".encode()

    def find(self, header: str) -> Token | None:
        """Return the token behind a `Cookie` header."""
        parts = _value(header).split(".")
        if len(parts) != PARTS or not parts[1].isascii() or not parts[1].isdecimal():
            return None
        name, expiry, nonce, seal = parts
        token = self._tokens.named(name)
        if token is None or not hmac.compare_digest(_seal(token, f"{name}.{expiry}.{nonce}"), seal):
            return None
        return None if nonce in self._ended or int(expiry) <= self._clock() else token

    def _forget_old(self) -> None:
        if len(self._ended) >= ENDED_LIMIT:
            now = self._clock()
            self._ended = {nonce: expiry for nonce, expiry in self._ended.items() if expiry > now}
            while len(self._ended) >= ENDED_LIMIT:
                self._ended.pop(next(iter(self._ended)))


def _value(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    value = found.value if found is not None else ""
    return value if value.isascii() else ""


def _seal(token: Token, body: str) -> str:
    return hmac.new(token.digest, f"ares session {body}".encode(), hashlib.sha256).hexdigest()
