"""Which models that have a part in a decision were drifting when it was made, and whether that was known.

Two clocks could tell. A bot that trades now knows of an episode from when its alarm was said. Where history is replayed
a day takes a moment, and alarms come late by the clock on the wall, so there the time of bars tells: a bar is judged
after the decision that saw it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from sqlalchemy import and_, column, select, values

from ares_otel.semconv.enums import DriftKind
from ares_otel.server.query.asking import ns_of
from ares_otel.server.query.drift.episodes import DriftEpisode
from ares_otel.server.query.drift.standing import When, episodes_at
from ares_otel.server.query.drift.states import rank
from ares_otel.server.query.drift.wording import day, moved, since
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.store.columns import BIG
from ares_otel.server.store.ids import decision_id
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import DecisionStory, Story

__all__ = ["DriftThen", "Part", "drifting_then"]

SAME: Final = 60_000_000_000
"""Market time that is so many ns off the clock is a replay's."""
CHUNK: Final = 1_000
"""Moments at which decisions are looked up at once."""
MILLI: Final = 1_000_000
NEAR: Final = 2 * MILLI
MOMENT_DIGITS, DIGITS = 12, 28

Part: TypeAlias = Literal["vote", "observed", "market"]


class DriftThen(msgspec.Struct, frozen=True, kw_only=True):
    """An episode of a model that has a part in a decision, as it stood when that was made.

    `part`: it voted or predicted in it (vote); it is observed in decisions of this strategy and symbol (observed), or
    its features are, in those of another strategy on this symbol (market). `known` is false where the model had changed
    by then, as is estimated, and the alarm came afterwards. `page` is the path of its page.
    """

    part: Part
    known: bool
    sentence: str
    page: str
    episode: DriftEpisode


def drifting_then(reader: Reader, story: Story) -> tuple[DriftThen, ...]:
    """Return the episodes of drift that were open when a decision was made, those that were known and worst first."""
    decision = story.decision
    if decision is None:
        return ()
    when, names = _when(story, decision), _names(decision)
    stood = episodes_at(reader, when)
    # what votes has its part, and what has an estimate its time, without any decision
    unclear = (each for each, known in stood if each.model not in names or (not known and each.since is None))
    near = _linked(reader, {own for each in unclear for own in each.decisions})
    found = []
    for each, known in stood:
        linked = [near[own] for own in each.decisions if own in near]
        if known or _had_changed(each, linked, when):
            part = "vote" if each.model in names else _part(reader, each, linked, decision)
            if part is not None:
                found.append(_then(each, part, known=known))
    return tuple(sorted(found, key=lambda each: (not each.known, -rank(each.episode.severity), each.part != "vote")))


def _when(story: Story, decision: DecisionStory) -> When:
    wall, event = ns_of(story.start), decision.event_time
    market = None if event is None else ns_of(event) if isinstance(event, datetime) else int(event)
    return When(wall, market if market is not None and abs(market - wall) > SAME else None)


def _names(decision: DecisionStory) -> Collection[str]:
    """Return the models that speak in a decision."""
    votes, predictions = (vote.model for vote in decision.votes), (each.model for each in decision.predictions)
    return {name for name in (*votes, *predictions, *(each.model for each in decision.features)) if name}


# --- whose they are ----------------------------------------------------------------------------------------------


def _part(reader: Reader, each: DriftEpisode, linked: Sequence[Any], decision: DecisionStory) -> Part | None:
    """Return what a model that does not speak in a decision has to do with it; None for nothing."""
    if decision.symbol is None:
        return None
    symbol = number(reader, "symbol", decision.symbol)
    strategy = None if decision.strategy is None else number(reader, "strategy", decision.strategy)
    same = [other for other in linked if other.symbol == symbol]
    if any(other.strategy == strategy for other in same):
        return "observed"
    return "market" if same and each.kind == DriftKind.DATA else None


def _had_changed(each: DriftEpisode, linked: Sequence[Any], when: When) -> bool:
    """Tell whether a model had changed by a moment, as is estimated, or as the first decisions since then say."""
    if each.since is not None:
        return ns_of(each.since) <= when.bars
    times = (other.id if when.market is None else other.event_time for other in linked)
    return any(time is not None and time <= when.bars for time in times)


def _linked(reader: Reader, decisions: Collection[str]) -> Mapping[str, Any]:
    """Return decisions as they are stored, by id; an id of the library says when its decision began."""
    moments = sorted({moment for each in decisions if (moment := _moment(each)) is not None})
    row, found = t.decision.c, dict[str, Any]()
    columns = (row.id, row.trace, row.span, row.strategy, row.symbol, row.event_time)
    for at in range(0, len(moments), CHUNK):
        bounds = [(each - NEAR, each + NEAR) for each in moments[at : at + CHUNK]]
        around = values(column("low", BIG), column("high", BIG), name="around").data(bounds).cte()
        within = and_(row.id >= around.c.low, row.id < around.c.high)
        query = select(*columns).select_from(t.decision).join(around, within)
        found.update((decision_id(each.trace, each.span), each) for each in reader.db.execute(query))
    return found


def _moment(decision: str) -> int | None:
    """Return the time in a decision id of the library, Unix ns; None for any other id."""
    try:
        return int(decision[:MOMENT_DIGITS], 16) * MILLI if len(decision) == DIGITS else None
    except ValueError:
        return None


# --- as it is told -----------------------------------------------------------------------------------------------


def _then(each: DriftEpisode, part: Part, *, known: bool) -> DriftThen:
    page = f"/drift/{quote(each.model or '', safe='')}?kind={quote(each.kind or '')}&episode={each.id}"
    return DriftThen(part=part, known=known, sentence=_sentence(each, known=known), page=page, episode=each)


def _sentence(each: DriftEpisode, *, known: bool) -> str:
    what = ", ".join(word for word in (each.kind, each.severity) if word)
    seen = day(each.event_time or each.started)
    head = f"{each.model} was drifting{since(each)} ({what})"
    when = f"which was known from {seen} on" if known else f"which was not known then, but from {seen} on"
    which = f": {moved(each.features)}" if each.features else ""
    return f"{head}, {when}{which}"
