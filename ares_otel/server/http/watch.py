"""The server's own metrics, for Prometheus."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ares_otel.semconv import model
from ares_otel.semconv import serving as m

__all__ = ["Reading", "Watch", "free"]

Reading: TypeAlias = Callable[[], Mapping[tuple[str, ...], float] | float | None]
"""Returns a value, values by their labels, or None while it is unknown."""

NAMESPACE: Final = "ares_otel"


class Watch:
    """Counts what the server does, in any thread.

    Attributes:
        requests: by route template, method and status.
        durations: of requests, by route template.
        records: by signal and what became of them.
        commits: durations of transactions.
        failures: transactions that failed.
        messages: of the live stream, by topic.
        dropped: messages that slow clients did not get, by topic.
        prunings: durations of steps of pruning.
        forwardings: durations of requests to InfluxDB.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._sources = _Sources()
        self._registry.register(self._sources)
        ProcessCollector(registry=self._registry)
        self.requests: Counter = self._made(m.REQUESTS)
        self.durations: Histogram = self._made(m.REQUEST_DURATION)
        self.records: Counter = self._made(m.RECORDS)
        self.commits: Histogram = self._made(m.COMMITS)
        self.failures: Counter = self._made(m.COMMIT_FAILURES)
        self.messages: Counter = self._made(m.STREAM_MESSAGES)
        self.dropped: Counter = self._made(m.STREAM_DROPPED)
        self.prunings: Histogram = self._made(m.PRUNE_STEPS)
        self.forwardings: Histogram = self._made(m.FORWARD_DURATION)
        self._made(m.SERVER).info({m.SERVER.label_names[0]: metadata.version(NAMESPACE.replace("_", "-"))})

    def _made(self, metric: model.Metric) -> Any:
        kinds: dict[type[model.Metric], Any] = {model.Counter: Counter, model.Gauge: Gauge}
        if isinstance(metric, model.Histogram):
            return Histogram(
                metric.name, metric.brief, metric.label_names, buckets=metric.buckets, registry=self._registry
            )
        if isinstance(metric, model.Info):
            return Info(metric.name.removesuffix(metric.suffix), metric.brief, registry=self._registry)
        return kinds[type(metric)](metric.name, metric.brief, metric.label_names, registry=self._registry)

    def answered(self, route: str, method: str, status: int | str, seconds: float | None) -> None:
        """Count an answered request; without a duration it was a stream."""
        self.requests.labels(route, method, str(status)).inc()
        if seconds is not None:
            self.durations.labels(route).observe(seconds)

    def stored(self, signal: str, *, stored: int, duplicate: int, refused: int) -> None:
        """Count spans or log records of a commit."""
        for result, number in (("stored", stored), ("duplicate", duplicate), ("refused", refused)):
            if number:
                self.records.labels(signal, result).inc(number)

    def read(self, metric: model.Metric, reading: Reading) -> None:
        """Let a gauge, or a counter that is kept elsewhere, be read when Prometheus asks."""
        self._sources.readings[metric] = reading

    def files(self, database: Path) -> None:
        """Watch the files of an SQLite database."""
        self.read(m.DATABASE_BYTES, lambda: _size(database))
        self.read(m.WAL_BYTES, lambda: _size(database.with_name(f"{database.name}-wal")))
        self.read(m.DISK_FREE, lambda: free(database))

    def route(self) -> Route:
        """Return `/metrics`."""
        return Route("/metrics", self._expose, name="metrics")

    def _expose(self, request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": kind, "vary": "accept"})


class _Sources(Collector):
    def __init__(self) -> None:
        self.readings: dict[model.Metric, Reading] = {}

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for metric, reading in self.readings.items():
            kind = CounterMetricFamily if isinstance(metric, model.Counter) else GaugeMetricFamily
            family = kind(metric.name, metric.brief, labels=metric.label_names)
            found = reading()
            if found is not None:
                for labels, value in found.items() if isinstance(found, Mapping) else [((), found)]:
                    family.add_metric(labels, value)
                yield family


def _size(path: Path) -> float | None:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return None


def free(path: Path) -> float | None:
    """Return the bytes that are free where a file lies, None where that is unknown."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(os.fspath(path.parent)).free
    return None
