"""Decisions: one search field for ids, names and filters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ares_otel.server.pages.asked import FIELDS, Asked, asked
from ares_otel.server.pages.formats import times
from ares_otel.server.pages.leads import decisions_lead
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.asking import Page, row_time
from ares_otel.server.query.decisions import DecisionRow, decision_page
from ares_otel.server.query.naming import kinds, known
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

__all__ = ["Found", "decisions_page", "fresh_rows", "replayed", "resolved"]

SEE_OTHER: Final = 303
SHOWN: Final = 15
ROWS: Final = 50
PERIODS: Final = (("now-1h", "hour"), ("now-1d", "day"), ("now-7d", "week"), ("now-30d", "30 days"), ("", "all"))


class Found(msgspec.Struct, frozen=True):
    """What a question means: a page of decisions, or what the ids in it mean."""

    asked: Asked
    page: Page[DecisionRow] | None = None
    stories: tuple[Story, ...] = ()
    suggestions: tuple[tuple[str, str], ...] = ()


async def decisions_page(site: Site, request: Request) -> Response:
    """Show the decisions that were asked for."""
    params = list(request.query_params.multi_items())
    question = asked(params)
    found = await site.pool.ask(lambda reader: resolved(reader, question))
    if len(found.stories) == 1:
        story = found.stories[0]
        return RedirectResponse(f"/decisions/{story.decision_id or story.trace_id}", SEE_OTHER)
    context = {"at": "/decisions", "title": "Decisions", "asked": question.text}
    if found.stories:
        return site.page("several.html", context | {"title": "Several decisions", "stories": found.stories})
    assert found.page is not None
    more = {"found": found, "page": found.page, "replayed": replayed(found.page.items), "reached": _reached(found.page)}
    more["lead"] = decisions_lead(found.page.items)
    period = next((value for key, value in params if key == "from"), "")
    return site.page("decisions.html", context | more | {"periods": PERIODS, "period": period})


def resolved(reader: Reader, question: Asked) -> Found:
    """Return what a question means: words that are names become filters, others are ids."""
    names = {field: list(values) for field, values in question.names.items()}
    stories: list[Story] = []
    for word in question.words:
        field = next((kind for kind, _ in kinds(reader, word) if kind in FIELDS), None)
        if field is not None:
            names.setdefault(field, []).append(word)
            continue
        meant = reader.find(word)
        if not meant:
            raise Missing(
                f"{word[:80]} is no id, symbol, strategy, venue, action, regime or model that is stored here."
            )
        stories += meant
    if stories:
        return Found(question, stories=tuple(stories))
    question = msgspec.structs.replace(question, names={field: tuple(each) for field, each in names.items()}, words=())
    unknown = [(field, value) for field, values in question.names.items() for value in values
               if field not in {kind for kind, _ in kinds(reader, value)}]  # fmt: skip
    return Found(
        question, decision_page(reader, question, ROWS, outcomes=True), (), tuple(_suggested(reader)) if unknown else ()
    )


def _reached(page: Page[DecisionRow]) -> datetime | None:
    """Return the time down to which was searched, where there is more below."""
    return row_time(int(page.next)) if page.next is not None and len(page.items) < ROWS else None


def _suggested(reader: Reader) -> list[tuple[str, str]]:
    return [(field, value) for field in FIELDS for _, value in known(reader, field, 12)]


async def fresh_rows(site: Site, request: Request) -> Response:
    """Return the newest decisions as rows, for a page that is open."""
    del request
    page = await site.pool.ask(lambda reader: decision_page(reader, Asked(), SHOWN, outcomes=True))
    return site.page("rows.html", {"rows": page.items, "replayed": replayed(page.items)})


def replayed(rows: Sequence[DecisionRow]) -> bool:
    """Tell whether market time is worth a column of its own."""
    return any(times(row.time, row.market_time) for row in rows)
