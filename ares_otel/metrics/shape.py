"""How a metric is written: text lines for the endpoint, families of prometheus_client for everybody else.

The lines equal those of prometheus_client's exposition. For 4,000 series that one needs eleven times as long: it
writes names and labels anew each time. The bot waits for the GIL meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, TypeAlias, cast

from prometheus_client import Metric as ClientMetric
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from ares_otel.metrics.cells import Cell, Trace
from ares_otel.semconv.model import Histogram, Info, Metric

__all__ = ["Labels", "Row", "Shape", "stem"]

Labels: TypeAlias = tuple[str, ...]
Row: TypeAlias = tuple[Labels, Cell]

number = cast("Callable[[float], str]", floatToGoString)
UNITS: Final = {"s": "seconds", "By": "bytes", "bp": "bps", "bit": "bits", "1": "ratio"}


class Shape:
    """Name, unit and lines of a metric.

    Attributes:
        stem: name of the family: the metric's without `_total` or `_info`.
        unit: Prometheus' word for the unit, if the name ends with it.
        lines: suffix and `le` of each line that a cell exposes.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.stem = stem(metric)
        word = UNITS.get(metric.unit, "")
        self.unit = word if word and self.stem.endswith(f"_{word}") else ""
        self.lines = _lines(metric)
        self._prefixes: dict[Labels, tuple[str, ...]] = {}

    def header(self, *, openmetrics: bool) -> str:
        """Return the comment lines that precede the metric's series."""
        brief = self.metric.brief.replace("\\", r"\\").replace("\n", r"\n")
        if openmetrics:
            brief = brief.replace('"', r"\"")
            unit = f"# UNIT {self.stem} {self.unit}\n" if self.unit else ""
            return f"# HELP {self.stem} {brief}\n# TYPE {self.stem} {self.metric.type}\n{unit}"
        kind = "gauge" if isinstance(self.metric, Info) else self.metric.type
        return f"# HELP {self.metric.name} {brief}\n# TYPE {self.metric.name} {kind}\n"

    def write(self, rows: Iterable[Row], out: list[str], *, openmetrics: bool) -> None:
        """Append the lines of the rows, with exemplars in OpenMetrics only."""
        for labels, cell in rows:
            for prefix, (value, trace) in zip(self._prefix(labels), cell.points(), strict=True):
                example = _example(trace) if openmetrics and trace is not None else ""
                out.append(f"{prefix}{number(value)}{example}\n")

    def forget(self, labels: Labels) -> None:
        """Drop what is kept for a series that ended."""
        self._prefixes.pop(labels, None)

    def _prefix(self, labels: Labels) -> tuple[str, ...]:
        found = self._prefixes.get(labels)
        if found is None:
            named = dict(zip(self.metric.label_names, labels, strict=True))
            found = self._prefixes[labels] = tuple(
                f"{self.stem}{suffix}{_braces(named, bound)} " for suffix, bound in self.lines
            )
        return found

    def collected(self, rows: Iterable[Row]) -> ClientMetric:
        """Return the rows as a metric of prometheus_client."""
        metric = ClientMetric(self.stem, self.metric.brief, self.metric.type, self.unit)
        metric.samples = list(chain.from_iterable(self._samples(labels, cell) for labels, cell in rows))
        return metric

    def _samples(self, labels: Labels, cell: Cell) -> Iterator[Sample]:
        named = dict(zip(self.metric.label_names, labels, strict=True))
        for (suffix, bound), (value, trace) in zip(self.lines, cell.points(), strict=True):
            exemplar = None if trace is None else Exemplar({"trace_id": trace[0]}, *trace[1:])
            own = named if bound is None else {**named, "le": bound}
            yield Sample(self.stem + suffix, own, value, None, exemplar)


def stem(metric: Metric) -> str:
    """Return the name of a metric's family: its own without `_total` or `_info`."""
    return metric.name.removesuffix(metric.suffix) if metric.suffix else metric.name


def _lines(metric: Metric) -> tuple[tuple[str, str | None], ...]:
    if not isinstance(metric, Histogram):
        return ((metric.suffix, None),)
    bounds = (number(bound) for bound in (*metric.buckets, math.inf))
    return (*(("_bucket", bound) for bound in bounds), ("_count", None), ("_sum", None))


def _braces(named: Mapping[str, str], bound: str | None) -> str:
    labels = dict(named) if bound is None else {**named, "le": bound}
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _example(trace: Trace) -> str:
    trace_id, value, at = trace
    return f' # {{trace_id="{trace_id}"}} {number(value)} {at}'
