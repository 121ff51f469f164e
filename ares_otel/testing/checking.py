"""Check that everything emitted is declared: names, types, labels, values of closed vocabularies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from ares_otel.pipeline.model import SpanData
from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS
from ares_otel.semconv.model import Attribute, Kind, Metric
from ares_otel.semconv.spans import EVENTS

__all__ = ["Exposed", "Sample", "live_check"]

TYPES: Mapping[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.DOUBLE: (float,),
    Kind.INT: (int,),
    Kind.BOOLEAN: (bool,),
    Kind.TIME: (int,),
    Kind.NUMBERS: (list, tuple),
    Kind.DOUBLES: (Mapping,),
    Kind.TEXTS: (Mapping,),
}
OTHER = "other"
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_info", "")


class Sample(Protocol):
    """A series of a metric, as prometheus_client gives it."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels with their values."""


class Exposed(Protocol):
    """A metric with its series, as prometheus_client gives it."""

    name: str
    type: str

    @property
    def samples(self) -> Sequence[Sample]:
        """Its series."""


def live_check(
    spans: Iterable[SpanData] = (), families: Iterable[Exposed] = (), own: Iterable[Metric] = ()
) -> list[str]:
    """Return a line for each thing that nobody declared; an empty list is a clean bill.

    Args:
        spans: finished spans of ours (attributes outside `ares.` are their author's business).
        families: metrics as collected from a registry.
        own: metrics that the bot declared itself.
    """
    found: dict[str, None] = {}
    for span in spans:
        found |= dict.fromkeys(_span(span))
    declared = {metric.name: metric for metric in (*METRICS, *own)}
    for family in families:
        found |= dict.fromkeys(_family(family, declared))
    return list(found)


def _span(span: SpanData) -> Iterator[str]:
    yield from _attributes(f"span {span.name!r}", span.attributes)
    for event in span.events:
        if event.name not in {each.name for each in EVENTS} and _is_ours(event.attributes):
            yield f"event {event.name!r} of span {span.name!r} is not declared"
        yield from _attributes(f"event {event.name!r}", event.attributes)


def _is_ours(attributes: Mapping[str, Any]) -> bool:
    return any(key.startswith("ares.") for key in attributes)


def _attributes(place: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in attributes.items():
        declared = [each for each in ATTRIBUTES if each.key == key]
        if not declared:
            if key.startswith("ares."):
                yield f"{place}: attribute {key!r} is not declared"
        elif not any(_fits(each, value) for each in declared):
            yield f"{place}: {key} = {value!r} is no {declared[0].kind}{_words(declared[0].enum)}"


def _fits(attribute: Attribute, value: object) -> bool:
    if isinstance(value, bool) and attribute.kind is not Kind.BOOLEAN:
        return False
    if not isinstance(value, TYPES[attribute.kind]):
        return False
    if isinstance(value, Mapping):
        kind = str if attribute.kind is Kind.TEXTS else float
        return all(isinstance(key, str) and isinstance(each, kind) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(isinstance(each, float) for each in value)
    return attribute.enum is None or value in set(attribute.enum)


def _words(enum: type[StrEnum] | None) -> str:
    return f" of {enum.__name__}" if enum is not None else ""


def _family(family: Exposed, declared: Mapping[str, Metric]) -> Iterator[str]:
    metric = next((declared[family.name + end] for end in SUFFIXES if family.name + end in declared), None)
    if metric is None:
        if family.name.startswith("ares_"):
            yield f"metric {family.name!r} is not declared"
        return
    if family.type != metric.type:
        yield f"metric {metric.name}: type {family.type} where {metric.type} is declared"
    for sample in family.samples:
        yield from _sample(metric, sample.labels)


def _sample(metric: Metric, labels: Mapping[str, str]) -> Iterator[str]:
    given = {name: value for name, value in labels.items() if name != "le"}
    if set(given) != set(metric.label_names):
        yield f"metric {metric.name}: labels {sorted(given)} where {sorted(metric.label_names)} are declared"
        return
    for attribute in metric.labels:
        value = given[attribute.label]
        if attribute.enum is not None and value not in {*attribute.enum, OTHER, ""}:
            yield f"metric {metric.name}: {attribute.label}={value!r} is no {attribute.enum.__name__}"
