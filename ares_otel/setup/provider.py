"""The SDK's side of the set-up: provider, propagators, resource. Imported when telemetry is set up, not before."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Protocol
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ares_otel.config import Config
from ares_otel.correlation import carriers
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.pipeline.sdk import AresProcessor, AresSampler

__all__ = ["join_provider", "resource", "use_propagators"]

_joined: WeakSet[object] = WeakSet()
_flush: list[Callable[[float], bool]] = []


class _TakesProcessors(Protocol):
    def add_span_processor(self, processor: AresProcessor) -> None: ...


def resource(config: Config) -> dict[str, str | int]:
    """Return the attributes of the resource: who sends."""
    service = config.service
    given: dict[str, str | int | None] = {
        **config.resource_attributes,
        "service.namespace": service.namespace,
        "service.name": service.name,
        "service.instance.id": service.instance_id or str(uuid.uuid4()),
        "service.version": service.version,
        "deployment.environment.name": service.environment,
        "ares.mode": config.mode,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": metadata.version("opentelemetry-api"),
        "telemetry.distro.name": "ares-otel",
        "telemetry.distro.version": metadata.version("ares-otel"),
        "process.pid": os.getpid(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
        "host.name": platform.node(),
    }
    return {key: value for key, value in given.items() if value is not None}


def use_propagators(names: Sequence[str]) -> None:
    """Carry context in these formats, here and in the instrumentations of others."""
    known: dict[str, TextMapPropagator] = {
        "tracecontext": TraceContextTextMapPropagator(),
        "baggage": W3CBaggagePropagator(),
    }
    for entry in metadata.entry_points(group="opentelemetry_propagator"):
        if entry.name in names and entry.name not in known:
            with GUARD.shield("propagators"):
                known[entry.name] = entry.load()()
    propagator = CompositePropagator([known[name] for name in names if name in known])
    carriers.use_propagator(propagator)
    try:
        from opentelemetry import propagate  # noqa: PLC0415  raises for an unknown name in OTEL_PROPAGATORS
    except ValueError as error:
        GUARD.complain("propagators", "environment", f"{error}; other instrumentations carry no context")
    else:
        propagate.set_global_textmap(propagator)


def join_provider(attributes: Mapping[str, str | int], flush: Callable[[float], bool]) -> None:
    """Let spans of other instrumentations come to us: through the application's provider, or through one of ours."""
    _flush[:] = [flush]
    provider: object = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        own = TracerProvider(sampler=AresSampler(_sampled), resource=Resource(attributes), shutdown_on_exit=False)
        trace.set_tracer_provider(own)
        provider = own
    if provider in _joined:
        return
    if not hasattr(provider, "add_span_processor"):
        GUARD.complain(
            "setup", "provider", f"{type(provider).__name__} takes no span processor; foreign spans stay there"
        )
        return
    _add(provider)
    _joined.add(provider)


def _add(provider: _TakesProcessors) -> None:
    provider.add_span_processor(AresProcessor(_flush_now))


def _sampled(trace_id: int, parent: bool | None) -> bool:  # noqa: FBT001  three-valued flag of the parent
    return RECORDER.sampled(trace_id, parent)


def _flush_now(timeout: float) -> bool:
    return _flush[0](timeout)
