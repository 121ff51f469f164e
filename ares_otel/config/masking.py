"""Hide secrets in what is printed, logged, raised or sent: one table for configuration and log records alike.

A secret is known by the name it stands under (`WORDS`), or by its own form (`FORMS`), such as that of a bearer token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["FORMS", "MASK", "WORDS", "Redactor", "is_secret", "mask_url", "masked"]

MASK = "***"
# Up to the last "@", so that a password holding "/", "?" or "@" is hidden whole.
USER_INFO = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)
QUERY = re.compile(r"[?#].*", re.DOTALL)

WORDS: Final = (
    "access key",
    "api key",
    "authorization",
    "cookie",
    "credential",
    "mnemonic",
    "passphrase",
    "passwd",
    "password",
    "private key",
    "secret",
    "seed phrase",
    "session id",
    "signature",
    "token",
)
"""What stands under a name that holds one of these is secret; case does not count, nor `-`, `_`, `.` and blanks."""

SEPARATORS = re.compile(r"[-_. ]+")
JOINED: Final = tuple(word.replace(" ", "") for word in WORDS)
HINTS: Final = tuple(word.partition(" ")[0] for word in WORDS)
SAYING: Final = re.compile(
    rf"((?:{'|'.join(word.replace(' ', '[-_. ]?') for word in WORDS)})"
    r"""[\w.-]{0,40}["']?\s{0,4}(?::|=>|=)\s{0,4}(?:(?:bearer|basic|digest|token|hmac)\s{1,4})?)"""
    r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s"',;&)}\]]+)""",
    re.IGNORECASE,
)

FORMS: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = (
    ("://", re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/@]{1,256}@"), rf"\1{MASK}@"),
    ("earer ", re.compile(r"([Bb]earer )[\w.~+/=-]+"), rf"\1{MASK}"),
    ("asic ", re.compile(r"([Bb]asic )(?=[\w+/]*[0-9A-Z=])[\w+/]{12,}={0,2}"), rf"\1{MASK}"),
    ("eyJ", re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), MASK),
    ("PRIVATE KEY", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*?(?:-----END [A-Z ]*KEY-----|\Z)", re.DOTALL), MASK),
    ("AKIA", re.compile(r"AKIA[0-9A-Z]{16}"), MASK),
    ("xox", re.compile(r"xox[abeprs]-[\w-]{8,}"), MASK),
    ("gh", re.compile(r"gh[oprsu]_\w{16,}"), MASK),
    ("hooks.slack.com/", re.compile(r"(hooks\.slack\.com/)\S+"), rf"\1{MASK}"),
    (":A", re.compile(r"\b\d{6,12}:A[\w-]{32,}"), MASK),  # a Telegram bot
)
"""What is secret by its form: a text that has to be there (a quick look), the form, what stays of it."""

SHORTEST = 6
DEPTH = 8


def is_secret(name: object) -> bool:
    """Tell whether what stands under a name is secret.

    >>> [is_secret(name) for name in ("X-API-Key", "client.password", "symbol")]
    [True, True, False]
    """
    plain = SEPARATORS.sub("", str(name)).lower()
    return any(word in plain for word in JOINED)


class Redactor:
    """Hides secrets in texts and values; safe for threads.

    Args:
        known: secrets that are known, such as the headers of the configuration; those shorter than six characters
            are not searched for, because they may be part of anything.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        found = {text.strip() for text in known}
        # the longest first: one may be part of another
        self._known = sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without the secrets in it."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, MASK)
        lowered = text.lower()
        if any(hint in lowered for hint in HINTS):
            text = SAYING.sub(rf"\1{MASK}", text)
        for hint, form, stays in FORMS:
            if hint in text:
                text = form.sub(stays, text)
        return text

    def value(self, name: object, value: object, depth: int = 0) -> object:
        """Return what stands under a name without secrets, with all that is inside it."""
        if is_secret(name) and value is not None and not isinstance(value, bool):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if depth < DEPTH and isinstance(value, Mapping):
            return {key: self.value(key, inner, depth + 1) for key, inner in value.items()}
        if depth < DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self.value("", inner, depth + 1) for inner in value]
        return value


PLAIN: Final = Redactor()


def mask_url(url: str) -> str:
    """Return the URL (or what was meant as one) without its user information, query and fragment."""
    return QUERY.sub(f"?{MASK}", USER_INFO.sub(lambda match: f"{match[1] or ''}{MASK}@", url))


def masked(value: object, *, secret: bool, url: bool) -> object:
    """Return a value as it may be shown: a secret text and the values of a secret map become `***`.

    In a map that is not secret as a whole, what stands under a secret name is hidden, and in any text what is secret by
    its form.
    """
    if secret:
        return dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
    if url and isinstance(value, str):
        return mask_url(value)
    return PLAIN.value("", value) if isinstance(value, str | Mapping) else value
