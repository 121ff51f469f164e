"""The license of alibi-detect, said wherever a user meets it."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LIBRARY", "LICENSE", "MISSING", "tell"]

LOG = logging.getLogger("ares_otel")

LIBRARY: Final = "alibi-detect"
LICENSE: Final = (
    "alibi-detect is under the Business Source License 1.1 (Seldon Technologies): production use needs a commercial "
    "license, but for non-profit educational institutions; a bot that trades is production"
)
MISSING: Final = (
    "pip install 'ares-otel[drift]' on Python 3.11 or 3.12, or name the Python of an environment that has it: python="
)

_told: set[str] = set()


def tell() -> None:
    """Log the license once a process, before anything else that the second opinion logs."""
    if LIBRARY not in _told:
        _told.add(LIBRARY)
        LOG.warning("second opinion: %s", LICENSE)
