"""How many attributes a span, an event and a link may have."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, TypeVar

from ares_otel.pipeline.model import EventData, LinkData, SpanData

__all__ = ["limited", "shortened"]

OWN = "ares."
T = TypeVar("T", SpanData, EventData, LinkData)


def limited(span: SpanData, limit: int) -> SpanData:
    """Return a span with at most `limit` attributes on itself and on each event and link, ours kept before others'."""
    sizes = [len(span.attributes)]
    if span.events or span.links:
        sizes += [len(event.attributes) for event in span.events]
        sizes += [len(link.attributes) for link in span.links]
    if max(sizes) <= limit:
        return span
    return shortened(span, limit)._replace(
        events=[shortened(event, limit) for event in span.events],
        links=[shortened(link, limit) for link in span.links],
    )


def shortened(what: T, limit: int) -> T:
    """Return a span, an event or a link with at most `limit` attributes of its own."""
    attributes: Mapping[str, Any] = what.attributes
    excess = len(attributes) - limit
    if excess <= 0:
        return what
    # what a decision is found by must not make way for what somebody else has put on its span before
    ranked = sorted(attributes.items(), key=lambda item: not item[0].startswith(OWN))
    kept = dict(islice(ranked, limit))
    return what._replace(attributes=kept, dropped_attributes=what.dropped_attributes + excess)
