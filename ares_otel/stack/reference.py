"""`docs/telemetry.md`: every name that we emit, written from the declarations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby

from ares_otel.semconv import enums
from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS
from ares_otel.semconv.model import Attribute, Event, Histogram, Metric, Span
from ares_otel.semconv.serving import SERVER_METRICS
from ares_otel.semconv.spans import COMMON, EVENTS, RECORDS, SPANS
from ares_otel.semconv.thresholds import THRESHOLDS

__all__ = ["telemetry_reference"]

HEAD = """\
# Telemetry: every name

Generated from `ares_otel.semconv` by `ares-otel generate`; do not edit. A label is its attribute without `ares.`,
dots as underscores. Ids, prices and free text are never labels.
"""


def telemetry_reference() -> str:
    """Return the reference of spans, events, attributes, metrics, vocabularies and thresholds as Markdown."""
    parts = [HEAD, _spans(), _events(), _attributes(), *_metrics(), _vocabularies(), _thresholds()]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _keys(attributes: Iterable[Attribute]) -> str:
    return " ".join(f"`{attribute.key}`" for attribute in attributes)


def _spans() -> str:
    own = [span for span in SPANS if span not in RECORDS]
    common = f"Every span of a decision carries, where known, {_keys(COMMON)}.\n\n"
    after = "\nA record outside any decision becomes a span without duration under the name of its event.\n"
    return "## Spans\n\n" + common + _table(["span", "kind", "what", "attributes"], map(_span_row, own)) + after


def _span_row(span: Span) -> Sequence[str]:
    return f"`{span.name}`", span.kind, span.brief, _keys(each for each in span.attributes if each not in COMMON)


def _events() -> str:
    return "## Events\n\n" + _table(["event", "what", "attributes"], map(_event_row, EVENTS))


def _event_row(event: Event) -> Sequence[str]:
    return f"`{event.name}`", event.brief, _keys(event.attributes)


def _attributes() -> str:
    head = ["attribute", "type", "unit", "range or values", "FIX", "label", "what"]
    return "## Attributes\n\n" + _table(head, map(_attribute_row, ATTRIBUTES))


def _attribute_row(attribute: Attribute) -> Sequence[str]:
    label = f"`{attribute.label}`" if attribute.bounded else "never"
    fix = str(attribute.fix) if attribute.fix is not None else ""
    return (f"`{attribute.key}`", attribute.kind, attribute.unit, _range(attribute), fix, label, attribute.brief)


def _range(attribute: Attribute) -> str:
    if attribute.enum is not None:
        return f"[{attribute.enum.__name__}](#vocabularies)"
    if attribute.high < math.inf:
        return f"{attribute.low:g} … {attribute.high:g}"
    return f"≥ {attribute.low:g}" if attribute.low > -math.inf else ""


def _metrics() -> Iterable[str]:
    yield "## Metrics\n"
    for group, metrics in groupby((*METRICS, *SERVER_METRICS), key=lambda metric: metric.group):
        rows = [_metric_row(metric) for metric in metrics]
        yield f"### {group.capitalize()}\n\n" + _table(["metric", "type", "labels", "what"], rows)


def _metric_row(metric: Metric) -> Sequence[str]:
    buckets = ""
    if isinstance(metric, Histogram):
        buckets = "; buckets " + ", ".join(f"{bound:g}" for bound in metric.buckets)
    labels = " ".join(f"`{name}`" for name in metric.label_names)
    return f"`{metric.name}`", metric.type, labels, metric.brief + buckets


def _vocabularies() -> str:
    found = [each for each in vars(enums).values() if isinstance(each, type) and issubclass(each, StrEnum)]
    rows = [
        (each.__name__, (each.__doc__ or "").split("\n")[0], " ".join(f"`{member}`" for member in each))
        for each in found
        if each is not StrEnum
    ]
    return "## Vocabularies\n\n" + _table(["vocabulary", "what", "values"], rows)


def _thresholds() -> str:
    rows = [(f"`{each.name}`", f"{each.value:g}", each.unit, each.brief) for each in THRESHOLDS]
    return "## Default thresholds\n\n" + _table(["threshold", "value", "unit", "what"], rows)
