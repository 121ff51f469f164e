"""How long stages and calls take, who takes most of it, and how often they fail: from roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Table, func, select

from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import HOUR, Moment, Name, Period, clock, whole_sum, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.scoring import share
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "WHOLE",
    "CallTiming",
    "CallsAsked",
    "Histogram",
    "Hour",
    "HoursAsked",
    "StageTiming",
    "Stages",
    "StagesAsked",
    "Timing",
    "calls",
    "hours",
    "stages",
]

WHOLE: Final = "decision"
STEPS: Final = 8
"""Buckets to a doubling: a percentile is right within 4.4 %."""

PERCENTILES: Final = (0.5, 0.9, 0.95, 0.99)
MOST_HOURS: Final = 2_000


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Durations. Percentiles are right within 4.4 %."""

    n: int
    errors: int
    error_rate: Statistic
    mean_seconds: float | None
    p50_seconds: float | None
    p90_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class StagesAsked(Period, frozen=True, kw_only=True):
    """Which stages; whole hours of wall time are counted."""

    strategy: Name | None = None


class StageTiming(msgspec.Struct, frozen=True, kw_only=True):
    """A component's work. `share`: of the time of all components (stages inside stages count in both)."""

    component: str | None
    timing: Timing
    share: float | None


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Whole decisions and their components, slowest first; `bottleneck` is the one that takes most time in all."""

    decisions: Timing
    components: tuple[StageTiming, ...]
    bottleneck: str | None
    decisions_per_second: float | None


class CallsAsked(Period, frozen=True, kw_only=True):
    """Which calls of venues' APIs; whole hours of wall time are counted."""

    venue: Name | None = None
    operation: Name | None = None


class CallTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of an operation of a venue."""

    venue: str | None
    operation: str | None
    timing: Timing


class HoursAsked(Period, frozen=True, kw_only=True):
    """Which hours of decisions, of wall time."""

    strategy: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_HOURS, description="newest hours with decisions")] = 168


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of an hour that begins at `time`."""

    time: Moment | None
    decisions: int
    errors: int
    mean_seconds: float


class Histogram:
    """Durations in buckets."""

    def __init__(self) -> None:
        self.n = 0
        self.errors = 0
        self.total_us = 0
        self._buckets: dict[int, int] = {}

    def add(self, bucket: int, n: int, errors: int, total_us: int) -> None:
        """Add what a bucket holds."""
        self.n += n
        self.errors += errors
        self.total_us += total_us
        self._buckets[bucket] = self._buckets.get(bucket, 0) + n

    def quantile(self, at: float) -> float | None:
        """Return a quantile in seconds; None of nothing."""
        wanted, seen = at * self.n, 0
        for bucket, n in sorted(self._buckets.items()):
            seen += n
            if seen >= wanted and n:
                return float(2.0 ** (bucket / STEPS)) / 1e6
        return None

    def told(self, noun: str) -> Timing:
        """Return what is known of it."""
        p50, p90, p95, p99 = map(self.quantile, PERCENTILES)
        return Timing(
            n=self.n,
            errors=self.errors,
            error_rate=share(self.errors, self.n, noun),
            mean_seconds=self.total_us / self.n / 1e6 if self.n else None,
            p50_seconds=p50,
            p90_seconds=p90,
            p95_seconds=p95,
            p99_seconds=p99,
        )


def stages(reader: Reader, asked: StagesAsked) -> Stages:
    """Return how long decisions and their components take, and which takes most."""
    row = t.stage_hourly.c
    conditions = list(within(row.hour, asked, HOUR))
    if asked.strategy is not None:
        conditions.append(row.strategy == number(reader, "strategy", asked.strategy))
    found = _histograms(reader, t.stage_hourly, (row.component,), conditions)
    told = {key[0]: histogram for key, histogram in found.items()}
    whole = told.pop(WHOLE, Histogram())
    total = sum(each.total_us for each in told.values())
    parts = sorted(told.items(), key=lambda item: -item[1].total_us)
    return Stages(
        decisions=whole.told("decisions"),
        components=tuple(
            StageTiming(component=name, timing=each.told("spans"), share=each.total_us / total if total else None)
            for name, each in parts
        ),
        bottleneck=parts[0][0] if parts and total else None,
        decisions_per_second=_rate(reader, conditions, whole.n),
    )


def calls(reader: Reader, asked: CallsAsked) -> tuple[CallTiming, ...]:
    """Return how long calls of venues take and how often they fail."""
    row = t.call_hourly.c
    conditions = list(within(row.hour, asked, HOUR))
    pairs = (("venue", asked.venue), ("operation", asked.operation))
    conditions += [row[name] == number(reader, name, value) for name, value in pairs if value is not None]
    found = _histograms(reader, t.call_hourly, (row.venue, row.operation), conditions)
    return tuple(
        CallTiming(venue=venue, operation=operation, timing=each.told("calls"))
        for (venue, operation), each in sorted(found.items(), key=lambda item: [word or "" for word in item[0]])
    )


def hours(reader: Reader, asked: HoursAsked) -> tuple[Hour, ...]:
    """Return decisions by hour of wall time, oldest first."""
    row = t.stage_hourly.c
    conditions = [*within(row.hour, asked, HOUR), row.component == number(reader, "component", WHOLE)]
    if asked.strategy is not None:
        conditions.append(row.strategy == number(reader, "strategy", asked.strategy))
    sums = (whole_sum(row.n).label("n"), whole_sum(row.errors).label("errors"), whole_sum(row.total_us).label("us"))
    query = select(row.hour, *sums).where(*conditions).group_by(row.hour).order_by(row.hour.desc())
    rows = reader.db.execute(query.limit(asked.limit)).all()
    return tuple(
        Hour(time=clock(each.hour * HOUR), decisions=each.n, errors=each.errors, mean_seconds=each.us / each.n / 1e6)
        for each in reversed(rows)
    )


def _histograms(
    reader: Reader, table: Table, keys: Sequence[ColumnElement[Any]], conditions: Iterable[ColumnElement[bool]]
) -> Mapping[tuple[str | None, ...], Histogram]:
    row = table.c
    sums = (whole_sum(row.n), whole_sum(row.errors), whole_sum(row.total_us))
    query = select(*keys, row.bucket, *sums).where(*conditions).group_by(*keys, row.bucket)
    rows = reader.db.execute(query).all()
    known = words(reader, (one for each in rows for one in each[: len(keys)]))
    found: dict[tuple[str | None, ...], Histogram] = {}
    for each in reader.walk(rows):
        name = tuple(known.get(one) for one in each[: len(keys)])
        found.setdefault(name, Histogram()).add(*each[len(keys) :])
    return found


def _rate(reader: Reader, conditions: Sequence[ColumnElement[bool]], n: int) -> float | None:
    """Return decisions a second over the hours from the first to the last that had some."""
    row = t.stage_hourly.c
    first, last = reader.db.execute(select(func.min(row.hour), func.max(row.hour)).where(*conditions)).one()
    return n / ((last - first + 1) * 3_600) if n and first is not None else None
