"""Names and their numbers: tables hold numbers of `name` for texts that repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, func, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import bounded
from ares_otel.server.story.reader import Reader

__all__ = ["NOBODY", "Words", "kinds", "known", "listed", "number", "numbers", "words"]

NOBODY = -1
"""A number that no name has."""

Words = dict[int | None, str]

_KNOWN: WeakKeyDictionary[Reader, Words] = WeakKeyDictionary()
_NUMBERS: WeakKeyDictionary[Reader, dict[tuple[str, str], int]] = WeakKeyDictionary()
OWN_NUMBER: Final = select(t.name.c.id).where(t.name.c.kind == bindparam("kind"), t.name.c.value == bindparam("value"))
REMEMBERED = 20_000


def words(reader: Reader, *columns: Iterable[Any]) -> Words:
    """Return the names of the numbers in some columns; None and 0 (not said) have none, so `get` gives None for them.

    A name never changes its number, so a reader remembers those that it has seen.
    """
    known = _KNOWN.setdefault(reader, {})
    if len(known) > REMEMBERED:
        # a new one: others may still look into the old one
        known = _KNOWN[reader] = {}
    missing = sorted({one for column in columns for one in column if one} - known.keys())
    for at in range(0, len(missing), 500):
        query = select(t.name.c.id, t.name.c.value).where(t.name.c.id.in_(missing[at : at + 500]))
        known.update((int(own), str(value)) for own, value in reader.db.execute(query))
    return known


def number(reader: Reader, kind: str, value: str) -> int:
    """Return the number of a name, `NOBODY` for one that was never seen; those that were seen are remembered."""
    known = _NUMBERS.setdefault(reader, {})
    if len(known) > REMEMBERED:
        known.clear()
    found = known.get((kind, value))
    if found is None:
        found = reader.db.execute(OWN_NUMBER, {"kind": kind, "value": bounded(value)}).scalar()
        if found is None:
            return NOBODY
        known[kind, value] = int(found)
    return int(found)


def numbers(reader: Reader, kind: str, values: Iterable[str]) -> list[int]:
    """Return the numbers of some names: as they are spelled, or else in any case of letters."""
    found: list[int] = []
    for value in values:
        own = number(reader, kind, value)
        if own == NOBODY:
            query = select(t.name.c.id).where(t.name.c.kind == kind, func.lower(t.name.c.value) == value.lower())
            found += (int(each) for (each,) in reader.db.execute(query))
        else:
            found.append(own)
    return found


def kinds(reader: Reader, word: str) -> list[tuple[str, str]]:
    """Return what kinds of names a word is, with its spelling."""
    query = select(t.name.c.kind, t.name.c.value).where(func.lower(t.name.c.value) == word.lower())
    return [(str(kind), str(value)) for kind, value in reader.db.execute(query)]


def known(reader: Reader, kind: str, limit: int = 50) -> Sequence[tuple[int, str]]:
    """Return the names of a kind with their numbers, by alphabet."""
    query = select(t.name.c.id, t.name.c.value).where(t.name.c.kind == kind).order_by(t.name.c.value).limit(limit)
    return [(int(own), str(value)) for own, value in reader.db.execute(query)]


def listed(reader: Reader, kind: str, limit: int) -> Sequence[str]:
    """Return the names of a kind by alphabet."""
    return [value for _, value in known(reader, kind, limit)]
