"""Metrics: facts in, Prometheus exposition out."""

from __future__ import annotations

from ares_otel.metrics.endpoint import Endpoint
from ares_otel.metrics.facade import Metrics, Own
from ares_otel.metrics.sources import Reading, Source, guard_readings

__all__ = ["Endpoint", "Metrics", "Own", "Reading", "Source", "guard_readings"]
