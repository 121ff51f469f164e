"""Tempo for tests that need the real one."""

from __future__ import annotations

from pathlib import Path

from pulled import program

__all__ = ["NOT_RUN", "tempo_binary"]

NOT_RUN = (
    "THE TEMPO PART DID NOT RUN: there is no Tempo here. Name its program (Tempo 3) in TEMPO_BIN, "
    "or have a Docker that can pull its image"
)


def tempo_binary() -> Path | None:
    """Return Tempo's program: the one that TEMPO_BIN names, or that of the stack's image; None if neither is to be had.

    Raises:
        RuntimeError: TEMPO_BIN names what is no program.
    """
    return program("tempo", "TEMPO_BIN", "/tempo")
