"""Spans as a tree, whatever their senders made of parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ares_otel.server.story.filling import moment
from ares_otel.server.story.stored import StoredSpan
from ares_otel.server.story.stories import EventStory, SpanStory

__all__ = ["tree"]

SPANS = 2_000
DEPTH = 64
SECOND = 1e9


def tree(spans: Sequence[StoredSpan], start: int) -> tuple[tuple[SpanStory, ...], int]:
    """Return spans as trees by time, and how many were too many.

    Circles are cut where they begin first; below `DEPTH` levels everything hangs on the last one.
    """
    kept = spans[:SPANS]
    return tuple(_grow(kept, start)), len(spans) - len(kept)


def _grow(spans: Sequence[StoredSpan], start: int) -> Iterable[SpanStory]:
    known = {span.span for span in spans}
    below: dict[str, list[StoredSpan]] = {}
    for span in spans:
        below.setdefault(span.parent if span.parent in known else "", []).append(span)
    placed: dict[str, list[StoredSpan]] = {}
    seen: set[str] = set()
    roots = []
    for span in (*below.get("", ()), *spans):
        if span.span not in seen:
            roots.append(span)
            _place(span, below, placed, seen)
    return [_node(span, placed, start) for span in roots]


def _place(
    root: StoredSpan, below: dict[str, list[StoredSpan]], placed: dict[str, list[StoredSpan]], seen: set[str]
) -> None:
    """Decide what hangs where, without recursion: a sender may nest as deep as it likes."""
    seen.add(root.span)
    waiting = [(root, root.span, 1)]
    while waiting:
        span, holder, depth = waiting.pop()
        for child in below.get(span.span, ()):
            if child.span not in seen:
                seen.add(child.span)
                placed.setdefault(holder, []).append(child)
                waiting.append((child, child.span if depth < DEPTH else holder, depth + 1))


def _node(span: StoredSpan, placed: dict[str, list[StoredSpan]], start: int) -> SpanStory:
    children = sorted(placed.get(span.span, ()), key=lambda child: (child.start, child.end))
    return SpanStory(
        name=span.name,
        span_id=span.span,
        scope=span.scope,
        start=moment(span.start),
        offset_seconds=(span.start - start) / SECOND,
        duration_seconds=max(span.end - span.start, 0) / SECOND,
        failed=span.failed,
        message=span.message,
        attributes=span.attributes,
        events=tuple(EventStory(event.name, (event.time - start) / SECOND, event.attributes) for event in span.events),
        children=tuple(_node(child, placed, start) for child in children),
    )
