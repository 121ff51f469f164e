"""The correlation id: made by a decision, found everywhere below it, carried across threads, queues and processes."""

from __future__ import annotations

from ares_otel.correlation.carriers import environment, extract, inject
from ares_otel.correlation.context import correlation_id
from ares_otel.correlation.logs import CorrelationFilter, JsonFormatter, add_correlation

__all__ = [
    "CorrelationFilter",
    "JsonFormatter",
    "add_correlation",
    "correlation_id",
    "environment",
    "extract",
    "inject",
]
