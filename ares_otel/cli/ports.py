"""A port on the command line."""

from __future__ import annotations

import argparse
from typing import Final

__all__ = ["port"]

GREATEST: Final = 65_535


def port(text: str) -> int:
    """Return the port that was typed, 0 for any free one.

    Raises:
        ArgumentTypeError: there is no such port.
    """
    number = int(text)
    if not 0 <= number <= GREATEST:
        raise argparse.ArgumentTypeError(f"expected 0 to {GREATEST}, got {number}")
    return number
