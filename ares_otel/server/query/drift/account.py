"""The budget of false alarms of a model: what it may spend, line by line, what is used, what raised alarms.

Time spends it: each bar that is compared may raise a false alarm, with the chance that the budget gives a bar. What is
counted since a reference began is that of the newest one of each kind and its version: another one begins anew. A month
is the model's: whatever its bars were compared with has used of it. Labels of a model that has no reference of labels
are watched beside its losses, by the same budget.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, or_, select

from ares_otel.semconv.enums import DriftKind, DriftState
from ares_otel.server.query.asking import Moment, clock, ns_of
from ares_otel.server.query.drift.cards import CardsAsked, DriftCard, cards_by_kind
from ares_otel.server.query.drift.checks import DriftCheck, DriftStand, own_check
from ares_otel.server.query.drift.episodes import DriftEpisode, told
from ares_otel.server.query.drift.months import LEAD, Month, Run, allowed_by, month_of, runs
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["DriftAccount", "DriftAlarm", "DriftMonth", "DriftSpender", "DriftSpent", "accounts"]

ALARMS: Final = 500
"""Newest alarms of a kind and reference that are counted."""
TAIL: Final = 1_000
"""Numbers of alarms that a chance is summed over."""
PROFIT: Final = "profit"
"""What is watched of an edge has a budget of its own, in years."""


class DriftSpent(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the account: what may be spent on a quantity, and what that has led to.

    `share` of its kind's budget is divided among `tests` by the bars of their memory; `allowed` false alarms of it are
    used by now; `evidence` and `effect` are those of the newest check, null where others stood higher; `alarms` were
    raised by it.
    """

    quantity: str
    share: float
    tests: dict[str, float]
    allowed: float | None
    evidence: float | None
    effect: float | None
    alarms: int


class DriftSpender(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind has used of a model's budget, with this reference.

    `allowed` false alarms are those that the budget allows for within the `bars` compared so far; `spent` is the chance
    of any among them; `alarms` were raised, true ones among them; `share` is its part of what the model may spend.
    `month` and `month_alarms` are those of the newest month, with whatever reference; `month_before` is what of it was
    used with others than the newest one.
    """

    kind: str
    bars: int | None
    spent: float | None
    allowed: float | None
    alarms: int
    share: float | None
    month: float | None
    month_before: float | None
    month_alarms: int
    lines: tuple[DriftSpent, ...]


class DriftMonth(msgspec.Struct, frozen=True, kw_only=True):
    """The month of the newest bar: of `allowed` false alarms `used` ones are spent by its bars so far, `left` remain.

    `before` of those were used with references or versions before the newest ones. A month that has more bars than it
    was taken for leaves nothing. `alarms` were raised, true ones among them.
    """

    start: Moment
    allowed: float
    used: float
    before: float
    left: float
    alarms: int


class DriftAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm: an episode, and the quantity that raised it, the one with most evidence.

    It was seen in the test that remembers `memory` bars. `allowed` false alarms of its kind were used by then, and it
    was the `count`th. An alarm of profits is not `budgeted` here: the edge of a model has a budget of its own.
    """

    id: str
    kind: str
    quantity: str | None
    memory: int | None
    evidence: float | None
    effect: float | None
    severity: str | None
    open: bool
    started: Moment
    event_time: Moment | None
    bar: int | None
    allowed: float | None
    count: int
    budgeted: bool


class DriftAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The budget of a model: the chance of any false alarm within `horizon` bars, and who spends it.

    That is `monthly` false alarms a month of `bars_a_month` bars. `alarms` are those of this budget, `raised` all, the
    newest first; `chance` is that of at least so many alarms where all are false.
    """

    model: str
    false_alarms: float | None
    horizon: int | None
    monthly: float | None
    bars_a_month: float | None
    allowed: float | None
    alarms: int
    chance: float | None
    month: DriftMonth | None
    spenders: tuple[DriftSpender, ...]
    raised: tuple[DriftAlarm, ...]


class _Of(NamedTuple):
    """Whose account: its newest card, as its row and as it is told, its newest check, its alarms, of which kinds."""

    row: Any
    card: DriftCard
    check: DriftCheck | None
    kinds: Sequence[int]
    alarms: Sequence[DriftAlarm]

    @property
    def about(self) -> tuple[int | None, str | None]:
        """What its bars are compared with: the number of the reference, and the version."""
        return self.row.reference, self.row.version

    @property
    def spent(self) -> float | None:
        """Chance of any false alarm that is used."""
        return None if self.check is None else self.check.spent

    @property
    def allowed(self) -> float | None:
        """False alarms that are used."""
        return allowed_by(self.spent)

    @property
    def bars(self) -> int | None:
        """Bars that were compared."""
        return None if self.check is None else self.check.bar

    @property
    def rate(self) -> float | None:
        """False alarms that a bar may raise."""
        return self.allowed / self.bars if self.allowed is not None and self.bars else None

    @property
    def now(self) -> datetime | None:
        """Time of the newest bar."""
        return None if self.check is None else self.check.event_time or self.check.time

    @property
    def budgeted(self) -> Sequence[DriftAlarm]:
        """Alarms of this budget."""
        return [each for each in self.alarms if each.budgeted]


def accounts(reader: Reader, asked: CardsAsked) -> DriftAccount:
    """Return how a model's budget of false alarms is divided, what of it time has used, and what raised each alarm."""
    told = cards_by_kind(reader, asked)
    own = {(card.kind, card.reference) for _, card in told}
    found = [_of(reader, row, card, own) for row, card in told]
    newest = max((each.card for each in found), key=lambda card: card.time, default=None)
    rate = None if newest is None else _rate(newest)
    now = max((each.now for each in found if each.now is not None), default=None)
    month = None if now is None else month_of(now)
    spenders = tuple(_spender(reader, each, month) for each in found)
    known = [each.allowed for each in spenders if each.allowed is not None]
    allowed, alarms = sum(known) if known else None, sum(each.alarms for each in spenders)
    raised = sorted((alarm for each in found for alarm in each.alarms), key=lambda each: each.started, reverse=True)
    monthly = rate * newest.month if newest is not None and rate is not None and newest.month is not None else None
    return DriftAccount(
        model=asked.model,
        false_alarms=None if newest is None else newest.false_alarms,
        horizon=None if newest is None else newest.horizon,
        monthly=monthly,
        bars_a_month=None if newest is None else newest.month,
        allowed=allowed,
        alarms=alarms,
        chance=_chance(alarms, allowed),
        month=_used(month, monthly, spenders),
        spenders=spenders,
        raised=tuple(raised),
    )


def _of(reader: Reader, row: Any, card: DriftCard, cards: Container[tuple[str, str | None]]) -> _Of:
    kinds = [row.kind]
    if card.kind == DriftKind.CONCEPT and (DriftKind.LABEL, card.reference) not in cards:
        kinds.append(number(reader, "drift", DriftKind.LABEL))
    known = _Of(row, card, own_check(reader, row.model, row.kind, row.reference, row.version), kinds, ())
    return known._replace(alarms=_alarms(_episodes(reader, known), known.rate))


def _rate(card: DriftCard) -> float | None:
    """Return the false alarms that a bar of a model may raise, all kinds together."""
    if card.false_alarms is None or not card.horizon or not 0 < card.false_alarms < 1:
        return None
    return -math.log1p(-card.false_alarms) / card.horizon


def _chance(alarms: int, allowed: float | None) -> float | None:
    """Return the chance of at least so many alarms that come by themselves, each apart from the others (Poisson's)."""
    if allowed is None or not alarms:
        return None
    if not allowed:
        return 0.0
    counts = range(alarms, alarms + TAIL)
    return min(sum(math.exp(n * math.log(allowed) - allowed - math.lgamma(n + 1)) for n in counts), 1.0)


# --- alarms ------------------------------------------------------------------------------------------------------


def _begun(reader: Reader, of: _Of) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an episode of a model and kind began."""
    row = t.drift_episode.c
    return row.model == of.row.model, row.kind.in_(of.kinds), row.state == number(reader, "state", DriftState.STARTED)


def _episodes(reader: Reader, of: _Of) -> Sequence[DriftEpisode]:
    """Return the episodes of a reference and version, the first one first."""
    row, (reference, version) = t.drift_episode.c, of.about
    same = row.reference == reference, row.version.is_not_distinct_from(version)
    query = select(t.drift_episode).where(*_begun(reader, of), *same)
    return told(reader, reader.db.execute(query.order_by(row.id.desc()).limit(ALARMS)).all()[::-1])


def _alarms(episodes: Sequence[DriftEpisode], rate: float | None) -> list[DriftAlarm]:
    counts: Counter[bool] = Counter()
    made = []
    for each in episodes:
        cause = max(each.features, key=lambda one: one.evidence or 0.0, default=None)
        budgeted = cause is None or not cause.quantity.endswith(f":{PROFIT}")
        counts[budgeted] += 1
        made.append(_alarm(each, cause, rate if budgeted else None, counts[budgeted], budgeted=budgeted))
    return made


def _alarm(
    each: DriftEpisode, cause: DriftStand | None, rate: float | None, count: int, *, budgeted: bool
) -> DriftAlarm:
    return DriftAlarm(
        id=each.id,
        kind=each.kind or "",
        quantity=None if cause is None else cause.quantity,
        memory=None if cause is None else cause.memory,
        evidence=each.evidence if cause is None else cause.evidence,
        effect=each.effect if cause is None else cause.effect,
        severity=each.severity,
        open=each.open,
        started=each.started,
        event_time=each.event_time,
        bar=each.bar,
        allowed=None if rate is None or each.bar is None else rate * each.bar,
        count=count,
        budgeted=budgeted,
    )


# --- the month ---------------------------------------------------------------------------------------------------


def _used(month: Month | None, monthly: float | None, spenders: Sequence[DriftSpender]) -> DriftMonth | None:
    used = [each.month for each in spenders if each.month is not None]
    start = None if month is None else clock(month.begin)
    if start is None or monthly is None or not used:
        return None
    return DriftMonth(
        start=start,
        allowed=monthly,
        used=sum(used),
        before=sum(each.month_before or 0.0 for each in spenders),
        left=max(monthly - sum(used), 0.0),
        alarms=sum(each.month_alarms for each in spenders),
    )


def _late(reader: Reader, of: _Of, month: Month, found: Sequence[Run]) -> int:
    """Count the alarms of this budget in a month, by its runs: those of the newest reference, and of any other."""
    own = sum(ns_of(each.event_time or each.started) >= month.begin for each in of.budgeted)
    if all(each.about == of.about for each in found):
        return own
    row, (reference, version) = t.drift_episode.c, of.about
    others = select(func.count()).where(
        *_begun(reader, of),
        or_(row.reference.is_distinct_from(reference), row.version.is_distinct_from(version)),
        row.id > found[-1].card - LEAD,
        func.coalesce(row.event_time, row.id) >= month.begin,
        or_(row.features.is_(None), row.features.not_like(f'%:{PROFIT}"%')),
    )
    return own + int(reader.db.execute(others).scalar() or 0)


# --- who spends it -----------------------------------------------------------------------------------------------


def _spender(reader: Reader, of: _Of, month: Month | None) -> DriftSpender:
    rate, whole = of.rate, _rate(of.card)
    found = [] if month is None else runs(reader, of.row, month)
    used = [(each.about == of.about, each.allowed) for each in found if each.allowed is not None]
    return DriftSpender(
        kind=of.card.kind,
        bars=of.bars,
        spent=of.spent,
        allowed=of.allowed,
        alarms=len(of.budgeted),
        share=rate / whole if rate is not None and whole else None,
        month=None if rate is None else sum(alarms for _, alarms in used),
        month_before=None if rate is None else sum(alarms for own, alarms in used if not own),
        month_alarms=0 if month is None else _late(reader, of, month, found),
        lines=tuple(_lines(of)),
    )


def _lines(of: _Of) -> Iterator[DriftSpent]:
    stands: Mapping[str, DriftStand] = {} if of.check is None else {each.quantity: each for each in of.check.quantities}
    raised = Counter(each.quantity for each in of.alarms)
    for line in of.card.lines:
        if line.share:
            stand: Any = stands.get(line.quantity)
            yield DriftSpent(
                quantity=line.quantity,
                share=line.share,
                tests=line.tests,
                allowed=None if of.allowed is None else of.allowed * line.share,
                evidence=None if stand is None else stand.evidence,
                effect=None if stand is None else stand.effect,
                alarms=raised[line.quantity],
            )
