"""Gauges that are a sum of what several records said."""

from __future__ import annotations

import math
from collections.abc import Hashable

from ares_otel.metrics.cells import Level
from ares_otel.metrics.families import Raw
from ares_otel.metrics.registry import Instruments
from ares_otel.semconv.model import Gauge

__all__ = ["Sums"]


class Sums:
    """A gauge whose cells are exact sums of parts; absent while one of the parts is unknown.

    Args:
        instruments: where the gauge is made.
        metric: its declaration.
        mixes: what is folded into the label `other` may be added up; True for money in one currency.
    """

    def __init__(self, instruments: Instruments, metric: Gauge, *, mixes: bool = True) -> None:
        self._family = instruments.gauge(metric, mixes=mixes)
        self._family.merge = self._move
        self._parts: dict[Level, dict[Hashable, float | None]] = {}
        self._stated: set[Level] = set()

    def put(self, labels: Raw, part: Hashable, value: float | None) -> float | None:
        """Replace a part, None for unknown, and return the sum if it is known."""
        cell = self._family.cell(labels)
        parts = self._parts.setdefault(cell, {})
        parts[part] = value
        return self._show(cell, parts)

    def drop(self, labels: Raw, part: Hashable, *, flat: bool = False) -> float | None:
        """Take a part away and return the sum; when it was the last one, the sum is zero if `flat`, else absent."""
        cell = self._family.cell(labels)
        parts = self._parts.get(cell, {})
        parts.pop(part, None)
        if parts or flat:
            return self._show(cell, parts)
        cell.clear()
        return None

    def merge(self, labels: Raw, part: Hashable, into: Hashable) -> None:
        """Add a part that will not change any more to another one."""
        parts = self._parts.setdefault(self._family.cell(labels), {})
        value = parts.pop(part, None)
        if value is not None:
            parts[into] = (parts.get(into) or 0.0) + value

    def state(self, labels: Raw, value: float) -> None:
        """Show a sum that the bot itself keeps; parts do not change it from now on."""
        cell = self._family.cell(labels)
        self._stated.add(cell)
        cell.set(value)

    def _move(self, into: Level, cell: Level) -> None:
        parts = self._parts.setdefault(into, {})
        parts.update(self._parts.pop(cell, {}))
        self._show(into, parts)

    def _show(self, cell: Level, parts: dict[Hashable, float | None]) -> float | None:
        known = [value for value in parts.values() if value is not None]
        total = math.fsum(known) if len(known) == len(parts) else None
        if cell not in self._stated:
            cell.set(math.nan if total is None else total)
        return total
