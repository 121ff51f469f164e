"""Access by bearer tokens, read from a file; the file may change while the server runs."""

from __future__ import annotations

import hashlib
import hmac
import logging
import stat
import threading
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Role", "Token", "TokenError", "Tokens"]

LOG = logging.getLogger("ares_otel.server")
SHORTEST: Final = 16
LOOK_SECONDS: Final = 2.0
NAME: Final = 8


class Role(StrEnum):
    """What a token is good for: reading pages and API, sending telemetry, or both."""

    READ = "read"
    WRITE = "write"
    ALL = "all"


class Token(NamedTuple):
    """A token, as far as it is kept: its SHA-256, never itself.

    Attributes:
        digest: SHA-256 of the token.
        role: what it is good for.
    """

    digest: bytes
    role: Role

    @property
    def name(self) -> str:
        """What logs and limits call it."""
        return hashlib.sha256(self.digest).hexdigest()[:NAME]

    def allows(self, role: Role) -> bool:
        """Tell whether it is good for something."""
        return self.role in {role, Role.ALL}


class TokenError(Exception):
    """A file of tokens that cannot be used; the message quotes no token."""


class Tokens:
    """The tokens of a file, one a line: `token`, or `token role`; `#` begins a comment.

    The file is read again when it changes. One that cannot be read then changes nothing, except that it is said.

    Args:
        path: the file.

    Raises:
        TokenError: it cannot be read, or has no tokens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._mark = self._seen()
        self._tokens = _read(path)

    def find(self, text: str) -> Token | None:
        """Return the token of that text; each is compared in the same time whether it is alike or not."""
        return self._compare(hashlib.sha256(text.encode("utf-8", "replace")).digest())

    def named(self, name: str) -> Token | None:
        """Return the token of that name."""
        self.look()
        return next((token for token in self._tokens if hmac.compare_digest(token.name, name)), None)

    def _compare(self, digest: bytes) -> Token | None:
        self.look()
        found = [token for token in self._tokens if hmac.compare_digest(token.digest, digest)]
        return found[0] if found else None

    def look(self) -> None:
        """Read the file again if it has changed, at most once in `LOOK_SECONDS`."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._seen() != self._mark:
            self.reload()

    def reload(self) -> None:
        """Read the file again."""
        with self._lock:
            mark = self._seen()
            try:
                self._tokens = _read(self._path)
            except TokenError as error:
                LOG.warning("%s; the tokens read before stay", error)
            else:
                LOG.info("%s was read again: %d tokens", self._path, len(self._tokens))
            self._mark = mark

    def _seen(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_ino, found.st_size)


def _read(path: Path) -> tuple[Token, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"the token file {path} cannot be read: {_short(error)}") from error
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        LOG.warning("the token file %s can be read by others; `chmod 600` ends that", path)
    tokens = tuple(_tokens(path, text.splitlines()))
    if not tokens:
        raise TokenError(f"the token file {path} has no token")
    return tokens


def _short(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is no text"


def _tokens(path: Path, lines: Iterable[str]) -> Iterable[Token]:
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        role = words[1] if len(words) > 1 else Role.ALL
        if len(words) > 2 or role not in {*Role}:  # noqa: PLR2004  token and role
            raise TokenError(f"the token file {path}, line {number}: expected `token [read|write|all]`")
        if len(words[0]) < SHORTEST:
            raise TokenError(f"the token file {path}, line {number}: a token has at least {SHORTEST} characters")
        yield Token(hashlib.sha256(words[0].encode()).digest(), Role(role))
