"""The frozen objects that declare names: attributes, metrics, spans, events, thresholds.

Construction refuses what would be wrong for ever once it is published: names that break OpenTelemetry's or
Prometheus' rules, counters without `_total`, unbounded attributes as labels of a metric.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "Attribute",
    "Counter",
    "Event",
    "Gauge",
    "Histogram",
    "Info",
    "Kind",
    "Metric",
    "Span",
    "SpanKind",
    "Threshold",
]

ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*(?:\.[a-z][a-z0-9]*(?:_[a-z0-9]+)*)*")
METRIC_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
RESERVED = ("_total", "_sum", "_count", "_bucket", "_created", "_info")
RESERVED_LABELS = frozenset({"le", "quantile", "job", "instance"})
BASE_UNITS = {"s": "_seconds", "By": "_bytes", "bp": "_bps", "bit": "_bits"}
NOT_BASE = ("_ms", "_millis", "_milliseconds", "_percent", "_us", "_ns", "_minutes", "_hours", "_kb", "_mb")


class Kind(StrEnum):
    """The type of an attribute's value."""

    STRING = "string"
    DOUBLE = "double"
    INT = "int"
    BOOLEAN = "boolean"
    TIME = "time"
    NUMBERS = "double[]"
    DOUBLES = "map of double"
    TEXTS = "map of string"


class SpanKind(StrEnum):
    """OpenTelemetry's span kinds that we use."""

    INTERNAL = "internal"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A declared attribute of spans and events and, where its values are few, of metrics.

    Attributes:
        key: OpenTelemetry name, lower case, dots between objects.
        brief: what it says, one line.
        kind: type of the value.
        bounded: the set of values is small, so it may be a metric label.
        unit: UCUM unit ("1" for a ratio, "s", "bp"), "" where it has none.
        enum: the closed vocabulary, if there is one.
        low: least allowed value (inclusive).
        high: greatest allowed value (inclusive).
        fix: tag of the same field in FIX, if there is one.

    Raises:
        ValueError: a name, bound or vocabulary that cannot be right.
    """

    key: str
    brief: str
    kind: Kind = Kind.STRING
    bounded: bool = False
    unit: str = ""
    enum: type[StrEnum] | None = None
    low: float = -math.inf
    high: float = math.inf
    fix: int | None = None

    def __post_init__(self) -> None:
        if not ATTRIBUTE_NAME.fullmatch(self.key):
            raise ValueError(f"attribute {self.key!r}: expected lower-case words joined by '_' and '.'")
        if not self.brief:
            raise ValueError(f"attribute {self.key!r}: a brief is missing")
        if self.low > self.high:
            raise ValueError(f"attribute {self.key!r}: bounds {self.low} to {self.high} are empty")
        if self.enum is not None and self.kind is not Kind.STRING:
            raise ValueError(f"attribute {self.key!r}: a vocabulary needs kind string, not {self.kind}")

    @property
    def label(self) -> str:
        """The name as a metric label: without `ares.`, dots as underscores."""
        return self.key.removeprefix("ares.").replace(".", "_")

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric; `str()` gives its PromQL name. Use a subclass.

    Attributes:
        name: Prometheus name with base unit.
        brief: what it counts or shows, one line.
        labels: attributes with few values, in exposition order.
        unit: UCUM unit, which the name has to end with ("s" → `_seconds`, "1" → `_ratio`).
        group: heading in the reference.

    Raises:
        ValueError: a name against the rules of Prometheus, a unit that the name does not say, an unbounded label.
    """

    name: str
    brief: str
    labels: tuple[Attribute, ...] = ()
    unit: str = ""
    group: str = "own"

    suffix: ClassVar[str] = ""
    type: ClassVar[str] = "untyped"

    def __post_init__(self) -> None:
        self._check_name()
        self._check_unit()
        self._check_labels()

    def _check_name(self) -> None:
        if not METRIC_NAME.fullmatch(self.name):
            raise ValueError(f"metric {self.name!r}: expected lower-case words joined by '_'")
        if not self.name.endswith(self.suffix):
            raise ValueError(f"{self.type} {self.name!r}: the name has to end with {self.suffix!r}")
        stem = self.name.removesuffix(self.suffix) if self.suffix else self.name
        if stem.endswith(RESERVED):
            raise ValueError(f"{self.type} {self.name!r}: ends with a suffix reserved for another type")
        if stem.endswith(NOT_BASE):
            raise ValueError(f"{self.type} {self.name!r}: use base units (seconds, bytes, ratio)")
        if not self.brief:
            raise ValueError(f"metric {self.name!r}: a brief is missing")

    def _check_unit(self) -> None:
        ending = BASE_UNITS.get(self.unit)
        stem = self.name.removesuffix(self.suffix) if self.suffix else self.name
        if ending and not stem.endswith(ending):
            raise ValueError(f"{self.type} {self.name!r}: unit {self.unit!r} asks for a name ending with {ending!r}")

    def _check_labels(self) -> None:
        names = [attribute.label for attribute in self.labels]
        if len(set(names)) != len(names):
            raise ValueError(f"metric {self.name!r}: a label comes twice in {names}")
        for attribute in self.labels:
            if not attribute.bounded:
                raise ValueError(f"metric {self.name!r}: {attribute.key!r} has unbounded values and can be no label")
            if attribute.label in RESERVED_LABELS or attribute.label.startswith("__"):
                raise ValueError(f"metric {self.name!r}: label {attribute.label!r} is reserved by Prometheus")

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names in exposition order."""
        return tuple(attribute.label for attribute in self.labels)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """A sum that only grows; its name ends with `_total`."""

    suffix: ClassVar[str] = "_total"
    type: ClassVar[str] = "counter"


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """A value that goes up and down; absent while it is unknown."""

    type: ClassVar[str] = "gauge"


@dataclass(frozen=True, slots=True)
class Info(Metric):
    """Text facts as labels of a constant 1; its name ends with `_info`."""

    suffix: ClassVar[str] = "_info"
    type: ClassVar[str] = "info"


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """A distribution of values that are never negative, with upper bounds of its buckets."""

    buckets: tuple[float, ...] = ()

    type: ClassVar[str] = "histogram"

    def __post_init__(self) -> None:
        Metric.__post_init__(self)
        finite = all(math.isfinite(bound) for bound in self.buckets)
        if not self.buckets or not finite or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"histogram {self.name!r}: bounds have to be finite and strictly increasing")


@dataclass(frozen=True, slots=True)
class Event:
    """A declared span event and the attributes it may carry."""

    name: str
    brief: str
    attributes: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z_ ]*[a-z]", self.name):
            raise ValueError(f"event {self.name!r}: expected lower-case words")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Span:
    """A declared span: a name of low cardinality, its kind and the attributes it may carry.

    A name may hold one `{placeholder}` whose values are few ("exchange {operation}").
    """

    name: str
    brief: str
    attributes: tuple[Attribute, ...] = ()
    kind: SpanKind = SpanKind.INTERNAL

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z_ ]*(?:\{[a-z]+\})?", self.name):
            raise ValueError(f"span {self.name!r}: expected lower-case words and at most one {{placeholder}}")

    def matches(self, name: str) -> bool:
        """Tell whether a span of that name is this one."""
        stem, brace, _ = self.name.partition("{")
        return name.startswith(stem) if brace else name == self.name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Threshold:
    """A default limit that alerts, sampling and pages share; `unit` as in UCUM."""

    name: str
    value: float
    unit: str
    brief: str
