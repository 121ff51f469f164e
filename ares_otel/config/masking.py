"""Hide secrets in what is printed, logged or raised."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["MASK", "mask_url", "masked"]

MASK = "***"
# Up to the last "@", so that a password holding "/", "?" or "@" is hidden whole.
USER_INFO = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)
QUERY = re.compile(r"[?#].*", re.DOTALL)


def mask_url(url: str) -> str:
    """Return the URL (or what was meant as one) without its user information, query and fragment."""
    return QUERY.sub(f"?{MASK}", USER_INFO.sub(lambda match: f"{match[1] or ''}{MASK}@", url))


def masked(value: object, *, secret: bool, url: bool) -> object:
    """Return a value as it may be shown: a secret text and the values of a secret map become `***`."""
    if secret:
        return dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
    return mask_url(value) if url and isinstance(value, str) else value
