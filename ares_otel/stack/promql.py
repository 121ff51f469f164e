"""PromQL out of declared names: a query cannot name a metric or a label that does not exist."""

from __future__ import annotations

from typing import Final, NamedTuple

from ares_otel.semconv.model import Attribute, Histogram, Metric
from ares_otel.stack.foreign import Foreign

__all__ = ["IDENTITY", "ONE_SYMBOL", "Matcher", "among", "bound", "by", "grown", "is_", "select", "share"]

IDENTITY: Final = ("deployment_environment_name", "service_name", "mode")
"""What tells bots apart: labels that their targets carry, beside `job` and `instance`."""

TARGET: Final = frozenset({*IDENTITY, "job", "instance"})
HEARTBEAT: Final = 'ALERTS{alertname="Watchdog"}'
"""It is there whenever rules are evaluated."""

PARTS: Final = ("_bucket", "_sum", "_count")

Named = Metric | Foreign
Label = Attribute | str


class Matcher(NamedTuple):
    """One condition on a label."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


ONE_SYMBOL: Final = Matcher("symbol", "!=", "other")
"""Not the symbols that share a series: what is many in one symbol is little in them all."""


def is_(label: Label, value: str) -> Matcher:
    """Return the condition that a label has exactly that value.

    Raises:
        ValueError: the label's vocabulary is closed and does not hold the value.
    """
    if isinstance(label, Attribute) and label.enum is not None and value not in set(label.enum):
        raise ValueError(f"{label}={value!r}: no word of {label.enum.__name__}")
    return Matcher(str(label), "=", value)


def among(label: Label, pattern: str) -> Matcher:
    """Return the condition that the whole label matches a regular expression."""
    return Matcher(str(label), "=~", pattern)


def select(metric: Named, *matchers: Matcher, part: str = "") -> str:
    """Return the selector of a metric's series; `part` is `_bucket`, `_sum` or `_count` of a histogram.

    Raises:
        ValueError: a part of what is no histogram, the bare name of a histogram, or a label that the metric lacks.
    """
    if isinstance(metric, Histogram) != (part in PARTS):
        raise ValueError(f"{metric}{part}: a histogram is asked for by one of {PARTS}, another metric by none")
    known = {*metric.label_names, *TARGET, *(["le"] if part == "_bucket" else [])}
    strange = [matcher.label for matcher in matchers if matcher.label not in known]
    if strange:
        raise ValueError(f"{metric} has no label {strange[0]!r}; it has {sorted(known)}")
    inside = ",".join(map(str, matchers))
    return f"{metric}{part}{{{inside}}}" if inside else f"{metric}{part}"


def bound(histogram: Histogram, value: float) -> Matcher:
    """Return the condition on `le` for one bucket, in the form that Prometheus 3 stores ("1.0", never "1").

    Raises:
        ValueError: there is no bucket with that bound, so nothing would match, silently.
    """
    if value not in histogram.buckets:
        raise ValueError(f"{histogram} has no bucket up to {value}: {histogram.buckets}")
    return Matcher("le", "=", repr(float(value)))


def by(*labels: Label, identity: bool = True) -> str:
    """Return a `by (…)` clause; `identity` keeps what tells bots apart."""
    return f"by ({', '.join([*(IDENTITY if identity else ()), *map(str, labels)])})"


def share(part: str, whole: str) -> str:
    """Return a ratio that is absent, not NaN, while there is nothing in the whole."""
    return f"{part} / ({whole} > 0)"


def grown(selector: str, window: str, clause: str) -> str:
    """Return the growth of a counter, above zero only, also when the series was born with its first event.

    A series that is not known because Prometheus itself was away at the time was not born then.
    """
    away = f"(last_over_time({HEARTBEAT}[1d] offset {window}) unless on () {HEARTBEAT} offset {window})"
    born = f"({selector} unless {selector} offset {window} unless on () {away})"
    return f"sum {clause} (increase({selector}[{window}]) > 0 or {born} > 0) > 0"
