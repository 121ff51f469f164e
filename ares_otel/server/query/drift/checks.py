"""What checks for drift found over time: a list of them, and a timeline of evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from ares_otel.server.query.asking import Moment, Name, Page, Paged, Period, clock, row_time
from ares_otel.server.query.drift.states import NEWEST, OWN, kinds_of
from ares_otel.server.query.drift.verdicts import NAMED, Verdict, facts_of
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.store.packed import stands
from ares_otel.server.story.reader import Reader

__all__ = [
    "ChecksAsked",
    "DriftCheck",
    "DriftPoint",
    "DriftStand",
    "DriftTimeline",
    "Kind",
    "TimelineAsked",
    "checks",
    "own_check",
    "timeline",
]

LOOKED_AT: Final = 40_000
"""Newest checks of a model and kind that a timeline is made of."""
UNIT: Final = 10_000

Kind: TypeAlias = Literal["data", "prediction", "label", "concept", "feature"]


class ChecksAsked(Paged, frozen=True, kw_only=True):
    """Which checks; the period is that of the check."""

    model: Name | None = None
    kind: Kind | None = None


class DriftStand(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantity stood: evidence in thresholds of its test, effect in standard deviations of the reference.

    `memory` is that of the test, in bars, where it is said.
    """

    quantity: str
    evidence: float | None
    effect: float | None
    memory: int | None = None


class DriftCheck(Verdict, frozen=True, kw_only=True):
    """A check; `quantities` are those with most evidence (32 at most), `decision_id` the last decision of its bars.

    One of the kind `feature` is no alarm: it names features that moved in an episode, with their `p_values`.
    """

    model: str | None
    time: Moment
    quantities: tuple[DriftStand, ...]
    p_values: dict[str, float]
    decision_id: str | None


def checks(reader: Reader, asked: ChecksAsked) -> Page[DriftCheck]:
    """List checks for drift, newest first."""
    rows = sorted(_rows(reader, asked), key=lambda each: -each.id)[: asked.limit]
    return Page(items=_told(reader, rows), next=str(rows[-1].id) if len(rows) == asked.limit else None)


def own_check(reader: Reader, model: int, kind: int, reference: int | None, version: str | None) -> DriftCheck | None:
    """Return the newest check that our detector made with a reference of a version, by the numbers of their names."""
    row = t.drift_check.c
    newest = select(row.id, row.detector, row.reference, row.version).where(row.model == model, row.kind == kind)
    near = newest.order_by(row.id.desc()).limit(NEWEST).subquery().c
    named = near.reference.is_not_distinct_from(reference), near.version.is_not_distinct_from(version)
    own = select(func.max(near.id)).where(near.detector == number(reader, "detector", OWN), *named)
    return next(iter(_told(reader, reader.db.execute(select(t.drift_check).where(row.id.in_(own))).all())), None)


def _told(reader: Reader, rows: Sequence[Any]) -> tuple[DriftCheck, ...]:
    packed = [stands(each.quantities) for each in rows]
    known = words(reader, *([getattr(each, name) for name in (*NAMED, "model")] for each in rows), *_quantities(packed))
    return tuple(_check(each, quantities, known) for each, quantities in zip(rows, packed, strict=True))


def _rows(reader: Reader, asked: ChecksAsked) -> Iterator[Any]:
    """Yield a page of each kind of a model, whose index is by kind, or one page of all models."""
    row = t.drift_check.c
    query = select(t.drift_check).where(row.id >= asked.low, row.id < asked.before)
    query = query.order_by(row.id.desc()).limit(asked.limit)
    if asked.model is None:
        own_kind = () if asked.kind is None else (row.kind == number(reader, "drift", asked.kind),)
        yield from reader.db.execute(query.where(*own_kind))
        return
    own = number(reader, "model", asked.model)
    for name, kind in kinds_of(reader, asked.model).items():
        if asked.kind in {None, name}:
            yield from reader.db.execute(query.where(row.model == own, row.kind == kind))


def _quantities(packed: Sequence[Sequence[Any]]) -> list[list[int | None]]:
    return [[each.quantity for each in quantities] for quantities in packed]


def _check(each: Any, quantities: Sequence[Any], known: dict[int | None, str]) -> DriftCheck:
    return DriftCheck(
        **facts_of(each, known),
        model=known.get(each.model),
        time=row_time(each.id),
        quantities=tuple(_stand(one, known) for one in quantities if one.quantity in known),
        p_values=msgspec.json.decode(each.p_values or "{}", type=dict[str, float]),
        decision_id=each.decision_id,
    )


def _stand(one: Any, known: dict[int | None, str]) -> DriftStand:
    evidence, effect = (None if value is None else value / UNIT for value in (one.evidence, one.effect))
    return DriftStand(quantity=known[one.quantity], evidence=evidence, effect=effect)


class TimelineAsked(Period, frozen=True, kw_only=True):
    """Which evidence; the period is that of the checks.

    `quantity` is one of those that checks name, `feature:moment`; without it the largest evidence is shown.
    """

    model: Name
    kind: Kind = "data"
    quantity: Name | None = None
    points: Annotated[int, Meta(ge=2, le=2_000, description="most stretches that checks are gathered in")] = 300


class DriftPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of checks: the one with most evidence among its `n`; `event_time` is the time of the bars."""

    time: Moment
    event_time: Moment | None
    evidence: float
    quantity: str | None
    effect: float | None
    drift: bool
    n: int
    decision_id: str | None


class DriftTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence over time in thresholds of its test: at `threshold` it crosses. `n` checks are behind the points.

    An episode is over when all evidence is below `ends`; null where that is not what ends it, or the bot does not say.

    `whole` is false where more than the newest 40,000 checks of the period are stored: the older ones are left out.
    """

    model: str
    kind: str
    threshold: float
    ends: float | None
    n: int
    whole: bool
    points: tuple[DriftPoint, ...]


def timeline(reader: Reader, asked: TimelineAsked) -> DriftTimeline:
    """Return our detector's evidence over time, thinned to stretches of equally many checks."""
    row = t.drift_check.c
    columns = (row.id, row.event_time, row.evidence, row.effect, row.episode, row.quantities, row.decision_id)
    query = select(*columns).where(
        row.model == number(reader, "model", asked.model),
        row.kind == number(reader, "drift", asked.kind),
        row.detector == number(reader, "detector", OWN),
        row.evidence.is_not(None),
        row.id >= asked.low,
        row.id < asked.high,
    )
    rows = reader.db.execute(query.order_by(row.id.desc()).limit(LOOKED_AT)).all()[::-1]
    own = None if asked.quantity is None else number(reader, "quantity", asked.quantity)
    told = [each for each in (_evidence(each, own) for each in rows) if each is not None]
    size = -(-len(told) // asked.points) or 1
    parts = [told[begin : begin + size] for begin in range(0, len(told), size)]
    highest = [(max(part, key=lambda each: each[1]), len(part)) for part in parts]
    known = words(reader, [each[2] for each, _ in highest])
    points = tuple(_point(*each, known, n) for each, n in highest)
    return DriftTimeline(
        model=asked.model,
        kind=asked.kind,
        threshold=1.0,
        ends=_ends(reader, asked),
        n=len(told),
        whole=len(rows) < LOOKED_AT,
        points=points,
    )


def _ends(reader: Reader, asked: TimelineAsked) -> float | None:
    """Return the evidence below which an episode is over, as the newest card says."""
    row = t.drift_card.c
    own = row.model == number(reader, "model", asked.model), row.kind == number(reader, "drift", asked.kind)
    found = reader.db.execute(select(row.ends).where(*own).order_by(row.id.desc()).limit(1)).scalar()
    return None if found is None else float(found)


Evidence: TypeAlias = tuple[Any, float, int | None, float | None]


def _evidence(each: Any, own: int | None) -> Evidence | None:
    """Return a check with evidence, quantity and effect: of one quantity, or of the one with most; None without it."""
    if own is None:
        first = next(iter(stands(each.quantities)), None)
        return each, each.evidence, first.quantity if first else None, each.effect
    found = next((one for one in stands(each.quantities) if one.quantity == own), None)
    if found is None or found.evidence is None:
        return None
    return each, found.evidence / UNIT, own, None if found.effect is None else found.effect / UNIT


def _point(
    each: Any, evidence: float, quantity: int | None, effect: float | None, known: dict[int | None, str], n: int
) -> DriftPoint:
    return DriftPoint(
        time=row_time(each.id),
        event_time=clock(each.event_time),
        evidence=evidence,
        quantity=known.get(quantity),
        effect=effect,
        drift=each.episode is not None,
        n=n,
        decision_id=each.decision_id,
    )
