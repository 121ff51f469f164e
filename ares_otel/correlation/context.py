"""The place of a decision in OpenTelemetry's context.

A decision puts three things into one context: itself as the current span, its correlation id as baggage, and itself
under a key of our own, so that it is found again below spans of other instrumentations. The context variable of
OpenTelemetry is used directly where it can be had: `attach()` costs several times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Protocol, cast

from opentelemetry import context as otel_context
from opentelemetry.baggage import _BAGGAGE_KEY as BAGGAGE_KEY
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY as SPAN_KEY

__all__ = [
    "BAGGAGE_KEY",
    "CORRELATION",
    "DECISION_KEY",
    "SPAN_KEY",
    "Owner",
    "Token",
    "correlation_id",
    "get",
    "outside",
    "owner",
    "reset",
    "set_",
]

DECISION_KEY = "ares-otel-decision"
CORRELATION = "ares.correlation.id"


class Owner(Protocol):
    """What other parts may know of the decision that a context belongs to."""

    @property
    def correlation_id(self) -> str:
        """Id of the workflow."""

    @property
    def decision_id(self) -> str:
        """Id of the decision."""

    def adopt(self, item: object) -> bool:
        """Take a finished span or a record as part of the decision; False when the decision has ended."""


class _Detour:
    """The three operations of a context variable, for a context implementation that is no context variable."""

    def get(self) -> Context:
        return otel_context.get_current()

    def set(self, value: Context) -> Token[Context]:
        return otel_context.attach(value)

    def reset(self, token: Token[Context]) -> None:
        otel_context.detach(token)


def _variable() -> ContextVar[Context] | _Detour:
    runtime = getattr(otel_context, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    return cast("ContextVar[Context]", variable) if isinstance(variable, ContextVar) else _Detour()


_current = _variable()
get: Callable[[], Mapping[str, Any]] = _current.get
set_: Callable[[Any], Any] = _current.set
reset: Callable[[Any], None] = _current.reset


@contextmanager
def outside() -> Iterator[None]:
    """Be in no context at all within a `with` block, so that a thread that is started there belongs to nobody."""
    token = set_(Context())
    try:
        yield
    finally:
        reset(token)


def owner(context: Mapping[str, Any] | None = None) -> Owner | None:
    """Return the decision that a context (default: the current one) belongs to."""
    found = (get() if context is None else context).get(DECISION_KEY)
    return cast("Owner | None", found)


def correlation_id(context: Mapping[str, Any] | None = None) -> str | None:
    """Return the correlation id of a context (default: the current one), from the decision or from baggage."""
    context = get() if context is None else context
    decision = context.get(DECISION_KEY)
    if decision is not None:
        return cast("Owner", decision).correlation_id
    baggage = context.get(BAGGAGE_KEY)
    found = baggage.get(CORRELATION) if isinstance(baggage, Mapping) else None
    return str(found) if found else None
