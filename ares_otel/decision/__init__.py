"""One trading decision: its spans while they run, and what the worker makes of them."""

from __future__ import annotations

from ares_otel.decision.api import current, decision, record, span
from ares_otel.decision.deciding import LiveDecision, LiveOrder
from ares_otel.decision.live import LiveSpan
from ares_otel.decision.own import OwnMetric, metric
from ares_otel.decision.traced import traced
from ares_otel.decision.tracking import (
    record_ensemble_tracking,
    record_model_behavior_tracking,
    record_regime_tracking,
)
from ares_otel.decision.watched import WatchedModel

__all__ = [
    "LiveDecision",
    "LiveOrder",
    "LiveSpan",
    "OwnMetric",
    "WatchedModel",
    "current",
    "decision",
    "metric",
    "record",
    "record_ensemble_tracking",
    "record_model_behavior_tracking",
    "record_regime_tracking",
    "span",
    "traced",
]
