"""What can be found in a model at all, and who spends the budget of false alarms."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from sqlalchemy import func, select

from ares_otel.semconv.enums import DriftState
from ares_otel.server.query.asking import Moment, Name, NotFoundError, row_time
from ares_otel.server.query.drift.checks import Kind
from ares_otel.server.query.drift.states import NEWEST, OWN, kinds_of
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["CardsAsked", "DriftAccount", "DriftCard", "DriftLine", "DriftSpender", "accounts", "cards"]


class CardsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose cards."""

    model: Name
    kind: Kind | None = None


class DriftLine(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen of a quantity.

    `n_eff` independent values are in the reference, one of which takes `tau` bars; a lasting change of `mde` standard
    deviations of the reference is found nine of ten times, one of 1 after `delay` bars; `share` of the budget is its
    own. `reason` says why it cannot be tested.
    """

    quantity: str
    testable: bool
    n_eff: float | None = None
    tau: float | None = None
    mde: float | None = None
    delay: float | None = None
    share: float | None = None
    reason: str | None = None


class DriftCard(msgspec.Struct, frozen=True, kw_only=True):
    """The newest card of a model and kind; `false_alarms` is the chance of any within `horizon` bars, of all kinds.

    Lines that spend most of the budget come first, then those that cannot be tested.
    """

    model: str
    kind: str
    time: Moment
    version: str | None
    reference: str | None
    rows: int | None
    false_alarms: float | None
    horizon: int | None
    testable: int
    untestable: int
    lines: tuple[DriftLine, ...]


class _Said(msgspec.Struct):
    n_eff: float | None = None
    tau: float | None = None
    mde: float | None = None
    delay: float | None = None
    share: float | None = None
    reason: str | None = None


def cards(reader: Reader, asked: CardsAsked) -> tuple[DriftCard, ...]:
    """Return the detectability cards of a model, one a kind: what can be found in it, how soon, and what cannot."""
    return tuple(card for _, card in _cards(reader, asked))


def _cards(reader: Reader, asked: CardsAsked) -> list[tuple[int, DriftCard]]:
    row, found = t.drift_card.c, []
    kinds = kinds_of(reader, asked.model)
    if not kinds:
        raise NotFoundError(f"no check for drift of a model {asked.model} is stored")
    own = number(reader, "model", asked.model)
    for name, kind in kinds.items():
        if asked.kind in {None, name}:
            query = select(t.drift_card).where(row.model == own, row.kind == kind).order_by(row.id.desc()).limit(1)
            newest = reader.db.execute(query).first()
            if newest is not None:
                known = words(reader, [newest.reference])
                found.append((kind, _card(newest, asked.model, name, known.get(newest.reference))))
    return found


def _card(each: Any, model: str, kind: str, reference: str | None) -> DriftCard:
    said = msgspec.json.decode(each.data or "{}", type=dict[str, _Said])
    lines = [
        DriftLine(quantity=name, testable=line.reason is None, **msgspec.structs.asdict(line))
        for name, line in said.items()
    ]
    testable = sum(line.testable for line in lines)
    return DriftCard(
        model=model,
        kind=kind,
        time=row_time(each.id),
        version=each.version,
        reference=reference,
        rows=each.rows,
        false_alarms=each.false_alarms,
        horizon=each.horizon,
        testable=testable,
        untestable=len(lines) - testable,
        lines=tuple(sorted(lines, key=lambda line: (not line.testable, -(line.share or 0.0), line.quantity))),
    )


class DriftSpender(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind has used of a model's budget, with this reference.

    `allowed` false alarms are those that the budget allows for within the `bars` compared so far; `spent` is the chance
    of any among them; `alarms` were raised, true ones among them; `share` is its part of what the model may spend.
    """

    kind: str
    bars: int | None
    spent: float | None
    allowed: float | None
    alarms: int
    share: float | None
    lines: tuple[DriftLine, ...]


class DriftAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The budget of a model: the chance of any false alarm within `horizon` bars, and who spends it."""

    model: str
    false_alarms: float | None
    horizon: int | None
    allowed: float | None
    alarms: int
    spenders: tuple[DriftSpender, ...]


def accounts(reader: Reader, asked: CardsAsked) -> DriftAccount:
    """Return how a model's budget of false alarms is divided, and how much of it time has used."""
    found = [(_spender(reader, asked.model, kind, card), card) for kind, card in _cards(reader, asked)]
    newest = max((card for _, card in found), key=lambda card: card.time, default=None)
    spenders = tuple(spender for spender, _ in found)
    allowed = [each.allowed for each in spenders if each.allowed is not None]
    return DriftAccount(
        model=asked.model,
        false_alarms=None if newest is None else newest.false_alarms,
        horizon=None if newest is None else newest.horizon,
        allowed=sum(allowed) if allowed else None,
        alarms=sum(each.alarms for each in spenders),
        spenders=spenders,
    )


def _spender(reader: Reader, model: str, kind: int, card: DriftCard) -> DriftSpender:
    own = number(reader, "model", model)
    reference = None if card.reference is None else number(reader, "reference", card.reference)
    bars, spent = _used(reader, own, kind, reference)
    allowed = -math.log1p(-spent) if spent is not None and spent < 1 else None
    return DriftSpender(
        kind=card.kind,
        bars=bars,
        spent=spent,
        allowed=allowed,
        alarms=_alarms(reader, own, kind, reference),
        share=_share(allowed, bars, card),
        lines=tuple(line for line in card.lines if line.share),
    )


def _used(reader: Reader, model: int, kind: int, reference: int | None) -> tuple[int | None, float | None]:
    """Return the bars that were compared with a reference, and what was spent, by the newest check of our detector."""
    row, detector = t.drift_check.c, number(reader, "detector", OWN)
    query = select(row.bar, row.spent, row.detector, row.reference).where(row.model == model, row.kind == kind)
    newest = reader.db.execute(query.order_by(row.id.desc()).limit(NEWEST))
    own = (each for each in newest if each.detector == detector and each.reference == reference)
    found = next(own, None)
    return (None, None) if found is None else (found.bar, found.spent)


def _alarms(reader: Reader, model: int, kind: int, reference: int | None) -> int:
    row = t.drift_episode.c
    started = number(reader, "state", DriftState.STARTED)
    query = select(func.count()).where(
        row.model == model, row.kind == kind, row.reference == reference, row.state == started
    )
    return int(reader.db.execute(query).scalar() or 0)


def _share(allowed: float | None, bars: int | None, card: DriftCard) -> float | None:
    """Return the part of what a model may spend in a bar that a kind does spend."""
    if allowed is None or not bars or not card.horizon or card.false_alarms is None or not 0 < card.false_alarms < 1:
        return None
    return allowed / bars * card.horizon / -math.log1p(-card.false_alarms)
