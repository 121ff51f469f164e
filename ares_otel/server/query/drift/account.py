"""The budget of false alarms of a model: what it may spend, line by line, what is used, what raised alarms.

Time spends it: each bar that is compared may raise a false alarm, with the chance that the budget gives a bar. All is
counted for the newest reference of each kind; another one begins anew. Labels of a model that has no reference of
labels are watched beside its losses, by the same budget.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select

from ares_otel.semconv.enums import DriftKind, DriftState
from ares_otel.server.query.asking import Moment, first_row, ns_of
from ares_otel.server.query.drift.cards import CardsAsked, DriftCard, cards_by_kind
from ares_otel.server.query.drift.checks import DriftCheck, DriftStand, own_check
from ares_otel.server.query.drift.episodes import DriftEpisode, told
from ares_otel.server.query.drift.states import OWN
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
    `month` and `month_alarms` are what of that is of the newest month.
    """

    kind: str
    bars: int | None
    spent: float | None
    allowed: float | None
    alarms: int
    share: float | None
    month: float | None
    month_alarms: int
    lines: tuple[DriftSpent, ...]


class DriftMonth(msgspec.Struct, frozen=True, kw_only=True):
    """The month of the newest bar: of `allowed` false alarms `used` ones are spent by its bars so far, `left` remain.

    A month that has more bars than it was taken for leaves nothing. `alarms` were raised, true ones among them.
    """

    start: Moment
    allowed: float
    used: float
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
    """Whose account: numbers of model, kind and reference, its newest card and check, its alarms."""

    model: int
    kind: int
    reference: int | None
    card: DriftCard
    check: DriftCheck | None
    alarms: Sequence[DriftAlarm]

    @property
    def spent(self) -> float | None:
        """Chance of any false alarm that is used."""
        return None if self.check is None else self.check.spent

    @property
    def allowed(self) -> float | None:
        """False alarms that are used."""
        return -math.log1p(-self.spent) if self.spent is not None and self.spent < 1 else None

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
    found = [_of(reader, asked.model, kind, card, own) for kind, card in told]
    newest = max((each.card for each in found), key=lambda card: card.time, default=None)
    rate = None if newest is None else _rate(newest)
    month = _month(found)
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


def _of(reader: Reader, model: str, kind: int, card: DriftCard, cards: Container[tuple[str, str | None]]) -> _Of:
    own = number(reader, "model", model)
    reference = None if card.reference is None else number(reader, "reference", card.reference)
    known = _Of(own, kind, reference, card, own_check(reader, own, kind, reference), ())
    kinds = [kind]
    if card.kind == DriftKind.CONCEPT and (DriftKind.LABEL, card.reference) not in cards:
        kinds.append(number(reader, "drift", DriftKind.LABEL))
    return known._replace(alarms=_alarms(_episodes(reader, known, kinds), known.rate))


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


def _episodes(reader: Reader, of: _Of, kinds: Sequence[int]) -> Sequence[DriftEpisode]:
    """Return the episodes of a reference, the first one first."""
    row = t.drift_episode.c
    own = row.model == of.model, row.kind.in_(kinds), row.reference == of.reference
    query = select(t.drift_episode).where(*own, row.state == number(reader, "state", DriftState.STARTED))
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


def _month(found: Sequence[_Of]) -> datetime | None:
    """Return the begin of the month of the newest bar."""
    now = max((each.now for each in found if each.now is not None), default=None)
    return None if now is None else now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _used(start: datetime | None, monthly: float | None, spenders: Sequence[DriftSpender]) -> DriftMonth | None:
    used = [each.month for each in spenders if each.month is not None]
    if start is None or monthly is None or not used:
        return None
    alarms = sum(each.month_alarms for each in spenders)
    return DriftMonth(start=start, allowed=monthly, used=sum(used), left=max(monthly - sum(used), 0.0), alarms=alarms)


def _before(reader: Reader, of: _Of, start: datetime) -> int:
    """Return the bars that were compared before a month, with the same reference."""
    row, event = t.drift_check.c, of.check is not None and of.check.event_time is not None
    earlier = row.event_time < ns_of(start) if event else row.id < first_row(ns_of(start))
    own = row.model == of.model, row.kind == of.kind, row.reference == of.reference
    query = select(row.bar).where(*own, row.detector == number(reader, "detector", OWN), earlier)
    return int(reader.db.execute(query.order_by(row.id.desc()).limit(1)).scalar() or 0)


# --- who spends it -----------------------------------------------------------------------------------------------


def _spender(reader: Reader, of: _Of, month: datetime | None) -> DriftSpender:
    rate, whole = of.rate, _rate(of.card)
    used = None
    if rate is not None and month is not None and of.bars is not None:
        used = rate * max(of.bars - _before(reader, of, month), 0)
    late = [each for each in of.budgeted if month is not None and (each.event_time or each.started) >= month]
    return DriftSpender(
        kind=of.card.kind,
        bars=of.bars,
        spent=of.spent,
        allowed=of.allowed,
        alarms=len(of.budgeted),
        share=rate / whole if rate is not None and whole else None,
        month=used,
        month_alarms=len(late),
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
