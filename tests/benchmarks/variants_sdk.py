"""The OpenTelemetry SDK: as people write it, by somebody who measured, with its own metrics, with fastotel."""

from __future__ import annotations

import importlib
import random
import time
import uuid
from collections.abc import Mapping

from opentelemetry import baggage, context, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from scraped import CachedMetrics, OtelMetrics, PromMetrics
from workload import Input, Settings, order_facts, stages

__all__ = ["Careful", "CarefulEvents", "Fastotel", "SdkMetrics", "Usual", "batching"]

DELAY = 5.0


def batching(settings: Settings) -> BatchSpanProcessor:
    """Return the SDK's batch processor with its exporter."""
    return BatchSpanProcessor(
        OTLPSpanExporter(endpoint=f"{settings.endpoint}/v1/traces"),
        max_queue_size=settings.queue,
        schedule_delay_millis=1_000 * (settings.delay if settings.idle else DELAY),
    )


class _Sdk:
    def __init__(self, settings: Settings) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": "bench"}), shutdown_on_exit=False)
        self.processor = self._processor(settings)
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("bench")

    def _processor(self, settings: Settings) -> SpanProcessor:
        return batching(settings)

    def flush(self) -> None:
        """Deliver."""
        self.processor.force_flush()

    def close(self) -> None:
        """End."""
        self.provider.shutdown()


class Usual(_Sdk):
    """The SDK as people write it: `start_as_current_span`, `set_attribute`, `labels()` each time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.metrics = PromMetrics()

    def seen(self) -> Mapping[str, float] | None:
        """Return what a scrape says."""
        return self.metrics.seen()

    def decide(self, given: Input) -> int:
        """Make one decision."""
        start = time.perf_counter()
        correlation = str(uuid.uuid4())
        token = context.attach(baggage.set_baggage("correlation.id", correlation))
        try:
            with self.tracer.start_as_current_span("decision") as root:
                self._describe(root, given, correlation)
                agree = self._stages(given)
                with self.tracer.start_as_current_span("order") as order:
                    order.set_attribute("order.id", given.order_id)
                    order.set_attribute("order.symbol", given.symbol)
                    order.set_attribute("order.side", given.side)
                    order.set_attribute("order.type", "limit")
                    order.set_attribute("order.quantity", given.quantity)
                    order.set_attribute("order.price", given.price)
                trace_id = format(root.get_span_context().trace_id, "032x")
                self.metrics.usual(given, agree, time.perf_counter() - start, trace_id)
        finally:
            context.detach(token)
        return agree

    def _describe(self, root: trace.Span, given: Input, correlation: str) -> None:
        root.set_attribute("correlation.id", correlation)
        root.set_attribute("symbol", given.symbol)
        root.set_attribute("strategy", given.strategy)
        root.set_attribute("side", given.side)
        root.set_attribute("venue", "binance")
        root.set_attribute("price", given.price)
        root.set_attribute("confidence", given.confidence)
        root.set_attribute("data_age", 0.2)

    def _stages(self, given: Input) -> int:
        for name, facts in stages(given):
            with self.tracer.start_as_current_span(name) as stage:
                for key, value in facts.items():
                    stage.set_attribute(key, value)
        agree = 0
        for name, action, confidence, weight in given.votes:
            with self.tracer.start_as_current_span("vote") as vote:
                vote.set_attribute("model", name)
                vote.set_attribute("action", action)
                vote.set_attribute("confidence", confidence)
                vote.set_attribute("weight", weight)
                if action == given.side:
                    agree += 1
        return agree


class Careful(_Sdk):
    """The SDK by somebody who measured: one context, attributes at the start, no current span, kept children."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.empty = context.Context()
        self._measure(settings)

    def _measure(self, settings: Settings) -> None:
        del settings
        self.metrics = CachedMetrics()

    def seen(self) -> Mapping[str, float] | None:
        """Return what a scrape says."""
        return self.metrics.seen()

    def decide(self, given: Input) -> int:
        """Make one decision."""
        start_span = self.tracer.start_span
        start = time.perf_counter()
        correlation = f"{random.getrandbits(128):032x}"
        around = baggage.set_baggage("correlation.id", correlation, self.empty)
        facts = {"correlation.id": correlation, "symbol": given.symbol, "strategy": given.strategy}
        more: dict[str, str | float] = {"side": given.side, "venue": "binance", "price": given.price}
        root = start_span(
            "decision", around, attributes={**facts, **more, "confidence": given.confidence, "data_age": 0.2}
        )
        around = trace.set_span_in_context(root, around)
        token = context.attach(around)
        try:
            for name, said in stages(given):
                start_span(name, around, attributes=said).end()
            agree = self._vote(root, given, around)
            start_span("order", around, attributes=order_facts(given)).end()
            root.end()
            self._count(given, agree, time.perf_counter() - start, root, around)
        finally:
            context.detach(token)
        return agree

    def _vote(self, root: trace.Span, given: Input, around: context.Context) -> int:
        del root
        agree = 0
        for name, action, confidence, weight in given.votes:
            facts: dict[str, str | float] = {
                "model": name,
                "action": action,
                "confidence": confidence,
                "weight": weight,
            }
            vote = self.tracer.start_span("vote", around, attributes=facts)
            if action == given.side:
                agree += 1
            vote.end()
        return agree

    def _count(self, given: Input, agree: int, seconds: float, root: trace.Span, around: context.Context) -> None:
        del around
        self.metrics.careful(given, agree, seconds, f"{root.get_span_context().trace_id:032x}")


class CarefulEvents(Careful):
    """The same with votes as events of the decision, as ours are."""

    def _vote(self, root: trace.Span, given: Input, around: context.Context) -> int:
        del around
        agree, add = 0, root.add_event
        for name, action, confidence, weight in given.votes:
            add("vote", {"model": name, "action": action, "confidence": confidence, "weight": weight})
            if action == given.side:
                agree += 1
        return agree


class SdkMetrics(Careful):
    """The careful SDK with OpenTelemetry's own metrics, sent by OTLP."""

    def _measure(self, settings: Settings) -> None:
        exporter = OTLPMetricExporter(endpoint=f"{settings.endpoint}/v1/metrics")
        reader = PeriodicExportingMetricReader(
            exporter, export_interval_millis=1_000 * (settings.delay if settings.idle else DELAY)
        )
        self.meters = MeterProvider([reader], shutdown_on_exit=False)
        meter = self.meters.get_meter("bench")
        self.instruments = OtelMetrics(meter.create_counter, meter.create_histogram, meter.create_gauge)

    def _count(self, given: Input, agree: int, seconds: float, root: trace.Span, around: context.Context) -> None:
        del root
        self.instruments.update(given, agree, seconds, around)

    def seen(self) -> Mapping[str, float] | None:
        """Send the metrics: the sink sees them."""
        self.meters.force_flush()
        return None

    def close(self) -> None:
        """End."""
        super().close()
        self.meters.shutdown()


class Fastotel(Careful):
    """The careful SDK with fastotel, which batches, encodes and sends in Rust."""

    def _processor(self, settings: Settings) -> SpanProcessor:
        made: SpanProcessor = importlib.import_module("fastotel").OTLPSpanProcessor(
            endpoint=f"{settings.endpoint}/v1/traces",
            max_queue_size=settings.queue,
            schedule_delay_millis=1_000 * (settings.delay if settings.idle else DELAY),
        )
        return made
