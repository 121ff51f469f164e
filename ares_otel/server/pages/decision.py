"""One decision: the sentence, then what it saw, heard, checked, sent, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.semconv import spans as s
from ares_otel.server.pages.formats import times
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.asking import SECOND
from ares_otel.server.query.bars import Bar, Bars
from ares_otel.server.query.console.regimes import Episode, episodes
from ares_otel.server.query.detail import neighbors
from ares_otel.server.query.drift.then import DriftThen, drifting_then
from ares_otel.server.query.naming import numbers
from ares_otel.server.query.notes import LogRow, LogsAsked, logs
from ares_otel.server.story.ballots import CLOSE, Pivot, leaning, pivots, said
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import DecisionStory, OrderStory, OutcomeStory, SpanStory, Story

__all__ = ["After", "Around", "Combined", "Stage", "View", "Voice", "decision_page", "stages", "stretched", "view"]

BEFORE, AFTER = 60, 30
HORIZONS: Final = (1, 5, 20)
ROWS: Final = 60
DEPTH: Final = 4
SIDES: Final = {"buy": 1.0, "sell": -1.0, "sell_short": -1.0, "close": -1.0}
MICRO: Final = 1_000
NOTES: Final = 50
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Voice(msgspec.Struct, frozen=True):
    """A member's vote as a bar: `value` from -1 (sell) to 1 (buy), `share` of the largest weight."""

    vote: Any
    value: float | None
    share: float
    outcome: OutcomeStory | None


class Stage(msgspec.Struct, frozen=True):
    """A span in the waterfall: where it begins and ends as shares of the whole."""

    span: SpanStory
    depth: int
    begin: float
    end: float


class After(msgspec.Struct, frozen=True):
    """The close so many bars after the decision."""

    bars: int
    bar: Bar | None
    change: float | None


class Combined(msgspec.Struct, frozen=True):
    """The combined vote: `value` from -1 (sell) to 1 (buy) and `leaning` only where its side is known."""

    value: float | None
    leaning: str | None
    confidence: float | None
    threshold: float | None


class Around(msgspec.Struct, frozen=True):
    """What is stored around a decision; log records of its correlation by time, the newest ones.

    `drift` are the episodes of drift that were open then.
    """

    bars: Sequence[Bar] = ()
    regimes: Sequence[Episode] = ()
    before: str | None = None
    after: str | None = None
    notes: Sequence[LogRow] = ()
    drift: Sequence[DriftThen] = ()


class View(msgspec.Struct, frozen=True):
    """What the page shows."""

    story: Story
    around: Around
    voices: Sequence[Voice]
    stages: Sequence[Stage]
    afterwards: Sequence[After]
    chart: dict[str, Any] | None
    replayed: bool
    combined: Combined | None
    pivotal: Sequence[Pivot]


async def decision_page(site: Site, request: Request) -> Response:
    """Show the decision that an id means; several of them as a list."""
    text = request.path_params["id"]
    found = await site.pool.ask(lambda reader: _found(reader, text))
    if not found:
        raise Missing(f"Nothing is stored of {text[:80]}. It may be older than what is kept, or not delivered yet.")
    if len(found) > 1:
        context = {"at": "/decisions", "title": "Several decisions", "asked": text, "stories": found}
        return site.page("several.html", context)
    shown = await site.pool.ask(lambda reader: view(found[0], _around(reader, found[0])))
    title = _title(found[0])
    return site.page("decision.html", {"at": "/decisions", "title": title, "asked": "", "view": shown})


def _found(reader: Reader, text: str) -> Sequence[Story]:
    stories = reader.find(text)
    return [story for story in stories if story.decision_id == text] or stories


def _title(story: Story) -> str:
    decision = story.decision
    if decision is None:
        return f"Trace {story.trace_id[:8]}"
    return " ".join(filter(None, (decision.strategy, str(decision.action or "decision"), decision.symbol)))


def view(story: Story, around: Around) -> View:
    """Return what the page of a story shows."""
    decision = story.decision
    return View(
        story=story,
        around=around,
        voices=tuple(_voices(decision, story.outcomes)) if decision else (),
        stages=tuple(stages(story)),
        afterwards=tuple(_afterwards(decision, story, around)) if decision else (),
        chart=_chart(story, around) if around.bars else None,
        replayed=decision is not None and times(story.start, decision.event_time),
        combined=_combined(decision) if decision else None,
        pivotal=pivots(decision) if decision else (),
    )


def _combined(decision: DecisionStory) -> Combined:
    """Return the combined vote as the decision says it, or else as the step "vote" of its path does.

    A step says no side: that is the one with the most weight times confidence, if their share is what the step says.
    """
    confidence, threshold = said(decision)
    if confidence is None:
        return Combined(None, None, None, threshold)
    if decision.confidence is not None:
        return Combined(SIDES.get(str(decision.action), 0.0) * confidence, None, confidence, threshold)
    action, share = leaning(decision.votes)
    known = action if abs(share - confidence) < CLOSE else None
    value = SIDES.get(known, 0.0) * confidence if known is not None else None
    return Combined(value, known, confidence, threshold)


def _voices(decision: DecisionStory, outcomes: Sequence[OutcomeStory]) -> Iterator[Voice]:
    heaviest = max((float(vote.weight or 0) for vote in decision.votes), default=0.0)
    true = {outcome.model: outcome for outcome in outcomes}
    for vote in decision.votes:
        side = SIDES.get(str(vote.action), 0.0)
        value = None if vote.confidence is None or not side else side * float(vote.confidence)
        share = 1.0 if vote.weight is None or not heaviest else float(vote.weight) / heaviest
        yield Voice(vote, value, share, true.get(vote.model))


# --- the waterfall -----------------------------------------------------------------------------------------------


def stages(story: Story) -> Iterator[Stage]:
    """Yield the spans that ran while the decision ran, by time and depth; execution reports are told with orders."""
    whole = story.duration_seconds or max((span.duration_seconds for span in story.spans), default=0.0) or 1.0
    shown = 0
    for span, depth in _walk(story.spans, 0):
        if span.name in {s.ORDER_UPDATE.name, s.OUTCOME.name} or span.offset_seconds > whole:
            continue
        shown += 1
        if shown > ROWS:
            return
        yield Stage(span, depth, span.offset_seconds / whole, (span.offset_seconds + span.duration_seconds) / whole)


def _walk(spans: Sequence[SpanStory], depth: int) -> Iterator[tuple[SpanStory, int]]:
    for span in spans:
        yield span, min(depth, DEPTH)
        yield from _walk(span.children, depth + 1)


# --- what is around ----------------------------------------------------------------------------------------------


def _around(reader: Reader, story: Story) -> Around:
    around = msgspec.structs.replace(_market(reader, story), drift=drifting_then(reader, story))
    if not story.correlation_id:
        return around
    found = logs(reader, LogsAsked(correlation_id=story.correlation_id, limit=NOTES))
    return msgspec.structs.replace(around, notes=found.items[::-1])


def _market(reader: Reader, story: Story) -> Around:
    decision = story.decision
    if decision is None:
        return Around()
    before, after = neighbors(reader, story)
    symbols = numbers(reader, "symbol", [decision.symbol]) if decision.symbol else []
    if not symbols:
        return Around((), (), before, after)
    venues = numbers(reader, "venue", [decision.venue]) if decision.venue else []
    bars = Bars(reader).around(symbols[0], venues[0] if venues else None, _seen(story), BEFORE, AFTER)
    strategies = numbers(reader, "strategy", [decision.strategy]) if decision.strategy else [0]
    runs: Sequence[Episode] = ()
    if bars and strategies:
        runs = episodes(reader, strategies[0], symbols[0], bars[0].time, bars[-1].time)
    return Around(bars, runs, before, after)


def _ns(at: datetime | int) -> int:
    return at if isinstance(at, int) else (at - EPOCH) // timedelta(microseconds=1) * MICRO


def _seen(story: Story) -> int:
    """Return the time of the market that the decision saw."""
    event = story.decision.event_time if story.decision is not None else None
    return _ns(event or story.start)


def _afterwards(decision: DecisionStory, story: Story, around: Around) -> Iterator[After]:
    later = [bar for bar in around.bars if bar.time > _seen(story)]
    price = None if decision.price is None else float(decision.price)
    for number in HORIZONS:
        bar = later[number - 1] if len(later) >= number else None
        yield After(number, bar, None if bar is None or not price else bar.close / price - 1)


def _chart(story: Story, around: Around) -> dict[str, Any]:
    stamps = [bar.time for bar in around.bars]
    return {
        "bars": [[bar.time // SECOND, bar.open, bar.high, bar.low, bar.close] for bar in around.bars],
        "regimes": [
            [run.started // SECOND, run.ended // SECOND, run.regime] for run in stretched(around.regimes, stamps[-1])
        ],
        "lines": [*_lines(story.orders)],
        "marks": [*_marks(story, stamps)],
    }


def stretched(runs: Sequence[Episode], end: int) -> Iterator[Episode]:
    """Yield runs so that each lasts until the next one begins."""
    for place, run in enumerate(runs):
        until = runs[place + 1].started if place + 1 < len(runs) else max(run.ended, min(end, run.ended))
        yield msgspec.structs.replace(run, ended=until)


def _lines(orders: Sequence[OrderStory]) -> Iterator[list[object]]:
    for order in orders[:3]:
        if order.arrival_mid is not None:
            yield [float(order.arrival_mid), "arrival mid", False]
        if order.price is not None:
            yield [float(order.price), "limit price", False]
        if order.avg_price is not None:
            yield [float(order.avg_price), "filled at", True]


def _marks(story: Story, stamps: Sequence[int]) -> Iterator[list[object]]:
    decision = story.decision
    here = _bar_of(_seen(story), stamps)
    if decision is not None and here is not None:
        action = str(decision.action or "none")
        side = {"sell_short": "sell", "close": "sell"}.get(action, action)
        yield [here // SECOND, side, action.replace("_", " ")]
    for order in story.orders:
        filled = [update for update in order.updates if update.quantity and not update.duplicate and update.event_time]
        last = _bar_of(_ns(filled[-1].event_time or 0), stamps) if filled else None
        if last is not None and last != here:
            yield [last // SECOND, "fill", f"{str(order.status or 'filled').replace('_', ' ')}"]


def _bar_of(time: int, stamps: Sequence[int]) -> int | None:
    """Return the bar in which a time lies."""
    return max((stamp for stamp in stamps if stamp <= time), default=None)
