"""The SDK's side of the set-up: provider, propagators, resource. Imported when telemetry is set up, not before."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Protocol
from weakref import ref

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.environment_variables import OTEL_PROPAGATORS
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ares_otel.config import Config
from ares_otel.config.schema import Exporter
from ares_otel.correlation import carriers
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.pipeline.sdk import AresProcessor, AresSampler
from ares_otel.setup.elsewhere import Elsewhere, of_provider

__all__ = ["join_provider", "resource", "use_propagators"]

_joined: list[ref[object]] = []
_flush: list[Callable[[float], bool]] = []
_elsewhere: list[Callable[[], bool]] = []
_replaced: list[TextMapPropagator] = []


class _TakesProcessors(Protocol):
    def add_span_processor(self, processor: AresProcessor) -> None: ...


def resource(config: Config) -> dict[str, str | int]:
    """Return the attributes of the resource: who sends. What the user says of the process and the host wins."""
    service = config.service
    given: dict[str, str | int | None] = {
        "process.pid": os.getpid(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
        "host.name": platform.node(),
        **config.resource_attributes,
        "service.namespace": service.namespace,
        "service.name": service.name,
        "service.instance.id": service.instance_id or str(uuid.uuid4()),
        "service.version": service.version,
        "deployment.environment.name": service.environment,
        "ares.mode": config.mode,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": _version("opentelemetry-api"),
        "telemetry.distro.name": "ares-otel",
        "telemetry.distro.version": _version("ares-otel"),
    }
    return {key: value for key, value in given.items() if value is not None}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # a frozen or copied program has no metadata
        return None


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
        _share(propagator, names)
    except Exception as error:  # noqa: BLE001  `opentelemetry.propagate` raises for what OTEL_PROPAGATORS names
        GUARD.complain("propagators", "environment", f"{error}; other instrumentations carry no context")


def _share(propagator: TextMapPropagator, names: Sequence[str]) -> None:
    """Tell others which formats to use, unless OpenTelemetry has read the same from the environment.

    An application may have set a format of its own in its code; only our own configuration says otherwise.
    """
    from opentelemetry import propagate  # noqa: PLC0415  reads the environment, and raises for an unknown name

    if _replaced:
        propagate.set_global_textmap(_replaced.pop())
    in_environment = os.environ.get(OTEL_PROPAGATORS) or "tracecontext,baggage"
    if set(names) != {name.strip() for name in in_environment.split(",")}:
        _replaced.append(propagate.get_global_textmap())
        propagate.set_global_textmap(propagator)


def join_provider(attributes: Mapping[str, str | int], flush: Callable[[float], bool], ours: Exporter) -> None:
    """Let spans of other instrumentations come to us: through the application's provider, or through one of ours.

    What the application's provider sends to the receiver of `ours` itself is not sent by us as well.
    """
    _flush[:] = [flush]
    provider: object = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        own = TracerProvider(sampler=AresSampler(_sampled), resource=Resource(attributes), shutdown_on_exit=False)
        trace.set_tracer_provider(own)
        provider = own
    _elsewhere[:] = [Elsewhere(ours, of_provider(provider))]
    if any(one() is provider for one in _joined):
        return
    if not hasattr(provider, "add_span_processor"):
        GUARD.complain(
            "setup", "provider", f"{type(provider).__name__} takes no span processor; foreign spans stay there"
        )
        return
    _add(provider)
    _joined.append(ref(provider))  # not a set: a provider need not be hashable, and Logfire's is not


def _add(provider: _TakesProcessors) -> None:
    provider.add_span_processor(AresProcessor(_flush_now, _is_sent_elsewhere))


def _sampled(trace_id: int, parent: bool | None) -> bool:  # noqa: FBT001  three-valued flag of the parent
    return RECORDER.sampled(trace_id, parent)


def _is_sent_elsewhere() -> bool:
    return _elsewhere[0]()


def _flush_now(timeout: float) -> bool:
    return _flush[0](timeout)
