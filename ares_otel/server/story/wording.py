"""Numbers and names as people read them, and nothing that a terminal would obey."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["amount", "clean", "figure", "listed", "seconds", "shown"]

LONGEST = 200
LARGE, WHOLE, SMALL = 1e8, 1e4, 1e-4
UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (60.0, 1.0, "s"))
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def clean(text: object) -> str:
    """Return a text on one line without control characters, cut where it is very long."""
    line = "".join(sign if sign.isprintable() else "�" for sign in str(text)[: LONGEST + 1])
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def amount(value: Any) -> str:
    """Return a quantity, price or ratio with up to eight digits and thousands separated."""
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    size = abs(number)
    if size >= LARGE:
        return f"{number:,.0f}"
    if 0 < size < SMALL:
        return f"{number:.12f}".rstrip("0") if size >= 1e-12 else f"{number:g}"  # noqa: PLR2004  beyond twelve digits
    return f"{number:,.8g}"


def figure(value: Any) -> str:
    """Return a measured value with five digits, which is more than it bears."""
    number = float(value)
    return amount(f"{number:.5g}") if abs(number) < WHOLE else amount(round(number))


def seconds(value: float) -> str:
    """Return a duration with its unit, three digits."""
    size = abs(value)
    if not size:
        return "0 ms"
    for limit, factor, unit in UNITS:
        if size < limit:
            return f"{value * factor:.3g} {unit}"
    if size < HOUR:
        return f"{int(value // MINUTE)} min {int(value % MINUTE)} s"
    if size < DAY:
        return f"{value / HOUR:.3g} h"
    return f"{value / DAY:.3g} d"


def shown(value: Any) -> str:
    """Return any attribute's value on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, Mapping):
        return listed(value)
    if isinstance(value, list):
        return clean(", ".join(shown(each) for each in value[:20]))
    if isinstance(value, bytes):
        return clean(value.hex())
    return clean(value)


def listed(values: Mapping[str, Any], most: int = 12, show: Callable[[Any], str] = shown) -> str:
    """Return names with values, the largest first where they are numbers."""
    pairs = sorted(values.items(), key=lambda pair: -pair[1] if isinstance(pair[1], int | float) else 0)
    more = f", … {len(pairs) - most} more" if len(pairs) > most else ""
    return ", ".join(f"{clean(name)} {show(value)}" for name, value in pairs[:most]) + more
