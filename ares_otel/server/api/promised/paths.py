"""Where the promised endpoints are."""

from __future__ import annotations

from typing import Final

from ares_otel.server.api.endpoint import Endpoint, endpoint
from ares_otel.server.api.promised import dashboard, drifted, earnings, integration, learned, tracing, tracking
from ares_otel.server.query import judging

__all__ = ["PROMISED"]

PROMISED: Final[tuple[Endpoint, ...]] = (
    endpoint("/metrics/dashboard", dashboard.dashboard, "metrics"),
    endpoint("/metrics/history/{metric_name}", dashboard.metric_history, "metrics"),
    endpoint("/metrics/performance", earnings.earnings, "metrics"),
    endpoint("/metrics/system-health", earnings.health, "metrics"),
    endpoint("/metrics/trading", earnings.analytics, "metrics"),
    endpoint("/tracing/correlation/{id}", tracing.request, "tracing"),
    endpoint("/tracing/performance", tracing.tracing_performance, "tracing"),
    endpoint("/tracing/errors", tracing.tracing_errors, "tracing"),
    endpoint("/tracing/statistics", tracing.statistics, "tracing"),
    endpoint("/correlations/{id}", tracing.request, "tracing"),
    endpoint("/export", tracing.export, "tracing"),
    endpoint("/tracking/ensembles", tracking.ensembles, "tracking"),
    endpoint("/tracking/regimes", tracking.regime_analyses, "tracking"),
    endpoint("/tracking/features", tracking.features, "tracking"),
    endpoint("/tracking/decisions", tracking.paths, "tracking"),
    endpoint("/tracking/behaviors", tracking.model_behaviors, "tracking"),
    endpoint("/tracking/summary", tracking.summary, "tracking"),
    endpoint("/integration/status", integration.status, "integration"),
    endpoint("/integration/metrics", integration.cross_component, "integration"),
    endpoint("/integration/correlations", integration.performance_correlations, "integration"),
    endpoint("/integration/dashboard", integration.unified, "integration"),
    endpoint("/ml/models", learned.ml_models, "ml"),
    endpoint("/ml/drift", drifted.ml_drift, "ml"),
    endpoint("/ml/features", learned.ml_features, "ml"),
    endpoint("/ml/ensembles", learned.ml_ensembles, "ml"),
    endpoint("/ml/summary", learned.ml_summary, "ml"),
    endpoint("/ml/online/{model_id}", learned.ml_online, "ml"),
    endpoint("/ml/retraining", drifted.ml_retraining, "ml"),
    endpoint("/monitoring/drift-alerts", drifted.ml_drift, "monitoring"),
    endpoint("/monitoring/feature-importance/{model_id}", learned.feature_importance, "monitoring"),
    endpoint("/monitoring/online-learning/{model_id}", learned.ml_online, "monitoring"),
    endpoint("/monitoring/ml-tracker-stats", learned.ml_summary, "monitoring"),
    endpoint("/monitoring/retraining-recommendations", drifted.ml_retraining, "monitoring"),
    endpoint("/monitoring/model-comparison", learned.ml_models, "monitoring"),
    endpoint("/monitoring/regime-performance", judging.hits, "monitoring"),
    endpoint("/monitoring/dashboard", integration.unified, "monitoring"),
    endpoint("/reports/schedule", learned.report_schedule, "reports"),
    endpoint("/reports/history", learned.report_history, "reports"),
)
