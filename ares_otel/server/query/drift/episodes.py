"""Episodes of drift: what moved, how far, since when, until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, bindparam, select

from ares_otel.semconv.enums import DriftState
from ares_otel.server.query.asking import SECOND, Moment, Name, NotFoundError, Page, Paged, clock, row_time
from ares_otel.server.query.drift.checks import DriftStand, Kind
from ares_otel.server.query.drift.windows import DriftWindow, WindowsAsked, windows_between
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "DriftEpisode",
    "EpisodeAsked",
    "EpisodesAsked",
    "Severity",
    "WholeDriftEpisode",
    "end_of",
    "episode",
    "episodes",
    "told",
]


class EpisodesAsked(Paged, frozen=True, kw_only=True):
    """Which episodes; the period is that in which their start was said."""

    model: Name | None = None
    kind: Kind | None = None
    severity: Severity | None = None


class EpisodeAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which episode."""

    id: Annotated[str, Meta(pattern=r"^[0-9]{1,19}$", description="id of the episode")]


class DriftEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """An episode: one alarm, however many quantities moved.

    `since` is when it changed, as estimated, in the time of the bars, as are `event_time`, when that was seen, and
    `cleared_event_time`. `effect` is in standard deviations of the reference, `evidence` in thresholds of its test, the
    largest at the start; `highest` is the largest of the whole episode, null while it is open. `features` are those of
    the start, the largest effect first; `decisions` are some between the change and the alarm.
    """

    id: str
    model: str | None
    kind: str | None
    episode: int | None
    severity: str | None
    open: bool
    started: Moment
    event_time: Moment | None
    bar: int | None
    since: Moment | None
    since_bar: int | None
    effect: float | None
    evidence: float | None
    features: tuple[DriftStand, ...]
    cleared: Moment | None
    cleared_event_time: Moment | None
    cleared_bar: int | None
    highest: float | None
    summary: str | None
    version: str | None
    reference: str | None
    detector: str | None
    trace_id: str | None
    decisions: tuple[str, ...]


class WholeDriftEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """An episode, and what its features looked like at the alarm."""

    episode: DriftEpisode
    windows: tuple[DriftWindow, ...]


def episodes(reader: Reader, asked: EpisodesAsked) -> Page[DriftEpisode]:
    """List episodes of drift, newest start first."""
    row = t.drift_episode.c
    conditions = [
        row.id >= asked.low,
        row.id < asked.before,
        row.state == number(reader, "state", DriftState.STARTED),
    ]
    if asked.model is not None:
        conditions.append(row.model == number(reader, "model", asked.model))
    if asked.kind is not None:
        conditions.append(row.kind == number(reader, "drift", asked.kind))
    if asked.severity is not None:
        conditions.append(row.severity == number(reader, "severity", asked.severity))
    query = select(t.drift_episode).where(*conditions).order_by(row.id.desc()).limit(asked.limit)
    rows = reader.db.execute(query).all()
    return Page(items=told(reader, rows), next=str(rows[-1].id) if len(rows) == asked.limit else None)


def episode(reader: Reader, asked: EpisodeAsked) -> WholeDriftEpisode:
    """Return an episode, and its features beside their reference."""
    row = t.drift_episode.c
    started = number(reader, "state", DriftState.STARTED)
    found = reader.db.execute(
        select(t.drift_episode).where(row.id == min(int(asked.id), LATEST), row.state == started)
    ).first()
    if found is None:
        raise NotFoundError(f"no episode {asked.id} is stored")
    (known,) = told(reader, [found])
    shown: Sequence[DriftWindow] = ()
    if known.model is not None and known.kind is not None and known.episode is not None and known.reference is not None:
        where = {"model": known.model, "kind": known.kind, "reference": known.reference, "episode": known.episode}
        shown = windows_between(reader, msgspec.convert(where, WindowsAsked), found.id - AROUND, found.id + AROUND)
    return WholeDriftEpisode(episode=known, windows=tuple(shown))


LATEST: Final = (1 << 63) - 1
AROUND: Final = 60 * SECOND
"""Windows of an episode are told with its start."""

Severity: TypeAlias = Literal["info", "watch", "warning", "critical"]


def told(reader: Reader, rows: Sequence[Any]) -> tuple[DriftEpisode, ...]:
    """Return episodes of the rows that say their start."""
    ends = _ends(reader, rows)
    named = ("model", "kind", "severity", "reference", "detector")
    known = words(reader, *([getattr(each, name) for name in named] for each in rows))
    return tuple(_episode(each, ends.get(each.id), known) for each in rows)


def _ends(reader: Reader, rows: Sequence[Any]) -> Mapping[int, Any]:
    """Return the ends of episodes by the ids of their starts."""
    cleared = {"cleared": number(reader, "state", DriftState.CLEARED)}
    found: dict[int, Any] = {}
    for at in range(0, len(rows), CHUNK):
        starts = [each.id for each in rows[at : at + CHUNK]]
        found.update((each.start, each) for each in reader.db.execute(ENDS, {**cleared, "starts": starts}))
    return found


def end_of(start: Any) -> ColumnElement[int]:
    """Return the id of the end of an episode: the first one after its start that has the same names and number."""
    row = t.drift_episode.alias("over").c
    own = row.model == start.model, row.kind == start.kind, row.id > start.id, row.state == bindparam("cleared")
    same = (row[name].is_not_distinct_from(start[name]) for name in ("reference", "episode"))
    return select(row.id).where(*own, *same).order_by(row.id).limit(1).scalar_subquery()


_START, _END = t.drift_episode.alias("start"), t.drift_episode.alias("end")
ENDS: Final = (
    select(_START.c.id.label("start"), _END)
    .select_from(_START)
    .join(_END, _END.c.id == end_of(_START.c))
    .where(_START.c.id.in_(bindparam("starts", expanding=True)))
)
CHUNK: Final = 1_000
"""Episodes whose ends are looked up at once."""


def _episode(each: Any, end: Any | None, known: dict[int | None, str]) -> DriftEpisode:
    return DriftEpisode(
        id=str(each.id),
        model=known.get(each.model),
        kind=known.get(each.kind),
        episode=each.episode,
        severity=known.get(each.severity),
        open=end is None,
        started=row_time(each.id),
        event_time=clock(each.event_time),
        bar=each.bar,
        since=clock(each.since),
        since_bar=each.since_bar,
        effect=each.effect,
        evidence=each.evidence,
        features=_features(each.features),
        cleared=None if end is None else row_time(end.id),
        cleared_event_time=None if end is None else clock(end.event_time),
        cleared_bar=None if end is None else end.bar,
        highest=None if end is None else end.evidence,
        summary=each.summary,
        version=each.version,
        reference=known.get(each.reference),
        detector=known.get(each.detector),
        trace_id=None if each.trace is None else bytes(each.trace).hex(),
        decisions=msgspec.json.decode(each.decisions or "[]", type=tuple[str, ...]),
    )


def _features(data: str | None) -> tuple[DriftStand, ...]:
    """Return what moved; rows of before have no memory of the test."""
    found = msgspec.json.decode(data or "{}", type=dict[str, list[float | None]])
    return tuple(
        DriftStand(quantity=name, effect=effect, evidence=evidence, memory=None if memory is None else round(memory))
        for name, (effect, evidence, memory, *_) in ((name, (*values, None)) for name, values in found.items())
    )
