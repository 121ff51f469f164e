"""What the bars of a month have used of a model's budget, whatever its reference was when they were compared.

Another reference or version begins anew, and so does a process that keeps no state. Each says its card when it begins,
so that what was checked from one card to the next is of one run; a run whose card is said again goes on. What a run has
used by a bar follows from its last check, for each of its bars may raise as many false alarms as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, literal, select, union_all

from ares_otel.server.query.asking import first_row, ns_of, row_ns
from ares_otel.server.query.drift.states import OWN
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["LEAD", "Month", "Run", "allowed_by", "month_of", "runs"]

CARDS: Final = 200
"""Newest cards of a model and kind that are looked at."""
LEAD: Final = 3_600_000_000_000
"""Ns by which the first check of a run begins before its card is said, at most: when its bars were looked at."""
LATEST: Final = (1 << 63) - 1


class Month(NamedTuple):
    """A month in Unix ns: its first, and the first after it."""

    begin: int
    end: int

    def has(self, moment: int) -> bool:
        """Tell whether a moment is in it."""
        return self.begin <= moment < self.end


class Run(NamedTuple):
    """A run that was checked in a month.

    Attributes:
        card: row id of the card that it began with, or that was said again.
        about: what its bars were compared with: the number of the reference, and the version.
        allowed: false alarms that its bars of the month may raise; None where no account is kept.
    """

    card: int
    about: tuple[int | None, str | None]
    allowed: float | None


class _Stretch(NamedTuple):
    """What was checked from one card to the next: its first check, its last one, and its last one before the month."""

    card: Any
    first: Any
    last: Any
    before: Any

    @property
    def about(self) -> tuple[int | None, str | None]:
        """What was compared with what."""
        return self.card.reference, self.card.version


def month_of(moment: datetime) -> Month:
    """Return the month that a moment is in."""
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return Month(ns_of(begin), ns_of(after))


def allowed_by(spent: float | None) -> float | None:
    """Return the false alarms that were allowed for, by the chance of any; None where that is not known."""
    return -math.log1p(-spent) if spent is not None and spent < 1 else None


def runs(reader: Reader, card: Any, month: Month) -> Sequence[Run]:
    """Return what our detector compared in a month, the newest run first, by two or three look-ups for each card.

    Args:
        reader: of the database.
        card: row of the newest card of a model and kind.
        month: which one.
    """
    look = _Look(reader, card, month)
    found = [*look.stretches()]
    return [_run(each, *found[at : at + 1]) for at, each in enumerate(found, 1) if look.within(each.last)]


def _run(each: _Stretch, earlier: _Stretch | None = None) -> Run:
    """Return what a stretch has compared in the month, where another one, or nothing, came before it."""
    base = 0
    if each.before is not None:
        base = each.before.bar or 0
    elif earlier is not None and _goes_on(each, earlier):
        base = earlier.last.bar or 0
    bars, whole = max((each.last.bar or 0) - base, 0), allowed_by(each.last.spent)
    used = whole * bars / each.last.bar if whole is not None and each.last.bar else None
    return Run(each.card.id, each.about, used)


def _goes_on(each: _Stretch, earlier: _Stretch) -> bool:
    """Tell whether a card was said again: whoever begins anew has fewer bars."""
    return each.about == earlier.about and each.first is not None and (each.first.bar or 0) > (earlier.last.bar or 0)


class _Look:
    """Looks at the checks of a model and kind."""

    def __init__(self, reader: Reader, card: Any, month: Month) -> None:
        self._reader, self._card, self._month = reader, card, month
        row = t.drift_check.c
        self._own = row.model == card.model, row.kind == card.kind, row.detector == number(reader, "detector", OWN)

    def within(self, check: Any) -> bool:
        """Tell whether a check is of the month."""
        return self._month.has(_time(check))

    def stretches(self) -> Iterator[_Stretch]:
        """Yield what was checked by card, the newest first: those of the month, and the one before them."""
        after, found = LATEST, None
        for card in self._cards():
            each = self._stretch(card, after)
            if each is not None:
                # a run may end before its first check: what is found for it is of the run before
                if found is not None and found.last.id != each.last.id:
                    yield found
                found = each
                if each.before is not None or not self.within(each.last):
                    break
            after = card.id
        if found is not None:
            yield found

    def _cards(self) -> Iterator[Any]:
        """Yield the cards, the newest first; of most months it alone is needed."""
        yield self._card
        row = t.drift_card.c
        own = row.model == self._card.model, row.kind == self._card.kind, row.id < self._card.id
        query = select(row.id, row.reference, row.version).where(*own).order_by(row.id.desc())
        yield from self._reader.db.execute(query.limit(CARDS - 1))

    def _stretch(self, card: Any, after: int) -> _Stretch | None:
        """Return what was checked from a card to the next one; None if nothing was."""
        row, begin = t.drift_check.c, self._month.begin
        during = *self._of(card), row.id > card.id, row.id < after
        lead = *self._of(card), row.id > card.id - LEAD, row.id < after
        newest = _checks(0).where(*lead).order_by(row.id.desc()).limit(2).subquery()
        oldest = _checks(1).where(*during).order_by(row.id).limit(1).subquery()
        both = self._reader.db.execute(union_all(select(newest), select(oldest))).all()
        ends = sorted((each for each in both if each.place == 0), key=lambda each: -each.id)
        first = next((each for each in both if each.place == 1), None)
        if not ends:
            return None
        # the first check of the next run begins before its card is said
        is_next = after != LATEST and len(ends) > 1 and (ends[0].bar or 0) < (ends[1].bar or 0)
        last, before = ends[is_next], None
        if first is not None and _time(first) < begin:
            clock = row.id if last.event_time is None else row.event_time
            begun = clock < (first_row(begin) if last.event_time is None else begin)
            query = _checks(0).where(*during, begun).order_by(clock.desc())
            before = self._reader.db.execute(query.limit(1)).first()
        return _Stretch(card, first, last, before)

    def _of(self, card: Any) -> tuple[ColumnElement[bool], ...]:
        row = t.drift_check.c
        return *self._own, row.reference == card.reference, row.version.is_not_distinct_from(card.version)


def _checks(place: int) -> Select[Any]:
    row = t.drift_check.c
    return select(row.id, row.bar, row.spent, row.event_time, literal(place).label("place"))


def _time(check: Any) -> int:
    """Return the time of a check's last bar, as far as it is known, in Unix ns."""
    return row_ns(check.id) if check.event_time is None else int(check.event_time)
