"""Lists of decisions, newest first. A bounded number of rows is looked at for one page, whatever is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, select

from ares_otel.server.query.asking import Moment, Name, Page, Paged, clock, row_time
from ares_otel.server.query.naming import NOBODY, Words, number, words
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import decision_id
from ares_otel.server.story.reader import Reader

__all__ = ["DecisionRow", "DecisionsAsked", "decision_rows", "decisions"]

SCANNED: Final = 100_000
"""Rows that are looked at for one page of filters without an index."""

NAMED: Final = ("strategy", "symbol", "venue", "action", "regime")

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]


class DecisionsAsked(Paged, frozen=True, kw_only=True):
    """Which decisions."""

    strategy: Name | None = None
    symbol: Name | None = None
    venue: Name | None = None
    action: Name | None = None
    regime: Name | None = None
    confidence_min: Annotated[Ratio | None, Meta(description="least confidence")] = None
    confidence_max: Annotated[Ratio | None, Meta(description="greatest confidence")] = None
    rejected: Annotated[bool | None, Meta(description="with an order that was rejected or denied, or without")] = None
    status: Annotated[Literal["ok", "error"] | None, Meta(description="how the decision's span ended")] = None


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in a list. `rejected` counts its orders that were rejected or denied."""

    decision_id: str
    correlation_id: str | None
    trace_id: str
    time: Moment
    market_time: Moment | None
    strategy: str | None
    symbol: str | None
    venue: str | None
    action: str | None
    regime: str | None
    regime_confidence: float | None
    confidence: float | None
    agreement: float | None
    price: float | None
    duration_seconds: float
    rejected: int
    error: bool


def decisions(reader: Reader, asked: DecisionsAsked) -> Page[DecisionRow]:
    """List decisions by any filter, newest first."""
    conditions = _conditions(reader, asked)
    if conditions is None:
        return Page(items=(), next=None)
    decision = t.decision.c
    floor = _floor(reader, asked) if conditions and not _indexed(asked) else None
    span = (decision.id >= max(asked.low, floor or 0), decision.id < asked.before)
    query = select(decision.id).where(*span, *conditions).order_by(decision.id.desc()).limit(asked.limit)
    found = [int(own) for (own,) in reader.db.execute(query)]
    last = found[-1] if len(found) == asked.limit else floor
    return Page(items=tuple(decision_rows(reader, found)), next=None if last is None else str(last))


def decision_rows(reader: Reader, rows: Sequence[int]) -> list[DecisionRow]:
    """Return decisions by their row ids, newest first."""
    if not rows:
        return []
    found = reader.db.execute(select(t.decision).where(t.decision.c.id.in_(rows)).order_by(t.decision.c.id.desc()))
    listed = found.all()
    known = words(reader, *([getattr(row, name) for row in listed] for name in NAMED))
    return [_row(row, known) for row in listed]


def _conditions(reader: Reader, asked: DecisionsAsked) -> list[ColumnElement[bool]] | None:
    """Return the filters as conditions; None where a name was never seen, so that nothing can match."""
    decision = t.decision.c
    conditions: list[ColumnElement[bool]] = []
    for name in NAMED:
        value = getattr(asked, name)
        if value is not None:
            own = number(reader, name, value)
            if own == NOBODY:
                return None
            conditions.append(decision[name] == own)
    if asked.confidence_min is not None:
        conditions.append(decision.confidence >= asked.confidence_min)
    if asked.confidence_max is not None:
        conditions.append(decision.confidence <= asked.confidence_max)
    if asked.rejected is not None:
        conditions.append(decision.rejected > 0 if asked.rejected else decision.rejected == 0)
    if asked.status is not None:
        conditions.append(decision.error == int(asked.status == "error"))
    return conditions


def _indexed(asked: DecisionsAsked) -> bool:
    return asked.symbol is not None or asked.rejected is True


def _floor(reader: Reader, asked: DecisionsAsked) -> int | None:
    """Return the row id down to which one page looks; None where that is all there is."""
    decision = t.decision.c
    query = select(decision.id).where(decision.id >= asked.low, decision.id < asked.before)
    found = reader.db.execute(query.order_by(decision.id.desc()).offset(SCANNED - 1).limit(1)).scalar()
    return None if found is None else int(found)


def _row(row: Row[Any], known: Words) -> DecisionRow:
    return DecisionRow(
        decision_id=row.decision_id or decision_id(row.trace, row.span),
        correlation_id=row.correlation,
        trace_id=row.trace.hex(),
        time=row_time(row.id),
        market_time=clock(row.event_time),
        **{name: known.get(getattr(row, name)) for name in NAMED},
        regime_confidence=row.regime_confidence,
        confidence=row.confidence,
        agreement=row.agreement,
        price=row.price,
        duration_seconds=row.duration_us / 1e6,
        rejected=row.rejected,
        error=bool(row.error),
    )
