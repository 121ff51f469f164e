"""What questions share: times, pages, and how an answer says that something is not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import BigInteger, ColumnElement, cast, func

from ares_otel.server.store.ids import TEXT_LIMIT

__all__ = [
    "DAY",
    "EPOCH",
    "HOUR",
    "SECOND",
    "Cursor",
    "Moment",
    "Name",
    "NotFoundError",
    "Page",
    "Paged",
    "Period",
    "clock",
    "first_row",
    "last_row",
    "ns_of",
    "row_ns",
    "row_time",
    "whole_sum",
    "within",
]

SECOND: Final = 1_000_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
LATEST: Final = (1 << 63) - 1
SLOT: Final = 1_023
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")

Name = Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
Cursor = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$", description="`next` of the page before")]
Moment = Annotated[datetime, Meta(tz=True)]


class NotFoundError(LookupError):
    """What was asked for is not stored; its text says what."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A range of time. Times are RFC 3339 with a zone."""

    start: Annotated[Moment | None, Meta(description="earliest time, RFC 3339 with a zone")] = None
    end: Annotated[Moment | None, Meta(description="time before which, RFC 3339 with a zone")] = None

    @property
    def low(self) -> int:
        """First Unix ns."""
        return 0 if self.start is None else ns_of(self.start)

    @property
    def high(self) -> int:
        """First Unix ns that is too late."""
        return LATEST if self.end is None else ns_of(self.end)


class Paged(Period, frozen=True, kw_only=True):
    """A page of a list."""

    limit: Annotated[int, Meta(ge=1, le=500, description="most items of a page")] = 50
    cursor: Cursor | None = None

    @property
    def before(self) -> int:
        """Row id before which the page begins."""
        return min(self.high, LATEST if self.cursor is None else int(self.cursor))


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Items, newest first; `next` is the cursor of the page after, null for the last.

    A page may be shorter than its limit, or empty, and have a next one: so much was looked through without a match.
    """

    items: tuple[T, ...]
    next: str | None


def ns_of(moment: datetime) -> int:
    """Return a time in Unix ns, within what tables can hold."""
    return max(0, min((moment - EPOCH) // timedelta(microseconds=1) * 1_000, LATEST))


def clock(unix_ns: int | None) -> datetime | None:
    """Return Unix ns as UTC, to the microsecond; None for None."""
    return None if unix_ns is None else EPOCH + timedelta(microseconds=unix_ns // 1_000)


def row_ns(row: int) -> int:
    """Return the time in a row id, Unix ns, to 1,024 ns."""
    return row & ~SLOT


def first_row(unix_ns: int) -> int:
    """Return the least row id of a time."""
    return unix_ns & ~SLOT


def last_row(unix_ns: int) -> int:
    """Return the greatest row id of a time."""
    return unix_ns | SLOT


def row_time(row: int) -> datetime:
    """Return the time in a row id, to 1,024 ns."""
    return EPOCH + timedelta(microseconds=row_ns(row) // 1_000)


def within(column: ColumnElement[Any], period: Period, unit: int = 1) -> tuple[ColumnElement[bool], ...]:
    """Return conditions of a period on a column that counts units of ns since 1970 (1, an hour, a day)."""
    conditions: list[ColumnElement[bool]] = []
    if period.start is not None:
        conditions.append(column >= period.low // unit)
    if period.end is not None:
        conditions.append(column < -(-period.high // unit))
    return tuple(conditions)


def whole_sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the sum of whole numbers as one; PostgreSQL's own has decimals."""
    return cast(func.sum(column), BigInteger)
