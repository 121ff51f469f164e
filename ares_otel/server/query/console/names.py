"""Names and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from ares_otel.server.query import naming
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["NS", "first", "kinds", "known", "last", "ns", "numbers", "words"]

SLOT = 1_023
NS = 1_000_000_000
"""Nanoseconds of a second."""


def ns(row: int) -> int:
    """Return the time of a row id, Unix ns, to 1,024 ns."""
    return row & ~SLOT


def first(time: int) -> int:
    """Return the least row id of a time, Unix ns."""
    return time & ~SLOT


def last(time: int) -> int:
    """Return the greatest row id of a time, Unix ns."""
    return time | SLOT


def words(reader: Reader, found: Iterable[int | None]) -> dict[int | None, str]:
    """Return the names of some numbers; 0 and None, which mean not said, are in no answer."""
    wanted = {number for number in found if number}
    seen = naming.words(reader, wanted)
    return {number: seen[number] for number in wanted if number in seen}


def numbers(reader: Reader, kind: str, values: Iterable[str]) -> list[int]:
    """Return the numbers of some names, in any case of letters."""
    lower = [value.lower() for value in values]
    query = select(t.name.c.id).where(t.name.c.kind == kind, func.lower(t.name.c.value).in_(lower))
    return [int(number) for (number,) in reader.db.execute(query)]


def kinds(reader: Reader, word: str) -> list[tuple[str, str]]:
    """Return what kinds of names a word is, with its spelling."""
    query = select(t.name.c.kind, t.name.c.value).where(func.lower(t.name.c.value) == word.lower())
    return [(str(kind), str(value)) for kind, value in reader.db.execute(query)]


def known(reader: Reader, kind: str, limit: int = 50) -> Sequence[tuple[int, str]]:
    """Return the names of a kind by alphabet."""
    query = select(t.name.c.id, t.name.c.value).where(t.name.c.kind == kind).order_by(t.name.c.value).limit(limit)
    return [(int(number), str(value)) for number, value in reader.db.execute(query)]
