"""The targets of a run: what is measured, what it has to be, and whether it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["TARGETS", "Found", "Target", "judged", "remembered", "value_of"]

CONTROL = 0.03
"""By how much the thread beside decisions without telemetry may differ from itself: more is noise above the target."""

Read = Callable[[Mapping[str, Any]], float]


class Target(NamedTuple):
    """A target.

    Attributes:
        group: what is measured.
        name: of the figure.
        read: takes it from the result of a run.
        bound: what it has to be.
        least: it has to be the bound or more; else the bound or less.
        unit: of the figure.
    """

    group: str
    name: str
    read: Read
    bound: float
    least: bool = False
    unit: str = " x"


class Found(NamedTuple):
    """A target with what was measured; None where the run did not measure it.

    Attributes:
        target: what has to be.
        value: what is.
        earlier: what it was in the runs that this one is held against.
    """

    target: Target
    value: float | None
    earlier: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether it is met, None if it is not known."""
        if self.value is None:
            return None
        return self.value >= self.target.bound if self.target.least else self.value <= self.target.bound

    @property
    def apart(self) -> float | None:
        """By which share of the least the runs differ; None for one run."""
        seen = [*self.earlier, *([] if self.value is None else [self.value])]
        return max(seen) / min(seen) - 1 if len(seen) > 1 else None

    @property
    def verdict(self) -> str:
        """The word for it."""
        return {True: "met", False: "NOT MET", None: "not measured"}[self.met]


def value_of(figure: object) -> float:
    """Return a figure, the median of one that has an interval."""
    return float(figure["value"]) if isinstance(figure, Mapping) else float(figure)  # type: ignore[arg-type]


def _at(part: str, variant: str, figure: str) -> Read:
    return lambda result: value_of(result[part][variant][figure])


def _kept(result: Mapping[str, Any]) -> float:
    """Return what the thread keeps in percent; not a number where even decisions without telemetry seem to cost it."""
    kept, control = (value_of(result["beside"][name]["kept"]) for name in ("ours", "nothing"))
    return 100 * kept if abs(1 - control) <= CONTROL else math.nan


def _growth(result: Mapping[str, Any]) -> float:
    found = result["memory"]["ours"]
    return float(found["end_mib"] / found["half_mib"])


def _times(part: str, own: str, **bounds: float) -> list[Target]:
    names = {"careful": "the careful SDK", "usual": "the usual SDK", "ddtrace": "ddtrace", "logfire": "logfire"}
    title = {
        "hot": "hot path, warm",
        "paced": "hot path at 200 decisions/s",
        "flat": "process CPU of a decision",
    }[part]
    title += ", a span for everything" if own == "ours-spans" else ""
    return [
        Target(title, f"{names[name]} to ours", _at(part, name, f"to_{own}"), bound, least=True)
        for name, bound in bounds.items()
    ]


TARGETS = [
    Target("hot path, warm", "ours, net", _at("hot", "ours", "net_us"), 4.0, unit=" µs"),
    *_times("hot", "ours", careful=45, usual=60, ddtrace=40, logfire=250),
    *(
        Target(
            "hot path, warm, with the ring",
            f"to the same without, {how}",
            _at("hot", f"{name}-ring", f"to_{name}"),
            2.0,
        )
        for name, how in (("ours", "ours"), ("ours-blocks", "stages as blocks"))
    ),
    Target("hot path at 200 decisions/s", "ours, p50", _at("paced", "ours", "p50_us"), 45.0, unit=" µs"),
    Target("hot path at 200 decisions/s", "ours, p99", _at("paced", "ours", "p99_us"), 120.0, unit=" µs"),
    *_times("paced", "ours", careful=12, ddtrace=15),
    Target("hot path, warm, a span for everything", "ours, net", _at("hot", "ours-spans", "net_us"), 12.0, unit=" µs"),
    *_times("hot", "ours-spans", careful=15),
    Target("process CPU of a decision", "ours, net", _at("flat", "ours", "net_us"), 32.0, unit=" µs"),
    *_times("flat", "ours", careful=20, ddtrace=7, logfire=60),
    Target("lossless rate", "ours", _at("flat", "ours", "per_second"), 25_000, least=True, unit=" decisions/s"),
    Target("a compute thread beside 300 decisions/s", "keeps of its speed", _kept, 97.0, least=True, unit=" %"),
    Target("encoder", "a declared span", _at("encoder", "compiled", "us"), 1.5, unit=" µs"),
    Target("encoder", "a generic span", _at("encoder", "generic", "us"), 3.0, unit=" µs"),
    Target("import of ares_otel", "CPU", _at("imports", "ours", "cpu_ms"), 150.0, unit=" ms"),
    Target("import of ares_otel", "resident", _at("imports", "ours", "resident_mib"), 35.0, unit=" MiB"),
    Target("memory over a million decisions", "at the end to half way", _growth, 1.01),
]
"""Those of the design, but for delivery and loss (which tests of faults hold) and drift."""


def judged(result: Mapping[str, Any]) -> list[Found]:
    """Return each target with what a run has measured, and what those have that it is held against."""
    earlier = result.get("earlier", [])
    return [
        Found(target, _read(target, result), tuple(run[_key(target)] for run in earlier if _key(target) in run))
        for target in TARGETS
    ]


def remembered(result: Mapping[str, Any]) -> dict[str, float]:
    """Return what a run has measured for each target, for a later run to be held against."""
    return {_key(each.target): each.value for each in judged(result) if each.value is not None}


def _key(target: Target) -> str:
    return f"{target.group}: {target.name}"


def _read(target: Target, result: Mapping[str, Any]) -> float | None:
    try:
        value = target.read(result)
    except KeyError:
        return None
    return None if math.isnan(value) else value
