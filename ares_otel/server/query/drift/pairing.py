"""Models and kinds that a table of drift has rows of: looked up one after another by its index, in one statement."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Table, func, select

from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["PAIRS", "paired", "pairs"]

PAIRS: Final = 2_000
"""Models and kinds that are looked at."""


def pairs(reader: Reader, model: str | None = None) -> list[tuple[int, int]]:
    """Return the numbers of models and kinds that are checked: a look-up each, whatever the number of checks."""
    found = paired(t.drift_check, None if model is None else number(reader, "model", model))
    return [(int(own), int(kind)) for own, kind in reader.db.execute(select(found).limit(PAIRS))]


def paired(of: Table, model: int | None = None) -> CTE:
    """Return the numbers of models and kinds of a table in order, of one model where it is given."""
    row = of.c
    first = select(row.model, row.kind).where(row.id == _next(of, 0 if model is None else model, 0, model))
    pair = first.cte("pair", recursive=True)
    following = of.alias("following")
    step = select(following.c.model, following.c.kind).select_from(pair)
    after = _next(of, pair.c.model, pair.c.kind, model)
    return pair.union_all(step.join(following, following.c.id == after))


def _next(of: Table, model: Any, kind: Any, own: int | None) -> ColumnElement[int]:
    """Return the id of a row of the next model and kind: of the same model, or else of another one."""
    row = of.alias("next").c
    further = select(row.id).where(row.model == model, row.kind > kind).order_by(row.kind).limit(1).scalar_subquery()
    if own is not None:
        return further
    other = select(row.id).where(row.model > model, row.kind.is_not(None)).order_by(row.model, row.kind).limit(1)
    return func.coalesce(further, other.scalar_subquery())
