"""What panels ask: PromQL and TraceQL out of declared names, with the board's variables as conditions.

Every query of ours is filtered by `$env` and `$service`, and by `$strategy`, `$symbol`, `$venue` and `$model` wherever
the metric has that label: a choice at the top of a board is heard by all its panels, or it could not be heard at all.
"""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Attribute, Event, Histogram, Metric, Span
from ares_otel.stack.promql import Matcher, among, by, select

__all__ = ["CHOICES", "grouped", "growth", "per_second", "quantile", "shown", "total", "traces"]

CHOICES: Final[dict[str, Attribute]] = {
    "strategy": a.STRATEGY,
    "symbol": a.SYMBOL,
    "venue": a.VENUE,
    "model": a.MODEL_NAME,
}
"""The variables that choose by a label, in the order in which a board shows them."""
STEP: Final = "$__rate_interval"


def shown(metric: Metric, *matchers: Matcher, part: str = "") -> str:
    """Return the selector of a metric's series that the board's variables choose."""
    chosen = [among(label, f"${name}") for name, label in CHOICES.items() if label in metric.labels]
    place = [among("deployment_environment_name", "$env"), among("service_name", "$service")]
    return select(metric, *place, *chosen, *matchers, part=part)


def grouped(function: str, inside: str, *labels: Attribute | str) -> str:
    """Return an aggregation by labels, or over everything."""
    return f"{function} {by(*labels, identity=False)} ({inside})" if labels else f"{function}({inside})"


def total(metric: Metric, *labels: Attribute | str) -> str:
    """Return the sum of a gauge by labels."""
    return grouped("sum", shown(metric), *labels)


def per_second(metric: Metric, *labels: Attribute | str, part: str = "", window: str = STEP) -> str:
    """Return how fast a counter grows, by labels."""
    return grouped("sum", f"rate({shown(metric, part=part)}[{window}])", *labels)


def growth(metric: Metric, window: str, *labels: Attribute | str, part: str = "") -> str:
    """Return by how much a counter grew in a time, by labels."""
    return grouped("sum", f"increase({shown(metric, part=part)}[{window}])", *labels)


def quantile(level: float, histogram: Histogram, *labels: Attribute | str, window: str = STEP) -> str:
    """Return a quantile of a distribution, by labels."""
    return f"histogram_quantile({level:g}, {per_second(histogram, 'le', *labels, part='_bucket', window=window)})"


def traces(
    span: Span | Event, *conditions: str, wanted: tuple[Attribute, ...] = (), chosen: tuple[str, ...] = ()
) -> str:
    """Return a search for spans by name, by the board's variables and by conditions, with attributes to show.

    Values of variables stand in backticks: within quotation marks a name such as `BTC/USDT` would be an error.

    Raises:
        ValueError: an attribute that spans of that name do not carry.
    """
    strange = [attribute.key for attribute in wanted if attribute not in span.attributes]
    if strange:
        raise ValueError(f"span {span.name!r} has no attribute {strange[0]!r}")
    asked = [f"span.{CHOICES[name].key} =~ `${{{name}:regex}}`" for name in chosen]
    inside = " && ".join([f'name = "{span.name}"', *asked, *conditions])
    columns = ", ".join(f"span.{attribute.key}" for attribute in wanted)
    return f"{{ {inside} }}{f' | select({columns})' if columns else ''} with (most_recent=true)"
