"""Context across queues, HTTP and processes.

The propagators of `OTEL_PROPAGATORS` (default `traceparent`, `tracestate`, `baggage`) do the work; the correlation id
travels in baggage and, for receivers that know no OpenTelemetry, in `X-Correlation-ID` and `X-Request-ID`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ares_otel.correlation import context as ctx
from ares_otel.correlation.ids import clean_id
from ares_otel.guard import GUARD

__all__ = ["HEADERS", "ambient", "environment", "extract", "inject", "read", "use_propagator"]

HEADERS = ["X-Correlation-ID", "X-Request-ID"]
"""Header names for the correlation id, the first one preferred; `setup()` puts the configured name first."""

# Not `opentelemetry.propagate`: importing that raises when `OTEL_PROPAGATORS` holds an unknown name.
_propagator: list[TextMapPropagator] = [CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])]

ENVIRONMENT = {"TRACEPARENT": "traceparent", "TRACESTATE": "tracestate", "BAGGAGE": "baggage"}


def use_propagator(propagator: TextMapPropagator) -> None:
    """Carry context in this format from now on."""
    _propagator[:] = [propagator]


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current context into a mapping: the headers of a request, the fields of a message."""
    with GUARD.shield("inject"):
        _propagator[0].inject(carrier)
        found = ctx.correlation_id()
        if found:
            carrier.update(dict.fromkeys(HEADERS, found))


def read(carrier: Mapping[str, str]) -> Context:
    """Return the context that a mapping carries, on top of the current one; header names in any case."""
    folded = {str(key).lower(): value for key, value in carrier.items() if isinstance(value, str)}
    context = _propagator[0].extract(folded, Context(ctx.get()))
    if not baggage.get_baggage(ctx.CORRELATION, context):
        given = next((found for name in HEADERS if (found := clean_id(folded.get(name.lower())))), None)
        if given:
            context = baggage.set_baggage(ctx.CORRELATION, given, context)
    return context


@contextmanager
def extract(carrier: Mapping[str, str]) -> Iterator[None]:
    """Make the context that a mapping carries the current one within a `with` block."""
    found = None
    with GUARD.shield("extract"):
        found = read(carrier)
    if found is None:
        yield
        return
    token = ctx.set_(found)
    try:
        yield
    finally:
        with GUARD.shield("extract"):
            ctx.reset(token)


def environment() -> dict[str, str]:
    """Return environment variables that carry the current context into a subprocess (`TRACEPARENT`, `BAGGAGE`)."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return {name: carrier[key] for name, key in ENVIRONMENT.items() if key in carrier}


def ambient(environ: Mapping[str, str] | None = None) -> Context | None:
    """Return the context that this process was started with, if there is one."""
    environ = os.environ if environ is None else environ
    carrier = {key: environ[name] for name, key in ENVIRONMENT.items() if environ.get(name)}
    found: Context | None = None
    with GUARD.shield("environment"):
        found = _propagator[0].extract(carrier, Context()) if carrier else None
    return found or None
