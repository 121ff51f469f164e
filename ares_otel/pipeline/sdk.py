"""Spans of other people's instrumentations: from OpenTelemetry's SDK into our queue, under our decisions.

The only module beside `setup` that knows the SDK. The processor puts the correlation id on every span that starts
inside a decision (or below a context that carries one) and hands the ended span to the decision, or to the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from ares_otel.correlation import context as ctx
from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, Scope, SpanData
from ares_otel.pipeline.recorder import RECORDER as R

__all__ = ["AresProcessor", "AresSampler", "to_span_data"]

DECISION_ID = "ares.decision.id"
KINDS = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}


def _nowhere() -> bool:
    return False


class _Watch(ref[Span]):
    """Knows the id of a span and whom it belongs to, also when the span is gone without having ended."""

    __slots__ = ("owner", "span_id")

    owner: ctx.Owner
    span_id: int


class AresProcessor(SpanProcessor):
    """Joins the SDK's spans to our decisions and to our sender.

    Args:
        flush: called by `force_flush`; takes seconds, says whether all was delivered.
        elsewhere: tells whether the application itself sends its sampled spans to our receiver.
    """

    def __init__(self, flush: Callable[[float], bool], elsewhere: Callable[[], bool] = _nowhere) -> None:
        self._flush = flush
        self._elsewhere = elsewhere
        # by id, because the SDK hands over a copy of the span at its end
        self._watches: dict[int, _Watch] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the correlation id on the span and remember its decision."""
        with GUARD.shield("sdk processor"):
            context: Mapping[str, Any] = ctx.get() if parent_context is None else parent_context
            correlation = ctx.correlation_id(context)
            if correlation:
                span.set_attribute(ctx.CORRELATION, correlation)
            owner = ctx.owner(context)
            if owner is not None:
                span.set_attribute(DECISION_ID, owner.decision_id)
                self._watch(span, owner)

    def _watch(self, span: Span, owner: ctx.Owner) -> None:
        watch = _Watch(span, self._forget)
        watch.owner, watch.span_id = owner, span.get_span_context().span_id
        self._watches[watch.span_id] = watch

    def _forget(self, watch: _Watch) -> None:
        self._watches.pop(watch.span_id, None)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand the ended span to its decision while that is open, else to the queue."""
        with GUARD.shield("sdk processor"):
            context = span.get_span_context()
            if context is None:
                return
            watch = self._watches.pop(context.span_id, None)
            if context.trace_flags.sampled and self._elsewhere():
                return
            wanted = context.trace_flags.sampled if watch is None else not watch.owner.adopt(span)
            if wanted:
                R.put(span)

    def shutdown(self) -> None:
        """Nothing: `ares_otel.shutdown()` ends the telemetry."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what was recorded."""
        return self._flush(timeout_millis / 1_000)


class AresSampler(Sampler):
    """Records every span below a decision of ours (the decision's own rule keeps or drops it), else asks the head."""

    def __init__(self, head: Callable[[int, bool | None], bool]) -> None:
        self._head = head

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide at the start of a span."""
        del name, kind, links, trace_state
        above = get_current_span(parent_context).get_span_context()
        inside = ctx.owner(ctx.get() if parent_context is None else parent_context) is not None
        parent = above.trace_flags.sampled if above.is_valid else None
        keep = self._head(trace_id, parent)
        decision = Decision.RECORD_AND_SAMPLE if keep else Decision.RECORD_ONLY if inside else Decision.DROP
        return SamplingResult(decision, attributes, above.trace_state if above.is_valid else None)

    def get_description(self) -> str:
        """Return the sampler's name."""
        return "AresSampler"


def to_span_data(item: object) -> tuple[Scope, SpanData] | None:
    """Return a span of the SDK as ours, or None for anything else."""
    own = item.get_span_context() if isinstance(item, ReadableSpan) else None
    if not isinstance(item, ReadableSpan) or own is None:
        return None
    parent, scope = item.parent, item.instrumentation_scope
    start = item.start_time or 0
    return (
        Scope(scope.name, scope.version or "", scope.schema_url or "") if scope else Scope(""),
        SpanData(
            trace_id=own.trace_id,
            span_id=own.span_id,
            parent_id=parent.span_id if parent else 0,
            name=item.name,
            kind=KINDS[item.kind],
            start=start,
            end=item.end_time or start,
            attributes=_plain(item.attributes),
            events=[
                EventData(event.name, event.timestamp, _plain(event.attributes), _lost(event.attributes))
                for event in item.events
            ],
            links=[_link(link) for link in item.links],
            status=item.status.status_code.value,
            message=item.status.description or "",
            trace_state=own.trace_state.to_header() if own.trace_state else "",
            flags=0x100 | (0x200 if parent is not None and parent.is_remote else 0) | int(own.trace_flags),
            dropped_attributes=item.dropped_attributes,
            dropped_events=item.dropped_events,
            dropped_links=item.dropped_links,
        ),
    )


def _link(link: Link) -> LinkData:
    where = link.context
    remote = 0x200 if where.is_remote else 0
    flags = 0x100 | remote | int(where.trace_flags)
    return LinkData(where.trace_id, where.span_id, _plain(link.attributes), flags, _lost(link.attributes))


def _plain(attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a plain dictionary: the SDK's own mapping is iterated in Python, at several times the cost."""
    return dict(attributes) if attributes is not None else {}


def _lost(attributes: object) -> int:
    return int(getattr(attributes, "dropped", 0))
