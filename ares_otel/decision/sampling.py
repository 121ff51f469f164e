"""Which decisions are traced: OpenTelemetry's head samplers, and our rule on top.

A decision that sends an order, fails, or is slow is always traced, whatever the head sampler said; its spans stay in
this process until it has ended, so nothing of it is lost by that. Metrics count every decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ares_otel.decision.deciding import OpenDecision
from ares_otel.guard import GUARD

__all__ = ["KeepRule", "Sampler", "head_sampler"]

Sampler = Callable[[int, "bool | None"], bool]
LOW_64 = (1 << 64) - 1


def head_sampler(name: str, ratio: float = 1.0) -> Sampler:
    """Return a head sampler by its name in `OTEL_TRACES_SAMPLER`.

    Args:
        name: always_on, always_off, traceidratio or one of them with `parentbased_` in front.
        ratio: share of traces that a `traceidratio` sampler keeps, 0..1, by the trace id's right half as in the SDK.
    """
    bound = round(ratio * (LOW_64 + 1))
    roots: dict[str, Sampler] = {
        "always_on": lambda trace, parent: True,  # noqa: ARG005
        "always_off": lambda trace, parent: False,  # noqa: ARG005
        "traceidratio": lambda trace, parent: trace & LOW_64 < bound,  # noqa: ARG005
    }
    stem = name.removeprefix("parentbased_")
    root = roots.get(stem)
    if root is None:
        GUARD.complain("sampler", name, f"unknown sampler {name!r}; every decision is traced")
        root = roots["always_on"]
    if stem == name:
        return root
    return lambda trace, parent: root(trace, None) if parent is None else parent


class KeepRule(NamedTuple):
    """Our rule on top of the head sampler; `slow` in seconds."""

    slow: float
    orders: bool = True
    errors: bool = True

    def keeps(self, live: OpenDecision) -> bool:
        """Tell whether the trace of an ended decision is exported."""
        return (
            (self.orders and live.orders)
            or (self.errors and live.rest.error is not None)
            or live.end_at - live.start >= self.slow * 1e9
            or live.is_sampled
        )
