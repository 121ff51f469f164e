"""A bot's own metrics: declared like ours, held to the same rules."""

from __future__ import annotations

import math
from typing import Final

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.cells import Count, Spread
from ares_otel.metrics.families import Raw
from ares_otel.metrics.registry import Instruments
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Counter, Gauge, Histogram, Info, Metric

__all__ = ["OwnMetrics", "check_own"]

PREFIX: Final = "ares_"
FOREIGN: Final = ("process_", "python_", "target_")
METRICS_LIMIT: Final = 500
DECLARED: Final = {metric.name: metric for metric in m.METRICS}
OPERATIONS: Final = {Counter: ("add",), Gauge: ("add", "set"), Info: ("set",), Histogram: ("observe",)}


def check_own(metric: Metric) -> None:
    """Refuse a declaration that cannot be a bot's own metric.

    Raises:
        ValueError: a name that is ours or another library's.
    """
    if metric.name.startswith((PREFIX, *FOREIGN)):
        raise ValueError(f"metric {metric.name!r}: names beginning with {', '.join((PREFIX, *FOREIGN))} are taken")


class OwnMetrics:
    """Applies what a bot says about its own metrics, and what the library says about any metric.

    What cannot be applied (a negative amount for a counter, NaN, a word outside a closed vocabulary, an operation that
    the type does not have) is counted and logged once for each metric, and changes nothing.
    """

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        self._instruments = instruments
        self._guard = guard
        self._count = 0

    def declare(self, metric: Metric) -> None:
        """Make the family of a metric.

        Raises:
            ValueError: the declaration breaks a rule, clashes with another metric, or is one too many.
        """
        known = self._instruments.declared(metric)
        if known is metric:
            return
        if known is not None and known != metric:
            raise ValueError(f"metric {metric.name!r}: clashes with the {known.type} {known.name!r}")
        if known is None and DECLARED.get(metric.name) != metric:
            check_own(metric)
            if self._count >= METRICS_LIMIT:
                raise ValueError(f"metric {metric.name!r}: more than {METRICS_LIMIT} metrics of its own")
            self._count += 1
        self._instruments.any(metric)

    def apply(self, metric: Metric, op: str, value: float, labels: Raw, trace: str | None, at: float) -> None:
        """Apply one operation: `add` (counter, gauge), `set` (gauge, info) or `observe` (histogram)."""
        problem = self._refused(metric) or _problem(metric, op, value)
        if problem is not None:
            self._guard.complain("metrics.own", metric.name, f"{metric.name}: {problem}")
            return
        cell = self._instruments.any(metric).cell(labels)
        if isinstance(cell, Spread):
            cell.observe(value, trace, at)
        elif isinstance(cell, Count):
            cell.inc(value)
            cell.mark(trace, value, at)
        elif op == "add":
            cell.inc(value)
        else:
            cell.set(value)

    def _refused(self, metric: Metric) -> str | None:
        try:
            self.declare(metric)
        except ValueError as error:
            return str(error)
        return None


def _problem(metric: Metric, op: str, value: float) -> str | None:
    if op not in OPERATIONS.get(type(metric), ()):
        return f"a {metric.type} has no {op!r}"
    if not math.isfinite(value):
        return f"expected a finite number, got {value!r}"
    if value < 0 and not isinstance(metric, Gauge):
        return f"a {metric.type} takes nothing below zero, got {value!r}"
    return None
