"""Why the server does not start."""

from __future__ import annotations

__all__ = ["StartError"]


class StartError(Exception):
    """The server cannot start, said so that a user knows what to do."""
