"""The line of a table of `make bench-drift`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Row", "quantile", "share", "table", "wilson"]

NORMAL = 1.959964
"""Of a two-sided 95 % interval."""


class Row(NamedTuple):
    """One measured figure.

    Attributes:
        section: the table it belongs to.
        what: what was measured, and on what.
        measured: the figure; None if it could not be measured.
        low: lower end of its 95 % interval, None without one.
        high: upper end.
        target: what it has to be, in words; "" if nothing was asked.
        met: whether it is; None if nothing was asked.
        n: number of streams, cases or values behind it.
        note: what has to be known to read it.
    """

    section: str
    what: str
    measured: float | None
    low: float | None = None
    high: float | None = None
    target: str = ""
    met: bool | None = None
    n: int | None = None
    note: str = ""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of Wilson of a share."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = hits / n, NORMAL * NORMAL
    center = (p + z2 / 2 / n) / (1 + z2 / n)
    half = NORMAL * math.sqrt(p * (1 - p) / n + z2 / 4 / n / n) / (1 + z2 / n)
    return max(0.0, center - half), min(1.0, center + half)


def quantile(values: Iterable[float], q: float = 0.5) -> tuple[float, float, float]:
    """Return a quantile and its 95 % interval, whose ends are values themselves."""
    ordered = sorted(values)
    n = len(ordered)
    half = NORMAL * math.sqrt(n * q * (1 - q))
    low, place, high = math.floor(n * q - half), math.floor(n * q), math.ceil(n * q + half)
    return ordered[min(place, n - 1)], ordered[max(low, 0)], ordered[min(high, n - 1)]


def share(
    section: str, what: str, hits: int, n: int, target: str = "", *, met: bool | None = None, note: str = ""
) -> Row:
    """Return the line of a share with its interval."""
    low, high = wilson(hits, n)
    return Row(section, what, hits / n if n else None, low, high, target, met, n, note)


def table(rows: list[Row]) -> str:
    """Return lines as a Markdown table."""
    lines = ["| what | measured | 95 % interval | n | target | met | note |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        interval = "" if row.low is None or row.high is None else f"{row.low:.4g} … {row.high:.4g}"
        value = "not measured" if row.measured is None else f"{row.measured:.4g}"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        n = "" if row.n is None else f"{row.n}"
        lines.append(f"| {row.what} | {value} | {interval} | {n} | {row.target} | {met} | {row.note} |")
    return "\n".join(lines)
