"""A bot's own metrics: declared like ours, written from the hot path by an append."""

from __future__ import annotations

from typing import Any

import msgspec

from ares_otel.correlation.context import DECISION_KEY, get
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.semconv.model import Metric

__all__ = ["OwnMetric", "OwnReading", "metric"]

PREFIX = "ares_"


class OwnReading(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One change of a bot's own metric on its way to the worker.

    Attributes:
        metric: its declaration.
        operation: `add`, `set` or `observe`.
        value: as given.
        labels: as given.
        inside: the decision in which it was made, whose trace may become its exemplar.
    """

    metric: Metric
    operation: str
    value: float
    labels: dict[str, object]
    inside: Any = None

    @property
    def trace_id(self) -> int:
        """The decision's trace, 0 outside of any."""
        return self.inside.trace_id if self.inside is not None else 0


class OwnMetric:
    """Writes to one of the bot's own metrics; labels are given by name, those left out are empty.

    What cannot be applied (a label that is not declared, a negative amount for a counter, NaN) is counted and logged
    once by the worker, and changes nothing.
    """

    def __init__(self, declared: Metric) -> None:
        self.declared = declared

    def add(self, value: float = 1.0, **labels: object) -> None:
        """Add to a counter or gauge."""
        R.put(OwnReading(self.declared, "add", value, labels, get().get(DECISION_KEY)))

    def set(self, value: float, **labels: object) -> None:
        """Set a gauge."""
        R.put(OwnReading(self.declared, "set", value, labels))

    def observe(self, value: float, **labels: object) -> None:
        """Add a value to a histogram; inside a decision its trace becomes the exemplar."""
        R.put(OwnReading(self.declared, "observe", value, labels, get().get(DECISION_KEY)))


def metric(declared: Metric) -> OwnMetric:
    """Return what writes to a metric that the bot declares.

        LOOPS = ares.metric(Counter("bot_loops_total", "turns of the main loop", (attributes.STRATEGY,)))
        LOOPS.add(strategy="momentum")

    Raises:
        ValueError: its name begins with `ares_`; those are ours.
    """
    if declared.name.startswith(PREFIX):
        raise ValueError(f"metric {declared.name!r}: names beginning with {PREFIX!r} are taken")
    return OwnMetric(declared)
