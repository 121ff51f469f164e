"""Log records of a decision, by its correlation id."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import SLOT
from ares_otel.server.story.cases import Case
from ares_otel.server.story.filling import moment
from ares_otel.server.story.stories import LogStory

__all__ = ["LOGS", "logged"]

LOGS: Final = 200
SECOND: Final = 1e9


def logged(db: Connection, case: Case, others: Container[str]) -> tuple[LogStory, ...]:
    """Return what was logged under the correlation of a case, the newest `LOGS` by time.

    Where several decisions share a correlation, each is told without what was logged in the traces of the `others`.
    """
    correlation = case.correlation_id
    if correlation is None:
        return ()
    row = t.log.c
    query = select(t.log).where(row.correlation == correlation).order_by(row.id.desc()).limit(LOGS)
    told = [_story(each, case.first.start) for each in reversed(db.execute(query).all())]
    return tuple(each for each in told if each.trace_id not in others or each.trace_id == case.first.trace)


def _story(row: Any, start: int) -> LogStory:
    time = row.id & ~SLOT
    return LogStory(
        time=moment(time),
        offset_seconds=(time - start) / SECOND,
        severity=row.severity,
        logger=row.logger,
        body=row.body,
        trace_id=bytes(row.trace).hex() if row.trace else None,
        span_id=bytes(row.span).hex() if row.span else None,
        attributes=msgspec.json.decode(row.attributes, type=dict[str, Any]) if row.attributes else {},
    )
