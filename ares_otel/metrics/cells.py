"""What a series is made of: counts, exact sums of money, levels, distributions.

prometheus_client's registry, families and samples are used, its instruments are not: a lock and a method call per value
cost them 0.5 to 2.8 µs where a cell costs 0.1 to 0.4; a scrape can see their histograms half updated; and
`PROMETHEUS_MULTIPROC_DIR` in the bot's environment would send every value to files and drop the exemplars.
Cells are written under the lock of `Instruments`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Protocol, Self, TypeAlias

__all__ = ["Cell", "Count", "Exact", "Level", "Point", "Spread", "Trace"]


Trace: TypeAlias = "tuple[str, float, float]"
"""The exemplar of an observation: trace id in hexadecimal, the observed value, Unix seconds."""

Point: TypeAlias = "tuple[float, Trace | None]"


class Cell(Protocol):
    """One set of label values of a metric."""

    def known(self) -> bool:
        """Tell whether there is something to show."""

    def points(self) -> list[Point]:
        """Return value and exemplar of each line that this cell exposes."""

    def absorb(self, cell: Self) -> None:
        """Take over what another cell has counted, which ends."""


class Count:
    """A counter: starts at zero, only grows."""

    __slots__ = ("trace", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.trace: Trace | None = None

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount, which is not negative."""
        self.value += amount

    def mark(self, trace_id: str | None, value: float, at: float) -> None:
        """Keep a trace as the example of what was counted last; without an id the one before stays."""
        if trace_id is not None:
            self.trace = (trace_id, value, at)

    def total(self) -> float:
        """Return the sum so far."""
        return self.value

    def known(self) -> bool:
        """See `Cell.known`: a count is known from the start."""
        return True

    def points(self) -> list[Point]:
        """See `Cell.points`."""
        return [(self.total(), self.trace)]

    def absorb(self, cell: Count) -> None:
        """See `Cell.absorb`."""
        self.inc(cell.total())


class Exact(Count):
    """A sum of money: `total()` is the exact sum of all amounts, rounded once, whatever their order.

    Naive addition of 10,000 fees is off by about 1e-11 and depends on the order, so that two honest books differ.
    `parts` are floats that do not overlap (Shewchuk 1997, as in `math.fsum`); two or three hold any sum of prices.
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[float] = []

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount; a counter gets none below zero, a gauge may."""
        kept = 0
        for part in self.parts:
            low, high = (part, amount) if abs(part) < abs(amount) else (amount, part)
            amount = high + low
            rest = low - (amount - high)
            if rest:
                self.parts[kept] = rest
                kept += 1
        self.parts[kept:] = [amount]

    def total(self) -> float:
        """Return the sum rounded to the nearest float."""
        return math.fsum(self.parts) + 0.0

    def absorb(self, cell: Count) -> None:
        """See `Cell.absorb`; nothing is rounded on the way."""
        for part in cell.parts if isinstance(cell, Exact) else [cell.total()]:
            self.inc(part)


class Level:
    """A gauge; NaN while its value is unknown, and then no line shows it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = math.nan

    def set(self, value: float) -> None:
        """Replace the value."""
        self.value = value

    def inc(self, amount: float = 1.0) -> None:
        """Add a signed amount, to zero if nothing was known."""
        self.value = amount if self.value != self.value else self.value + amount

    def clear(self) -> None:
        """Forget the value: it is unknown now."""
        self.value = math.nan

    def known(self) -> bool:
        """See `Cell.known`."""
        return self.value == self.value

    def points(self) -> list[Point]:
        """See `Cell.points`; a zero has no sign, whichever side it came from."""
        return [(self.value + 0.0, None)]

    def absorb(self, cell: Level) -> None:
        """See `Cell.absorb`: the values of two gauges do not make one."""


class Spread:
    """A histogram of values that are finite and not negative."""

    __slots__ = ("bounds", "counts", "sum", "traces")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.traces: dict[int, Trace] = {}

    def observe(self, value: float, trace_id: str | None = None, at: float = 0.0) -> None:
        """Count a value in the first bucket whose bound is not below it, and keep its trace as an example."""
        index = bisect_left(self.bounds, value)
        self.counts[index] += 1
        self.sum += value
        if trace_id is not None:
            self.traces[index] = (trace_id, value, at)

    def known(self) -> bool:
        """See `Cell.known`: a count is known from the start."""
        return True

    def points(self) -> list[Point]:
        """See `Cell.points`: the buckets (cumulated), the count, the sum."""
        seen = 0
        points: list[Point] = []
        for index, count in enumerate(self.counts):
            seen += count
            points.append((seen, self.traces.get(index)))
        return [*points, (seen, None), (self.sum, None)]

    def absorb(self, cell: Spread) -> None:
        """See `Cell.absorb`."""
        self.counts = [own + others for own, others in zip(self.counts, cell.counts, strict=True)]
        self.sum += cell.sum
