"""Latency of components, calls of venues, feeds, and the database itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select

from ares_otel.server.query.asking import HOUR, clock, row_ns
from ares_otel.server.query.timing import WHOLE, CallsAsked, StagesAsked, Timing, stages
from ares_otel.server.query.timing import calls as timed_calls
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Database", "Latency", "calls", "components", "database"]


class Latency(msgspec.Struct, frozen=True):
    """Durations in seconds of `n` runs, `errors` of which failed; quantiles within 4.4 %."""

    name: str
    place: str | None
    n: int
    errors: int
    total: float
    p50: float
    p95: float
    p99: float


class Database(msgspec.Struct, frozen=True):
    """What the database holds."""

    kind: str
    revision: str
    size: int | None
    decisions: int
    oldest: int | None
    newest: int | None
    arrived: int | None


def components(reader: Reader, hours: int) -> Sequence[Latency]:
    """Return the latency of each component over the newest hours with data, the whole decision first."""
    edge = reader.db.execute(select(func.max(t.stage_hourly.c.hour))).scalar()
    if edge is None:
        return ()
    found = stages(reader, StagesAsked(start=_start(edge, hours)))
    parts = [_latency(each.component or "other", None, each.timing) for each in found.components]
    return [_latency(WHOLE, None, found.decisions), *parts] if found.decisions.n else parts


def calls(reader: Reader, hours: int) -> Sequence[Latency]:
    """Return the calls of venues over the newest hours with data, the most expensive first."""
    edge = reader.db.execute(select(func.max(t.call_hourly.c.hour))).scalar()
    if edge is None:
        return ()
    found = timed_calls(reader, CallsAsked(start=_start(edge, hours)))
    told = [_latency(each.operation or "other", each.venue, each.timing) for each in found]
    return sorted(told, key=lambda each: -each.total)


def _start(edge: int, hours: int) -> datetime | None:
    return clock((edge - hours + 1) * HOUR)


def _latency(name: str, place: str | None, found: Timing) -> Latency:
    # of an hour's sums there is at least one run, so that nothing is absent
    p50, p95, p99 = (each or 0.0 for each in (found.p50_seconds, found.p95_seconds, found.p99_seconds))
    return Latency(name, place, found.n, found.errors, (found.mean_seconds or 0.0) * found.n, p50, p95, p99)


def database(reader: Reader) -> Database:
    """Return what the database holds; totals come from roll-ups."""
    row = t.decision.c
    # two questions: for both at once SQLite would read the whole table
    low = reader.db.execute(select(func.min(row.id))).scalar()
    high = reader.db.execute(select(func.max(row.id))).scalar()
    total = reader.db.execute(select(func.sum(t.hourly.c.n))).scalar()
    arrived = reader.db.execute(select(func.max(t.segment.c.id))).scalar()
    return Database(
        kind=reader.db.dialect.name,
        revision=t.REVISION,
        size=_size(reader),
        decisions=int(total or 0),
        oldest=None if low is None else row_ns(int(low)),
        newest=None if high is None else row_ns(int(high)),
        arrived=None if arrived is None else int(arrived) * 1_000,
    )


def _size(reader: Reader) -> int | None:
    if reader.db.dialect.name == "sqlite":
        pages = reader.db.exec_driver_sql("PRAGMA page_count").scalar()
        return int(pages or 0) * int(reader.db.exec_driver_sql("PRAGMA page_size").scalar() or 0)
    found = reader.db.execute(select(func.pg_database_size(func.current_database()))).scalar()
    return None if found is None else int(found)
