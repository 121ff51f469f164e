"""What people use instead of the OpenTelemetry SDK: ddtrace, logfire, pytracingx.

They are imported by name: they are in the environment of `make bench` only, and in the process of their variant only.
"""

from __future__ import annotations

import importlib
import os
import random
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scraped import CachedMetrics, OtelMetrics
from workload import BUCKETS, Input, Settings, order_facts, stages

__all__ = ["Ddtrace", "Logfire", "Pytracingx"]

INTERVAL = 1.0


def _root(given: Input, correlation: str) -> dict[str, str | float]:
    facts = {"correlation.id": correlation, "symbol": given.symbol, "strategy": given.strategy, "side": given.side}
    return {**facts, "venue": "binance", "price": given.price, "confidence": given.confidence, "data_age": 0.2}


class Ddtrace:
    """Datadog's tracer, with prometheus_client for the metrics."""

    def __init__(self, settings: Settings) -> None:
        place = urlsplit(settings.endpoint)
        os.environ |= {
            "DD_TRACE_AGENT_URL": f"http://{place.hostname}:{place.port}",
            "DD_TRACE_API_VERSION": "v0.4",
            "DD_TRACE_WRITER_INTERVAL_SECONDS": str(settings.delay if settings.idle else INTERVAL),
            "DD_TRACE_WRITER_BUFFER_SIZE_BYTES": str(1 << 28),
            "DD_TRACE_WRITER_MAX_PAYLOAD_SIZE_BYTES": str(1 << 28),
            **dict.fromkeys(
                (
                    "DD_INSTRUMENTATION_TELEMETRY_ENABLED",
                    "DD_REMOTE_CONFIGURATION_ENABLED",
                    "DD_CRASHTRACKING_ENABLED",
                    "DD_TRACE_STARTUP_LOGS",
                    "DD_TRACE_COMPUTE_STATS",
                ),
                "false",
            ),
        }
        self.tracer: Any = importlib.import_module("ddtrace.trace").tracer
        self.metrics = CachedMetrics()

    def decide(self, given: Input) -> int:
        """Make one decision."""
        trace = self.tracer.trace
        start = time.perf_counter()
        correlation = f"{random.getrandbits(128):032x}"
        with trace("decision") as root:
            root.context.set_baggage_item("correlation.id", correlation)
            _tag(root, _root(given, correlation))
            for name, facts in stages(given):
                with trace(name) as stage:
                    _tag(stage, facts)
            agree = 0
            for name, action, confidence, weight in given.votes:
                with trace("vote") as vote:
                    _tag(vote, {"model": name, "action": action, "confidence": confidence, "weight": weight})
                    if action == given.side:
                        agree += 1
            with trace("order") as order:
                _tag(order, order_facts(given))
            self.metrics.careful(given, agree, time.perf_counter() - start, f"{root.trace_id:032x}")
        return agree

    def flush(self) -> None:
        """Deliver."""
        self.tracer.flush()

    def seen(self) -> Mapping[str, float] | None:
        """Return what a scrape says."""
        return self.metrics.seen()

    def close(self) -> None:
        """End."""
        self.tracer.shutdown(timeout=5)


def _tag(span: Any, facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        if type(value) is str:
            span.set_tag(key, value)
        else:
            span.set_metric(key, value)


class Logfire:
    """Pydantic's logfire, on OpenTelemetry's SDK, sending by OTLP and not to its makers."""

    def __init__(self, settings: Settings) -> None:
        # here, because the SDK is no part of what ddtrace or pytracingx cost
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from variants_sdk import DELAY, batching  # noqa: PLC0415

        logfire: Any = importlib.import_module("logfire")
        self.processor = batching(settings)
        interval = 1_000 * (settings.delay if settings.idle else DELAY)
        exporter = OTLPMetricExporter(endpoint=f"{settings.endpoint}/v1/metrics")
        self.reader = PeriodicExportingMetricReader(exporter, export_interval_millis=interval)
        self.logfire = logfire.configure(
            local=True,
            send_to_logfire=False,
            console=False,
            service_name="bench",
            inspect_arguments=False,
            additional_span_processors=[self.processor],
            metrics=logfire.MetricsOptions(additional_readers=[self.reader]),
        )
        self.set_baggage = logfire.set_baggage
        made = self.logfire
        self.instruments = OtelMetrics(made.metric_counter, made.metric_histogram, made.metric_gauge)

    def decide(self, given: Input) -> int:
        """Make one decision."""
        span = self.logfire.span
        start = time.perf_counter()
        correlation = f"{random.getrandbits(128):032x}"
        with self.set_baggage(correlation_id=correlation), span("decision", **_root(given, correlation)):
            for name, facts in stages(given):
                with span(name, **facts):
                    pass
            agree = 0
            for name, action, confidence, weight in given.votes:
                with span("vote", model=name, action=action, confidence=confidence, weight=weight):
                    if action == given.side:
                        agree += 1
            with span("order", **order_facts(given)):
                pass
            self.instruments.update(given, agree, time.perf_counter() - start)
        return agree

    def flush(self) -> None:
        """Deliver."""
        self.processor.force_flush()

    def seen(self) -> Mapping[str, float] | None:
        """Send the metrics: the sink sees them."""
        self.reader.force_flush()
        return None

    def close(self) -> None:
        """End."""
        self.logfire.shutdown()


class Pytracingx:
    """pytracingx: spans and metrics in Rust, with an API of its own, by OTLP. It has neither baggage nor exemplars."""

    def __init__(self, settings: Settings) -> None:
        self.ptx: Any = importlib.import_module("pytracingx")
        delay = int(1_000 * (settings.delay if settings.idle else 5.0))
        spans = self.ptx.TraceSink(
            endpoint=f"{settings.endpoint}/v1/traces",
            protocol="http/protobuf",
            batch_max_queue=settings.queue,
            batch_schedule_delay_ms=delay,
        )
        metrics = self.ptx.MetricSink(
            endpoint=f"{settings.endpoint}/v1/metrics", protocol="http/protobuf", export_interval_ms=delay
        )
        self.ptx.init(self.ptx.Config(service_name="bench", console_output=False, sinks=[spans, metrics]))
        meter = self.ptx.get_meter("bench")
        self.instruments = OtelMetrics(
            meter.counter,
            lambda name: meter.histogram(name, boundaries=BUCKETS),
            lambda name: _Gauge(meter.gauge(name)),
        )

    def decide(self, given: Input) -> int:
        """Make one decision."""
        span = self.ptx.start_span
        start = time.perf_counter()
        correlation = f"{random.getrandbits(128):032x}"
        with span("decision", _root(given, correlation)):
            for name, facts in stages(given):
                with span(name, facts):
                    pass
            agree = 0
            for name, action, confidence, weight in given.votes:
                with span("vote", {"model": name, "action": action, "confidence": confidence, "weight": weight}):
                    if action == given.side:
                        agree += 1
            with span("order", order_facts(given)):
                pass
            self.instruments.update(given, agree, time.perf_counter() - start)
        return agree

    def flush(self) -> None:
        """Deliver."""
        self.ptx.force_flush()

    def seen(self) -> Mapping[str, float] | None:
        """Send the metrics: the sink sees them."""
        self.ptx.force_flush()
        return None

    def close(self) -> None:
        """End."""
        self.ptx.shutdown()


class _Gauge:
    """A gauge of pytracingx under the name that OpenTelemetry's method has."""

    def __init__(self, made: Any) -> None:
        self.set = made.record
