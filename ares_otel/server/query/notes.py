"""Log records of decisions."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import select

from ares_otel.server.query.asking import Moment, Page, Paged, row_time
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import TEXT_LIMIT
from ares_otel.server.story.reader import Reader

__all__ = ["LogRow", "LogsAsked", "logs"]

SCANNED: Final = 50_000


class LogsAsked(Paged, frozen=True, kw_only=True):
    """Which log records."""

    correlation_id: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)] | None = None
    severity_min: Annotated[int, Meta(ge=1, le=24, description="least severity, OTLP's number")] | None = None


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """A log record; `severity` is OTLP's number (9 info, 13 warning, 17 error, 21 fatal)."""

    time: Moment
    severity: int | None
    logger: str | None
    body: str | None
    correlation_id: str | None
    trace_id: str | None
    span_id: str | None
    attributes: dict[str, Any]


def logs(reader: Reader, asked: LogsAsked) -> Page[LogRow]:
    """List log records, newest first; of one correlation if that is said."""
    row = t.log.c
    conditions = [row.id >= asked.low, row.id < asked.before]
    floor = None
    if asked.correlation_id is not None:
        conditions.append(row.correlation == asked.correlation_id)
    elif asked.severity_min is not None:
        deep = select(row.id).where(*conditions).order_by(row.id.desc()).offset(SCANNED - 1).limit(1)
        floor = reader.db.execute(deep).scalar()
        conditions.append(row.id >= (floor or 0))
    if asked.severity_min is not None:
        conditions.append(row.severity >= asked.severity_min)
    rows = reader.db.execute(select(t.log).where(*conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    last = rows[-1].id if len(rows) == asked.limit else floor
    found = tuple(
        LogRow(
            time=row_time(each.id),
            severity=each.severity,
            logger=each.logger,
            body=each.body,
            correlation_id=each.correlation,
            trace_id=each.trace.hex() if each.trace else None,
            span_id=each.span.hex() if each.span else None,
            attributes=_map(each.attributes),
        )
        for each in rows
    )
    return Page(items=found, next=None if last is None else str(last))


def _map(data: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
