"""Hears of every commit: counts it, and lets the live stream look at it."""

from __future__ import annotations

from collections.abc import Sequence

from ares_otel.server.http.watch import Watch
from ares_otel.server.otlp.decode import Decoded
from ares_otel.server.push.feed import Feed

__all__ = ["Observer"]


class Observer:
    """Stands between the writer and those who want to know of commits; used in the writer's thread."""

    def __init__(self, watch: Watch, feed: Feed) -> None:
        self._watch = watch
        self._feed = feed

    def committed(self, requests: Sequence[Decoded], stored: int, logs: int, seconds: float) -> None:
        """Count what was stored and note what is new."""
        spans = sum(len(entries) for request in requests for entries in request.traces.values())
        records = sum(len(request.logs) for request in requests)
        of_logs = sum(request.rejected for request in requests if request.logs)
        refused = sum(request.rejected for request in requests) - of_logs
        self._watch.stored("traces", stored=stored, duplicate=spans - stored, refused=refused)
        self._watch.stored("logs", stored=logs, duplicate=records - logs, refused=of_logs)
        if spans or records:
            self._watch.commits.observe(seconds)
        self._feed.committed(requests)

    def failed(self) -> None:
        """Count a transaction that failed."""
        self._watch.failures.inc()
