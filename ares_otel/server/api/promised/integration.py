"""Everything at once, under the names of the old integration manager."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import Table, select

from ares_otel.server.api.promised.dashboard import Dashboard, DashboardAsked, dashboard
from ares_otel.server.api.promised.learned import MonitoringSummary, ReportsAsked, ml_summary, report_history
from ares_otel.server.api.promised.tracing import TraceStatistics, TracingPerformance, statistics, tracing_performance
from ares_otel.server.api.promised.tracking import TrackingSummary, summary
from ares_otel.server.query.asking import Moment
from ares_otel.server.query.comoving import Comoving, ComovingAsked, comoving
from ares_otel.server.query.timing import StagesAsked
from ares_otel.server.query.workflows import Workflows, WorkflowsAsked, workflows
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "CrossComponentMetrics",
    "IntegrationStatus",
    "ReportScheduler",
    "UnifiedDashboard",
    "cross_component",
    "performance_correlations",
    "status",
    "unified",
]

PARTS: Final[dict[str, Table]] = {
    "metrics_dashboard": t.equity,
    "advanced_tracer": t.segment,
    "correlation_manager": t.decision,
    "ml_monitor": t.outcome,
    "report_scheduler": t.report,
    "tracking_system": t.vote_daily,
}
"""What shows that a part has something to work with."""


class IntegrationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether each part has data to work with; `is_integrated` where decisions arrive."""

    is_integrated: bool
    components: dict[str, bool]
    cross_component_tracking: bool
    performance_correlation: bool


class CrossComponentMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics that go across components."""

    workflows: Workflows
    components: TracingPerformance


class ReportScheduler(msgspec.Struct, frozen=True, kw_only=True):
    """State of the report scheduler."""

    is_scheduling: bool
    total_configs: int
    enabled_configs: int
    total_history: int
    email_distribution: bool
    reason: str | None


class UnifiedDashboard(msgspec.Struct, frozen=True, kw_only=True):
    """All parts at once."""

    timestamp: Moment
    integration_status: IntegrationStatus
    cross_component_metrics: CrossComponentMetrics
    performance_correlations: Comoving
    metrics_dashboard: Dashboard
    tracer: TraceStatistics
    correlation: Workflows
    ml_monitor: MonitoringSummary
    report_scheduler: ReportScheduler
    tracking: TrackingSummary


def status(reader: Reader) -> IntegrationStatus:
    """Tell which parts have data to work with."""
    found = {name: reader.db.execute(select(table).limit(1)).first() is not None for name, table in PARTS.items()}
    decided = found["correlation_manager"]
    return IntegrationStatus(
        is_integrated=decided, components=found, cross_component_tracking=decided, performance_correlation=decided
    )


def cross_component(reader: Reader, asked: StagesAsked) -> CrossComponentMetrics:
    """Return how correlations end and which components take how long."""
    return CrossComponentMetrics(
        workflows=workflows(reader, WorkflowsAsked(start=asked.start, end=asked.end, strategy=asked.strategy)),
        components=tracing_performance(reader, asked),
    )


def performance_correlations(reader: Reader, asked: ComovingAsked) -> Comoving:
    """Correlate what components, models and strategies do; nothing is said where data are too few."""
    return comoving(reader, asked)


def unified(reader: Reader) -> UnifiedDashboard:
    """Return everything at once."""
    runs = len(report_history(reader, ReportsAsked(limit=500)).items)
    return UnifiedDashboard(
        timestamp=datetime.now(UTC),
        integration_status=status(reader),
        cross_component_metrics=cross_component(reader, StagesAsked()),
        performance_correlations=comoving(reader, ComovingAsked()),
        metrics_dashboard=dashboard(reader, DashboardAsked()),
        tracer=statistics(reader, WorkflowsAsked()),
        correlation=workflows(reader, WorkflowsAsked()),
        ml_monitor=ml_summary(reader),
        report_scheduler=ReportScheduler(
            is_scheduling=False,
            total_configs=0,
            enabled_configs=0,
            total_history=runs,
            email_distribution=False,
            reason="this server schedules no reports",
        ),
        tracking=summary(reader),
    )
