"""`ares-otel explain`: a decision as a tree with times on the right, or as JSON (`stories.py` has the shape)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TextIO, TypeAlias

import msgspec
from rich.console import Console
from rich.text import Text

from ares_otel.server.query.drift.then import DriftThen, drifting_then
from ares_otel.server.store.driver import Location
from ares_otel.server.story.outline import Line, outline
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story
from ares_otel.server.story.wording import clean, seconds

__all__ = ["FOUND", "NOT_FOUND", "Answer", "as_json", "explain", "render"]

FOUND, NOT_FOUND = 0, 1
COLUMN = 11
PLAIN_WIDTH = 120
TIME = "%Y-%m-%d %H:%M:%S.%f"

Drift: TypeAlias = Mapping[str, Sequence[DriftThen]]
NO_DRIFT: Final[Drift] = MappingProxyType({})


class Answer(msgspec.Struct, frozen=True):
    """What `--json` prints: the id that was asked for, and what it means, newest first.

    `drift` are the episodes of drift that were open at a decision, of models that have a part in it, by decision id.
    """

    query: str
    stories: Sequence[Story]
    drift: Drift = {}


def explain(database: Location, text: str, out: TextIO, *, json: bool = False) -> int:
    """Write what an id means; return the exit code: 0 found, 1 not found.

    Raises:
        DatabaseError: there is no database, or it cannot be read.
    """
    with Reader(database) as reader:
        stories = reader.find(text)
        drift = {story.decision_id: drifting_then(reader, story) for story in stories if story.decision_id is not None}
    if json:
        out.write(as_json(text, stories, drift))
    else:
        render(text, stories, out, drift)
    return FOUND if stories else NOT_FOUND


def as_json(text: str, stories: Sequence[Story], drift: Drift = NO_DRIFT) -> str:
    """Return stories as JSON."""
    answer = Answer(text, stories, {own: found for own, found in drift.items() if found})
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"


def render(text: str, stories: Sequence[Story], out: TextIO, drift: Drift = NO_DRIFT) -> None:
    """Write one story as a tree, or several as a list; in color on a terminal only."""
    console = Console(file=out, highlight=False, emoji=False, markup=False)
    if not stories:
        lines = [Text(f"nothing is stored of {clean(text)}")]
    elif len(stories) == 1:
        lines = list(_told(stories[0], drift.get(stories[0].decision_id or "", ()), console))
    else:
        lines = list(_list(text, stories))
    for line in lines:
        console.print(line, soft_wrap=True)


def _list(text: str, stories: Sequence[Story]) -> Iterator[Text]:
    yield Text(f"{len(stories)} decisions are known by {clean(text)}, newest first:", "bold")
    for story in stories:
        yield Text.assemble(
            f"{story.start:{TIME}}"[:-3], "  ", (story.decision_id or story.trace_id, "cyan"), f"  {story.sentence}"
        )
    yield Text("`ares-otel explain` with one of the ids in the second column tells one of them.", "dim")


def _told(story: Story, drift: Sequence[DriftThen], console: Console) -> Iterator[Text]:
    yield Text(story.sentence, "bold")
    for each in drift:
        yield Text(clean(each.sentence), "yellow" if each.known else "dim")
    yield Text()
    names = {"correlation": story.correlation_id, "decision": story.decision_id, "causation": story.causation_id}
    for name, value in {**names, "trace": story.trace_id}.items():
        if value:
            yield Text.assemble((f"{name:<12}", "dim"), clean(value))
    yield Text.assemble((f"{'when':<12}", "dim"), " · ".join(_when(story)))
    yield Text()
    width = console.width if console.is_terminal else PLAIN_WIDTH
    yield from _lines(outline(story), width - 2 * COLUMN, crop=console.is_terminal)
    if story.left_out:
        yield Text(f"… and {story.left_out:,} more spans", "dim")


def _when(story: Story) -> Iterator[str]:
    yield f"{story.start:{TIME}}"[:-3] + " UTC"
    market = story.decision.event_time if story.decision is not None else None
    if market is not None:
        yield f"market time {market:%Y-%m-%d %H:%M:%S} UTC"
    for word in (story.service, story.mode):
        if word:
            yield clean(word)


def _lines(roots: Sequence[Line], room: int, *, crop: bool) -> Iterator[Text]:
    drawn = [drawing for root in roots for drawing in _drawn(root, "", "")]
    widest = min(max((len(guide) + len(line.text) for guide, line in drawn), default=0), room)
    for guide, line in drawn:
        yield _line(guide, line, widest, crop=crop)


def _line(guide: str, line: Line, widest: int, *, crop: bool) -> Text:
    text = Text.assemble((guide, "dim"), (line.text, line.style))
    if crop and text.cell_len > widest:
        text.truncate(max(widest, 1), overflow="ellipsis")
    offset = "" if line.offset is None else f"+{seconds(line.offset)}" if line.offset >= 0 else seconds(line.offset)
    duration = "" if line.duration is None else seconds(line.duration)
    if offset or duration:
        text.pad_right(max(widest - text.cell_len, 0))
        text.append(f"{offset:>{COLUMN}}{duration:>{COLUMN}}", "dim")
    text.rstrip()
    return text


def _drawn(line: Line, guide: str, below: str) -> Iterator[tuple[str, Line]]:
    yield guide, line
    for place, child in enumerate(line.below, start=1):
        last = place == len(line.below)
        yield from _drawn(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
