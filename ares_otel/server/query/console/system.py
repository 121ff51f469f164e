"""Latency of components, calls of venues, feeds, and the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import func, select

from ares_otel.server.query.asking import SECOND, row_ns
from ares_otel.server.query.naming import words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Database", "Latency", "calls", "components", "database"]

HOUR: Final = 3_600 * SECOND
STEPS: Final = 8
"""Buckets are powers of two in eight steps, so a quantile is within 4.4 %."""


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
    row = t.stage_hourly.c
    edge = reader.db.execute(select(func.max(row.hour))).scalar()
    if edge is None:
        return ()
    query = select(row.component, row.bucket, func.sum(row.n), func.sum(row.errors), func.sum(row.total_us))
    found = list(reader.db.execute(query.where(row.hour > edge - hours).group_by(row.component, row.bucket)))
    name = words(reader, [each[0] for each in found])
    told = [_latency(name.get(key, "other"), None, part) for key, part in _parts(found, 1).items()]
    return sorted(told, key=lambda each: (each.name != "decision", -each.total))


def calls(reader: Reader, hours: int) -> Sequence[Latency]:
    """Return the calls of venues over the newest hours with data, the most expensive first."""
    row = t.call_hourly.c
    edge = reader.db.execute(select(func.max(row.hour))).scalar()
    if edge is None:
        return ()
    query = select(row.operation, row.venue, row.bucket, func.sum(row.n), func.sum(row.errors), func.sum(row.total_us))
    chosen = query.where(row.hour > edge - hours).group_by(row.operation, row.venue, row.bucket)
    found = list(reader.db.execute(chosen))
    name = words(reader, [number for each in found for number in each[:2]])
    told = [
        _latency(name.get(key[0], "other"), name.get(key[1]), part)
        for key, part in _parts([((each[0], each[1]), *each[2:]) for each in found], 1).items()
    ]
    return sorted(told, key=lambda each: -each.total)


def _parts(found: Iterable[Any], width: int) -> dict[Any, list[tuple[int, int, int, int]]]:
    groups: dict[Any, list[tuple[int, int, int, int]]] = {}
    for each in found:
        bucket, n, errors, total = each[width:]
        groups.setdefault(each[0], []).append((int(bucket), int(n), int(errors or 0), int(total or 0)))
    return groups


def _latency(name: str, place: str | None, part: Sequence[tuple[int, int, int, int]]) -> Latency:
    ordered = sorted(part)
    n = sum(each[1] for each in ordered)
    total = sum(each[3] for each in ordered) / 1e6
    return Latency(
        name, place, n, sum(each[2] for each in ordered), total, *(_at(ordered, n, q) for q in (0.5, 0.95, 0.99))
    )


def _at(ordered: Sequence[tuple[int, int, int, int]], n: int, share: float) -> float:
    seen = 0
    for bucket, number, *_ in ordered:
        seen += number
        if seen >= share * n:
            return float(2 ** (bucket / STEPS)) / 1e6
    return float(2 ** (ordered[-1][0] / STEPS)) / 1e6


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
