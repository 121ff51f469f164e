"""Search by any id, or by any attribute of spans; attributes have no index: a bounded number is looked through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import select

from ares_otel.server.query.asking import Moment, Page, Paged, clock
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stored import StoredSpan, Wanted

__all__ = ["AttributesAsked", "Found", "FoundSpan", "SearchAsked", "attributes", "search"]

SEGMENTS: Final = 500
"""Segments that are unpacked for one page, each of up to 64 kB of spans."""

BATCH: Final = 100
MICROSECOND: Final = 1_000


class SearchAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for."""

    q: Annotated[
        str,
        Meta(min_length=1, max_length=TEXT_LIMIT, description="correlation, order, trace or decision id"),
    ]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A decision (or a trace without one) that an id means."""

    sentence: str
    time: Moment
    decision_id: str | None
    correlation_id: str | None
    trace_id: str
    client_ids: tuple[str, ...]


class AttributesAsked(Paged, frozen=True, kw_only=True):
    """Which spans; the period is that of their arrival."""

    attribute: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT, description="name of an attribute")]
    value: Annotated[str, Meta(max_length=TEXT_LIMIT, description="its value as text, exactly")]
    limit: Annotated[
        int, Meta(ge=1, le=100, description="items after which a page ends; what lies in one segment is not parted")
    ] = 20


class FoundSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span with the attribute, on itself or on one of its events."""

    trace_id: str
    span_id: str
    name: str
    time: Moment | None
    correlation_id: str | None
    attributes: dict[str, Any]


def search(reader: Reader, asked: SearchAsked) -> tuple[Found, ...]:
    """Find decisions by any of their ids, newest first; empty if nothing is known of it."""
    return tuple(
        Found(
            sentence=story.sentence,
            time=story.start,
            decision_id=story.decision_id,
            correlation_id=story.correlation_id,
            trace_id=story.trace_id,
            client_ids=tuple(order.client_id for order in story.orders),
        )
        for story in reader.find(asked.q)
    )


def attributes(reader: Reader, asked: AttributesAsked) -> Page[FoundSpan]:
    """Find spans by any attribute, newest arrival first.

    So many segments are looked through for one page; where `next` is not null it goes on from there.
    """
    found: list[FoundSpan] = []
    last = min(asked.high // MICROSECOND + 1, asked.before if asked.cursor is not None else asked.high)
    seen = 0
    wanted = _holding(asked)
    while seen < SEGMENTS and len(found) < asked.limit:
        batch = _segments(reader, asked.low // MICROSECOND, last)
        if not batch:
            return Page(items=tuple(found), next=None)
        for segment in batch:
            spans = sorted(reader.in_segment(segment, wanted), key=lambda span: -span.start)
            found += _matching(spans, asked)
            last, seen = segment, seen + 1
            if len(found) >= asked.limit:
                break
    return Page(items=tuple(found), next=str(last))


def _segments(reader: Reader, low: int, before: int) -> list[int]:
    row = t.segment.c
    query = select(row.id).where(row.id >= low, row.id < before).order_by(row.id.desc()).limit(BATCH)
    return [int(own) for (own,) in reader.db.execute(query)]


def _holding(asked: AttributesAsked) -> Wanted:
    """Return a test that is quick and may say yes too often: the name of the attribute is in the bytes."""
    name = asked.attribute.encode("utf-8", "replace")
    return lambda _, raw: name in raw


def _matching(spans: Sequence[StoredSpan], asked: AttributesAsked) -> Iterator[FoundSpan]:
    for span in spans:
        if any(_is(told.get(asked.attribute), asked.value) for told in _told(span)):
            yield FoundSpan(
                trace_id=span.trace,
                span_id=span.span,
                name=span.name,
                time=clock(span.start),
                correlation_id=span.text("ares.correlation.id"),
                attributes=span.attributes,
            )


def _told(span: StoredSpan) -> Iterable[dict[str, Any]]:
    return (span.attributes, *(event.attributes for event in span.events), span.resource)


def _is(found: object, value: str) -> bool:
    match found:
        case None:
            return False
        case bool():
            return value == ("true" if found else "false")
        case _:
            return str(found) == value
