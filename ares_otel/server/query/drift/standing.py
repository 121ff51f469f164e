"""Episodes as they stood at a moment, of all models by a few statements, however many of them are watched."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import CTE, ColumnElement, Select, and_, bindparam, literal, not_, or_, select

from ares_otel.semconv.enums import DriftState
from ares_otel.server.query.asking import last_row
from ares_otel.server.query.drift.episodes import DriftEpisode, end_of, told
from ares_otel.server.query.drift.pairing import PAIRS, paired
from ares_otel.server.query.drift.states import OWN
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.store.columns import BIG
from ares_otel.server.story.reader import Reader

__all__ = ["When", "episodes_at"]

NEWEST: Final = 8
"""Episodes of a model and kind that are looked at: the last alarms before a moment, and the first ones after it."""
MOMENT: Final = bindparam("moment", type_=BIG)


class When(NamedTuple):
    """A moment in Unix ns: by the clock on the wall, and, where history is replayed, by the bars."""

    wall: int
    market: int | None

    @property
    def bars(self) -> int:
        """Time of the bars."""
        return self.wall if self.market is None else self.market


def episodes_at(reader: Reader, when: When) -> list[tuple[DriftEpisode, bool]]:
    """Return the episodes that were not over at a moment, and whether their alarm had been raised by then.

    Of those whose alarm came later, the ones are meant that had changed by then, or of which nobody knows when.
    """
    replay, known = when.market is not None, {"bars": when.bars}
    known["moment"] = last_row(when.wall) if when.market is None else when.market
    known |= {state.value: number(reader, "state", state) for state in DriftState}
    known |= {"own": number(reader, "detector", OWN)}
    before, after = (reader.db.execute(each(replay), known).all() for each in (_begun, _next))
    return [(each, at < len(before)) for at, each in enumerate(told(reader, [*before, *after]))]


@cache
def _begun(replay: bool) -> Select[Any]:  # noqa: FBT001  a key of the cache
    """Return what finds the starts of episodes that were open, as far as was said."""
    walked, start = _walk(replay=replay, later=False), t.drift_episode.alias("start")
    end, check = t.drift_episode.alias("end"), t.drift_check.alias("newest")
    found = select(start).join(walked, walked.c.id == start.c.id)
    found = found.outerjoin(end, end.c.id == end_of(start.c))
    found = found.outerjoin(check, check.c.id == _last_check(start.c, end.c, replay=replay))
    # a bot that was killed says no end of its episodes; its next check does
    agrees = and_(check.c.episode.is_not(None), check.c.reference.is_not_distinct_from(start.c.reference))
    not_over = or_(end.c.id.is_(None), _said(end.c, replay=replay, later=True))
    return found.where(not_over, or_(check.c.id.is_(None), agrees)).order_by(start.c.id)


@cache
def _next(replay: bool) -> Select[Any]:  # noqa: FBT001  a key of the cache
    """Return what finds the starts of episodes that came afterwards, where it may have changed before."""
    walked, start = _walk(replay=replay, later=True), t.drift_episode.alias("start")
    changed = or_(start.c.since <= bindparam("bars", type_=BIG), start.c.since.is_(None))
    return select(start).join(walked, walked.c.id == start.c.id).where(changed).order_by(start.c.id)


def _walk(*, replay: bool, later: bool) -> CTE:
    """Return the ids of the starts of each model and kind that are nearest to the moment, a look-up each."""
    row = t.drift_episode.alias("nearest").c

    def nearest(of: Any, *beyond: ColumnElement[bool]) -> ColumnElement[int]:
        own = row.model == of.model, row.kind == of.kind, row.state == bindparam(DriftState.STARTED.value)
        query = select(row.id).where(*own, _said(row, replay=replay, later=later), *beyond)
        return query.order_by(row.id if later else row.id.desc()).limit(1).scalar_subquery()

    pair = select(paired(t.drift_episode)).limit(PAIRS).subquery("watched")
    walk = select(pair, nearest(pair.c).label("id"), literal(1).label("place")).cte("walk", recursive=True)
    further = nearest(walk.c, row.id > walk.c.id if later else row.id < walk.c.id)
    step = select(walk.c.model, walk.c.kind, further, walk.c.place + 1)
    return walk.union_all(step.where(walk.c.id.is_not(None), walk.c.place < NEWEST))


def _last_check(start: Any, end: Any, *, replay: bool) -> ColumnElement[int]:
    """Return the id of our detector's newest check between an alarm and the moment."""
    row = t.drift_check.alias("check_then").c
    own = row.model == start.model, row.kind == start.kind, row.detector == bindparam("own")
    during = row.id > start.id, or_(end.id.is_(None), row.id < end.id), _said(row, replay=replay, later=False)
    return select(row.id).where(*own, *during).order_by(row.id.desc()).limit(1).scalar_subquery()


def _said(row: Any, *, replay: bool, later: bool) -> ColumnElement[bool]:
    """Return the condition that a row was said by the moment, or only later."""
    # what is said of a bar is not known yet to the decision that sees this bar
    before: ColumnElement[bool] = row.event_time < MOMENT if replay else row.id <= MOMENT
    return not_(before) if later else before
