"""Correlations: workflows of one decision and all that follows from it, how they end and how long they take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Integer, case, cast, distinct, func, select

from ares_otel.orders.states import DONE
from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import HOUR, SECOND, Name, Period, ns_of, whole_sum, within
from ares_otel.server.query.naming import number
from ares_otel.server.query.scoring import share
from ares_otel.server.query.trading import done_numbers
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

__all__ = ["TIMEOUT", "Workflows", "WorkflowsAsked", "ended", "status_of", "workflows"]

TIMEOUT: Final = 300.0
"""Seconds after which an order without an end makes its correlation one that timed out."""

Status = Literal["active", "completed", "failed", "timeout"]


class WorkflowsAsked(Period, frozen=True, kw_only=True):
    """Which correlations, by the beginning of their decisions; whole hours of wall time are counted."""

    strategy: Name | None = None
    timeout_seconds: Annotated[
        float, Meta(gt=0.0, le=31_536_000.0, description="age at which an open order makes a correlation time out")
    ] = TIMEOUT


class Workflows(msgspec.Struct, frozen=True, kw_only=True):
    """How correlations ended.

    `failed`: the decision ended in an error. `active`: an order of it is open; `timeout`: it is open, and the decision
    older than the timeout. `success_rate`: completed among those that ended. `average_duration_ms` is that of
    decisions, without the life of their orders.
    """

    total: int
    active: int
    completed: int
    failed: int
    timeout: int
    success_rate: Statistic
    average_duration_ms: float | None
    timeout_seconds: float


def workflows(reader: Reader, asked: WorkflowsAsked) -> Workflows:
    """Count correlations by how they ended; those that are active do not count for the success rate."""
    row = t.stage_hourly.c
    conditions = [*within(row.hour, asked, HOUR), row.component == number(reader, "component", "decision")]
    if asked.strategy is not None:
        conditions.append(row.strategy == number(reader, "strategy", asked.strategy))
    sums = (func.coalesce(whole_sum(column), 0) for column in (row.n, row.errors, row.total_us))
    total, failed, micros = map(int, reader.db.execute(select(*sums).where(*conditions)).one())
    active, late = _open(reader, asked)
    done = max(total - failed - active - late, 0)
    return Workflows(
        total=total,
        active=active,
        completed=done,
        failed=failed,
        timeout=late,
        success_rate=share(done, done + failed + late, "correlations that ended"),
        average_duration_ms=micros / total / 1e3 if total else None,
        timeout_seconds=asked.timeout_seconds,
    )


def _open(reader: Reader, asked: WorkflowsAsked) -> tuple[int, int]:
    """Count decisions that have open orders and did not fail: those within the timeout, and the others."""
    order, decision = t.orders.c, t.decision.c
    late = ns_of(datetime.now(UTC) - timedelta(seconds=asked.timeout_seconds))
    low, high = asked.low // HOUR * HOUR, -(-asked.high // HOUR) * HOUR
    conditions: list[ColumnElement[bool]] = [
        order.decision >= low,
        order.decision < min(high, (1 << 63) - 1),
        func.coalesce(order.status, 0).not_in(done_numbers(reader)),
        decision.error == 0,
    ]
    if low:
        conditions.append(order.id >= low - SECOND)
    if asked.strategy is not None:
        conditions.append(decision.strategy == number(reader, "strategy", asked.strategy))
    young = cast(case((order.decision >= late, 1), else_=0), Integer)
    query = select(young, func.count(distinct(order.decision)))
    query = query.join_from(t.orders, t.decision, decision.id == order.decision).where(*conditions).group_by(young)
    counts = {int(key): int(n) for key, n in reader.db.execute(query)}
    return counts.get(1, 0), counts.get(0, 0)


def ended(story: Story) -> datetime:
    """Return when the last thing of a decision happened that is known."""
    times = [story.start + timedelta(seconds=story.duration_seconds)]
    times += [update.time for order in story.orders for update in order.updates if update.time is not None]
    return max(times)


def status_of(story: Story, timeout_seconds: float = TIMEOUT) -> Status:
    """Return how a correlation ended, or that it did not end yet."""
    told = story.decision
    if told is not None and told.abandoned:
        return "timeout"
    if any(span.failed and span.span_id == story.span_id for span in story.spans):
        return "failed"
    if all(order.status in DONE for order in story.orders):
        return "completed"
    age = (datetime.now(UTC) - story.start).total_seconds()
    return "active" if age <= timeout_seconds else "timeout"
