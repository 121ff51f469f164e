"""Requests, spans and errors under the names of the old tracer and correlation manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ares_otel.portfolio.statistic import Statistic
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import Component
from ares_otel.server.query.asking import Moment, Name, Page
from ares_otel.server.query.decisions import DecisionRow, DecisionsAsked, decisions
from ares_otel.server.query.detail import Asked, stories
from ares_otel.server.query.timing import StagesAsked, StageTiming, stages
from ares_otel.server.query.workflows import Status, WorkflowsAsked, ended, status_of, workflows
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import SpanStory, Story

__all__ = [
    "CorrelationAsked",
    "ErrorsAsked",
    "Export",
    "ExportAsked",
    "RequestPerformance",
    "TraceRequest",
    "TraceSpan",
    "TraceStatistics",
    "TracingErrors",
    "TracingPerformance",
    "export",
    "request",
    "statistics",
    "told",
    "tracing_errors",
    "tracing_performance",
]

NOT_STORED: Final = "spans are stored when they end"
COMPONENTS: Final = frozenset(Component)
OTHER: Final = Component.OTHER.value


class TraceSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span of a request; `metadata` are its attributes."""

    span_id: str
    correlation_id: str | None
    component_type: str
    operation_name: str
    start_time: Moment
    end_time: Moment
    duration_ms: float
    status: Literal["completed", "failed"]
    error_message: str | None
    metadata: dict[str, Any]
    parent_span_id: str | None
    child_span_ids: tuple[str, ...]


class RequestPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """What a request took in all and by component, in ms; the bottleneck is the component that took most."""

    total_duration_ms: float
    component_count: int
    component_durations: dict[str, float]
    bottleneck_component: str | None
    error_rate: float | None
    success_rate: float | None


class TraceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and all that followed from it. `error_info` has the exceptions that were recorded."""

    correlation_id: str | None
    decision_id: str | None
    trace_id: str
    request_timestamp: Moment
    response_timestamp: Moment
    status: Status
    component_path: tuple[str, ...]
    spans: tuple[TraceSpan, ...]
    total_duration_ms: float
    error_info: tuple[dict[str, str | None], ...]
    performance_metrics: RequestPerformance
    request_data: dict[str, Any]
    response_data: dict[str, Any]
    metadata: dict[str, Any]


class TracingPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """Performance of all requests: mean duration of a span by component in ms, its share of all time, percentiles."""

    total_duration_ms: float | None
    component_durations: dict[str, float]
    component_shares: dict[str, float]
    bottleneck_component: str | None
    throughput_ops_per_sec: float | None
    error_rate: Statistic
    success_rate: Statistic
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    components: tuple[StageTiming, ...]


class TracingErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Failed decisions, newest first, and failed spans by component."""

    items: tuple[DecisionRow, ...]
    next: str | None
    by_component: dict[str, int]
    error_rate: Statistic


class ErrorsAsked(DecisionsAsked, frozen=True, kw_only=True):
    """Which errors; `status` is that of an error."""

    status: Literal["error"] = "error"


class CorrelationAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which correlation."""

    id: Annotated[str, Meta(min_length=1, max_length=256, description="correlation id, or any other id of a decision")]
    timeout_seconds: Annotated[float, Meta(gt=0.0, le=31_536_000.0)] = 300.0


class TraceStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How requests ended. Those that are active do not count for the success rate."""

    total_requests: int
    active_requests: int
    completed_requests: int
    failed_requests: int
    timeout_requests: int
    active_spans: int | None
    success_rate: float | None
    success_rate_statistic: Statistic
    average_duration_ms: float | None
    tracing_enabled: bool
    correlation_tracking_enabled: bool
    reasons: dict[str, str]


def request(reader: Reader, asked: CorrelationAsked) -> TraceRequest:
    """Tell one correlation with its spans, components and status: the newest decision that the id means."""
    return told(stories(reader, Asked(id=asked.id))[0], asked.timeout_seconds)


def told(story: Story, timeout_seconds: float = 300.0) -> TraceRequest:
    """Return a story as a request."""
    spans = tuple(_spans(story.spans, None, story.correlation_id))
    last = ended(story)
    decided = story.decision
    return TraceRequest(
        correlation_id=story.correlation_id,
        decision_id=story.decision_id,
        trace_id=story.trace_id,
        request_timestamp=story.start,
        response_timestamp=last,
        status=status_of(story, timeout_seconds),
        component_path=tuple(dict.fromkeys(each.component_type for each in spans if each.component_type != OTHER)),
        spans=spans,
        total_duration_ms=(last - story.start) / timedelta(milliseconds=1),
        error_info=tuple({"type": each.type, "message": each.message, "span": each.span} for each in story.exceptions),
        performance_metrics=_performance(story, spans),
        request_data={} if decided is None else {"symbol": decided.symbol, "strategy": decided.strategy},
        response_data={} if decided is None else {"action": decided.action, "confidence": decided.confidence},
        metadata={"service": story.service, "mode": story.mode, "sentence": story.sentence},
    )


def _spans(found: Sequence[SpanStory], parent: str | None, correlation: str | None) -> Iterator[TraceSpan]:
    for span in found:
        yield TraceSpan(
            span_id=span.span_id,
            correlation_id=correlation,
            component_type=_component(span),
            operation_name=span.name,
            start_time=span.start,
            end_time=span.start + timedelta(seconds=span.duration_seconds),
            duration_ms=span.duration_seconds * 1e3,
            status="failed" if span.failed else "completed",
            error_message=span.message or None,
            metadata=span.attributes,
            parent_span_id=parent,
            child_span_ids=tuple(child.span_id for child in span.children),
        )
        yield from _spans(span.children, span.span_id, correlation)


def _component(span: SpanStory) -> str:
    """Return the component that a span says, or is named like."""
    said = span.attributes.get(a.COMPONENT.key)
    word = said if isinstance(said, str) else span.name
    return word if word in COMPONENTS else OTHER


def _performance(story: Story, spans: Sequence[TraceSpan]) -> RequestPerformance:
    durations: dict[str, float] = {}
    for span in spans:
        if span.component_type != OTHER:
            durations[span.component_type] = durations.get(span.component_type, 0.0) + span.duration_ms
    failed = sum(span.status == "failed" for span in spans)
    return RequestPerformance(
        total_duration_ms=story.duration_seconds * 1e3,
        component_count=len(durations),
        component_durations=durations,
        bottleneck_component=max(durations, key=durations.__getitem__, default=None),
        error_rate=failed / len(spans) if spans else None,
        success_rate=1.0 - failed / len(spans) if spans else None,
    )


def tracing_performance(reader: Reader, asked: StagesAsked) -> TracingPerformance:
    """Tell how long requests and their components take, where the time goes, and how often they fail."""
    found = stages(reader, asked)
    whole = found.decisions
    rate = whole.error_rate
    success = msgspec.structs.replace(
        rate,
        value=None if rate.value is None else 1.0 - rate.value,
        low=None if rate.high is None else 1.0 - rate.high,
        high=None if rate.low is None else 1.0 - rate.low,
    )
    named = [(each.component or OTHER, each) for each in found.components]
    return TracingPerformance(
        total_duration_ms=_ms(whole.mean_seconds),
        component_durations={name: (each.timing.mean_seconds or 0.0) * 1e3 for name, each in named},
        component_shares={name: each.share for name, each in named if each.share is not None},
        bottleneck_component=found.bottleneck,
        throughput_ops_per_sec=found.decisions_per_second,
        error_rate=rate,
        success_rate=success,
        p50_ms=_ms(whole.p50_seconds),
        p90_ms=_ms(whole.p90_seconds),
        p95_ms=_ms(whole.p95_seconds),
        p99_ms=_ms(whole.p99_seconds),
        components=found.components,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def tracing_errors(reader: Reader, asked: ErrorsAsked) -> TracingErrors:
    """List failed decisions, and count failed spans by component."""
    page: Page[DecisionRow] = decisions(reader, asked)
    found = stages(reader, StagesAsked(start=asked.start, end=asked.end, strategy=asked.strategy))
    return TracingErrors(
        items=page.items,
        next=page.next,
        by_component={each.component or OTHER: each.timing.errors for each in found.components if each.timing.errors},
        error_rate=found.decisions.error_rate,
    )


def statistics(reader: Reader, asked: WorkflowsAsked) -> TraceStatistics:
    """Count requests by how they ended."""
    found = workflows(reader, asked)
    return TraceStatistics(
        total_requests=found.total,
        active_requests=found.active,
        completed_requests=found.completed,
        failed_requests=found.failed,
        timeout_requests=found.timeout,
        active_spans=None,
        success_rate=found.success_rate.value,
        success_rate_statistic=found.success_rate,
        average_duration_ms=found.average_duration_ms,
        tracing_enabled=True,
        correlation_tracking_enabled=True,
        reasons={
            "active_spans": NOT_STORED,
            **({"success_rate": found.success_rate.reason} if found.success_rate.reason else {}),
        },
    )


class ExportAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported."""

    correlation_id: Annotated[str, Meta(min_length=1, max_length=256, description="or any other id of a decision")]
    format: Literal["json"] = "json"


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """All that is stored of a correlation: its decisions as stories, and as requests."""

    correlation_id: Name
    stories: tuple[Story, ...]
    requests: tuple[TraceRequest, ...]


def export(reader: Reader, asked: ExportAsked) -> Export:
    """Export all that is stored of a correlation."""
    found = stories(reader, Asked(id=asked.correlation_id))
    return Export(correlation_id=asked.correlation_id, stories=found, requests=tuple(map(told, found)))
