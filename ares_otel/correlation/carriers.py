"""Context across queues, HTTP and processes.

The propagators of `OTEL_PROPAGATORS` (default `traceparent`, `tracestate`, `baggage`) do the work; the correlation id
travels in baggage and, for receivers that know no OpenTelemetry, in `X-Correlation-ID` and `X-Request-ID`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from urllib.parse import quote

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ares_otel.correlation import context as ctx
from ares_otel.correlation.ids import clean_id
from ares_otel.guard import GUARD

__all__ = ["HEADERS", "ambient", "environment", "extract", "inject", "read", "use_propagator"]

HEADERS = ["X-Correlation-ID", "X-Request-ID"]
"""Header names for the correlation id, the first one preferred; `setup()` puts the configured name first."""

# Not `opentelemetry.propagate`: importing that raises when `OTEL_PROPAGATORS` holds an unknown name.
_propagator: list[TextMapPropagator] = [CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])]

PLACES = frozenset({ctx.DECISION_KEY, ctx.SPAN_KEY, ctx.BAGGAGE_KEY})
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
            # a header takes ASCII only, and HTTP clients raise for more; baggage brings the id as it is
            carrier.update(dict.fromkeys(HEADERS, found if found.isascii() else quote(found)))


def read(carrier: Mapping[str, str]) -> Context:
    """Return the context that a mapping carries, on top of the current one; header names in any case.

    A carrier of another workflow leads out of the current decision, and any carrier out of one that has ended (a task
    outlives it, a forked child has a copy of it); one that carries nothing changes nothing.
    """
    folded = {str(key).lower(): value for key, value in carrier.items() if isinstance(value, str)}
    carried = _usable(_propagator[0].extract(folded, Context()))
    if not baggage.get_baggage(ctx.CORRELATION, carried):
        given = next((found for name in HEADERS if (found := clean_id(folded.get(name.lower())))), None)
        if given:
            carried = baggage.set_baggage(ctx.CORRELATION, given, carried)
    around = Context(ctx.get())
    if ctx.DECISION_KEY in around and (_is_other_workflow(carried, around) or _is_over(carried, around)):
        around = Context({key: value for key, value in around.items() if key not in PLACES})
    goods = {**baggage.get_all(around), **baggage.get_all(carried)}
    return Context({**around, **carried, **({ctx.BAGGAGE_KEY: goods} if goods else {})})


def _is_other_workflow(carried: Context, around: Context) -> bool:
    given = baggage.get_baggage(ctx.CORRELATION, carried)
    if given:
        return given != ctx.correlation_id(around)
    there, here = (get_current_span(context).get_span_context() for context in (carried, around))
    return there.is_valid and there.trace_id != here.trace_id


def _is_over(carried: Context, around: Context) -> bool:
    says = ctx.CORRELATION in baggage.get_all(carried) or get_current_span(carried).get_span_context().is_valid
    return says and bool(getattr(ctx.owner(around), "end_at", 0))


def _usable(context: Context) -> Context:
    """Return the context without a correlation id that no header or log line could hold: baggage can say anything."""
    given = baggage.get_baggage(ctx.CORRELATION, context)
    if given is None:
        return context
    cleaned = clean_id(str(given))
    if cleaned is None:
        return baggage.remove_baggage(ctx.CORRELATION, context)
    return context if cleaned == given else baggage.set_baggage(ctx.CORRELATION, cleaned, context)


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
        found = _usable(_propagator[0].extract(carrier, Context())) if carrier else None
    return found or None
