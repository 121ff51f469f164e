"""Loki for tests that need the real one."""

from __future__ import annotations

from pathlib import Path

from pulled import program

__all__ = ["NOT_RUN", "loki_binary"]

NOT_RUN = (
    "THE LOKI PART DID NOT RUN: there is no Loki here. Name its program (Loki 3.7) in LOKI_BIN, "
    "or have a Docker that can pull its image"
)


def loki_binary() -> Path | None:
    """Return Loki's program: the one that LOKI_BIN names, or that of the stack's image; None if neither is to be had.

    Raises:
        RuntimeError: LOKI_BIN names what is no program.
    """
    return program("loki", "LOKI_BIN", "/usr/bin/loki")
