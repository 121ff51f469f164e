"""Lists by filters, newest first: a bounded number of rows is looked at for one page, whatever is asked for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, select

from ares_otel.server.query.asking import LATEST, first_row
from ares_otel.server.query.naming import numbers
from ares_otel.server.story.reader import Reader

__all__ = ["SCANNED", "Bound", "Filter", "Listed", "bounds_of", "listed", "named", "names_of"]

SCANNED: Final = 100_000
"""Rows that are looked at for one page of filters without an index."""

GLANCED: Final = 5_000
"""Rows that are looked at first: most filters find their page there."""

RELATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


class Bound(msgspec.Struct, frozen=True):
    """A comparison with a number."""

    relation: str
    value: float


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions or orders have to be; each name may have several values, of which one has to be true.

    Attributes:
        names: values by field: strategy, symbol, venue, action, regime, status, side, model; as they are spelled, or
            in any case of letters.
        bounds: comparisons by field: confidence, agreement.
        has: what they must have or be: order, fill, rejected, error, open.
        lacks: the same, what they must not have.
        start: earliest time, Unix ns.
        end: time before which, Unix ns.
        cursor: row id before which the page begins.
    """

    names: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    bounds: Mapping[str, tuple[Bound, ...]] = msgspec.field(default_factory=dict)
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    cursor: int | None = None

    @property
    def low(self) -> int:
        """Least row id."""
        return first_row(self.start or 0)

    @property
    def before(self) -> int:
        """First row id that is too late."""
        return min(LATEST if edge is None else edge for edge in (self.end, self.cursor))


class Listed(msgspec.Struct, frozen=True):
    """Rows of a page; `next` is the cursor of the page after, None for the last."""

    rows: Sequence[Any]
    next: str | None = None


def names_of(asked: msgspec.Struct, fields: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the names that the parameters of a request say, by the field that each parameter is of."""
    return {field: (value,) for parameter, field in fields.items() if (value := getattr(asked, parameter)) is not None}


def bounds_of(asked: msgspec.Struct, *fields: str) -> dict[str, tuple[Bound, ...]]:
    """Return the bounds that the parameters `…_min` and `…_max` of a request say."""
    found = {}
    for field in fields:
        edges = ((">=", getattr(asked, f"{field}_min")), ("<=", getattr(asked, f"{field}_max")))
        bounds = tuple(Bound(relation, value) for relation, value in edges if value is not None)
        if bounds:
            found[field] = bounds
    return found


def named(
    reader: Reader, wanted: Filter, match: Callable[[str, list[int]], ColumnElement[bool]]
) -> list[ColumnElement[bool]] | None:
    """Return the names of a filter as conditions; None where one was never seen, so that nothing can match."""
    made = []
    for field, values in wanted.names.items():
        chosen = numbers(reader, field, values)
        if not chosen:
            return None
        made.append(match(field, chosen))
    return made


def listed(
    reader: Reader,
    query: Select[Any],
    wanted: Filter,
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    *,
    indexed: bool = False,
    scanned: int | None = None,
) -> Listed:
    """Return a page of a query whose first column is the row id.

    Args:
        reader: whom to ask.
        query: what is wanted of each row.
        wanted: where the list begins and ends.
        conditions: what rows have to be.
        limit: most rows of a page.
        indexed: whether an index finds the rows, so that no bound is needed.
        scanned: most rows that are looked at, `SCANNED` if not said.
    """
    own = query.selected_columns[0]
    query = query.where(own < wanted.before, *conditions).order_by(own.desc()).limit(limit + 1)
    if indexed or not conditions:
        return _cut(reader.db.execute(query.where(own >= wanted.low)).all(), limit, None)
    page = Listed(())
    for number in (GLANCED, SCANNED if scanned is None else scanned):
        floor = _floor(reader, own, wanted, number)
        found = reader.db.execute(query.where(own >= max(wanted.low, floor or 0))).all()
        page = _cut(found, limit, floor)
        if floor is None or len(found) > limit:
            break
    return page


def _cut(found: Sequence[Any], limit: int, floor: int | None) -> Listed:
    last = found[limit - 1][0] if len(found) > limit else floor
    return Listed(found[:limit], None if last is None else str(last))


def _floor(reader: Reader, own: ColumnElement[Any], wanted: Filter, number: int) -> int | None:
    """Return the row id down to which so many rows go; None where there are not so many."""
    query = select(own).where(own >= wanted.low, own < wanted.before)
    found = reader.db.execute(query.order_by(own.desc()).offset(number - 1).limit(1)).scalar()
    return None if found is None else int(found)
