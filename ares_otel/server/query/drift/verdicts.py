"""What a check of a model found: what a list of checks and the state of a model have in common."""

from __future__ import annotations

from typing import Any

import msgspec

from ares_otel.server.query.asking import Moment, clock

__all__ = ["NAMED", "Verdict", "facts_of"]

NAMED = ("kind", "detector", "result", "severity", "reference")
"""Columns that are numbers of names."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check by a detector found.

    `evidence` is the largest statistic in thresholds of its own test, above 1 it has crossed; `effect` is in standard
    deviations of the reference; `episode` and `severity` are those of the one that is open; `bar` counts the bars that
    were compared with this reference, `event_time` is the time of the last of them; `spent` is the chance of any false
    alarm that they have used.
    """

    kind: str | None
    detector: str | None
    result: str | None
    episode: int | None
    severity: str | None
    evidence: float | None
    effect: float | None
    p_value: float | None
    statistic: float | None
    threshold: float | None
    spent: float | None
    tested: int | None
    untestable: int | None
    bar: int | None
    event_time: Moment | None
    version: str | None
    reference: str | None


def facts_of(row: Any, known: dict[int | None, str]) -> dict[str, Any]:
    """Return the fields of a verdict by the row of a check."""
    named = {name: known.get(getattr(row, name)) for name in NAMED}
    plain = {name: getattr(row, name) for name in Verdict.__struct_fields__ if name not in NAMED}
    return {**plain, **named, "event_time": clock(row.event_time)}
