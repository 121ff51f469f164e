"""Names of context propagators: those that come with the API, and those that packages installed."""

from __future__ import annotations

from collections.abc import Iterable

from ares_otel.config.problems import printable

__all__ = ["known_propagators"]

BUILT_IN = frozenset({"baggage", "tracecontext"})
PACKAGES = {
    "b3": "opentelemetry-propagator-b3",
    "b3multi": "opentelemetry-propagator-b3",
    "jaeger": "opentelemetry-propagator-jaeger",
    "ottrace": "opentelemetry-propagator-ot-trace",
    "xray": "opentelemetry-propagator-aws-xray",
}


def _installed(name: str) -> bool:
    from importlib import metadata  # noqa: PLC0415  # slow to import, and seldom asked

    return bool(metadata.entry_points(group="opentelemetry_propagator", name=name))


def known_propagators(names: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the names that can be had here, in their order, and a sentence on each other one."""
    known, complaints = [], []
    for name in names:
        if name in BUILT_IN or _installed(name):
            known.append(name)
        elif name in PACKAGES:
            complaints.append(f"propagator {name} is left out: it needs the package {PACKAGES[name]}")
        else:
            expected = ", ".join(sorted(BUILT_IN | set(PACKAGES)))
            complaints.append(f"propagator {printable(name)!r} is unknown and left out; known are {expected}")
    return tuple(known), complaints
