"""Orders, how well they were executed, and the life of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.server.pages.asked import Asked, AskError, asked
from ares_otel.server.pages.formats import times
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.console.orders import Sampled, execution
from ares_otel.server.query.naming import kinds
from ares_otel.server.query.results import TradesAsked, trades
from ares_otel.server.query.shortfalls import VenueCosts, named_costs
from ares_otel.server.query.trading import FILTERS, orders_listed
from ares_otel.server.story.costs import PARTS
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import OrderStory, Story

__all__ = ["Lived", "life", "order_page", "orders_page"]

ROWS: Final = 50
THINNEST: Final = 0.06
TRADES: Final = 15
COLORS: Final = {
    "filled": "s-accent", "partially_filled": "s-ink", "rejected": "s-bad", "denied": "s-bad", "canceled": "s-quiet",
    "expired": "s-quiet",
}  # fmt: skip


class Lived(msgspec.Struct, frozen=True):
    """A state of an order and how long it was in it, in seconds; `begin` and `end` are shares of the drawing."""

    state: str
    seconds: float | None
    begin: float
    end: float
    kind: str


async def orders_page(site: Site, request: Request) -> Response:
    """Show orders and the quality of execution."""
    question = asked(request.query_params.multi_items())
    if question.words:
        return await _named(site, question)
    unfit = [field for field in question.names if field not in FILTERS]
    if unfit or question.bounds or question.has:
        field = [*unfit, *question.bounds, *(["has"] if question.has else [])][0]
        raise AskError(field, f"orders can be filtered by {', '.join(FILTERS)}; decisions know {field}")
    found = await site.pool.ask(lambda reader: orders_listed(reader, question, ROWS))
    quality = await site.pool.ask(execution)
    costs = await site.pool.ask(named_costs)
    ended = await site.pool.ask(lambda reader: trades(reader, TradesAsked(limit=TRADES)).items)
    context = {
        "at": "/orders",
        "title": "Orders",
        "asked": "",
        "found": found,
        "quality": quality,
        "costs": costs,
        "trades": ended,
        "reach": _reach,
        "question": question,
    }
    replayed = any(times(row.time, row.market_time) for row in found.items)
    return site.page("orders.html", context | {"replayed": replayed, "most": _most})


async def _named(site: Site, question: Asked) -> Response:
    """Show the order that a word names, or say that there is none."""
    word = question.words[0]
    known = await site.pool.ask(lambda reader: kinds(reader, word))
    if known:
        raise AskError("q", f"write {known[0][0]}:{word} to see orders of {word}")
    return await _one(site, word)


def _most(rows: Sequence[Sampled]) -> float:
    """Return the largest distance from zero that a row's interval reaches, for a common scale."""
    return (
        max((abs(edge) for row in rows for edge in (row.mean, row.low, row.high) if edge is not None), default=1.0)
        or 1.0
    )


def _reach(costs: VenueCosts) -> float:
    """Return the same of a shortfall and its parts."""
    said = (getattr(costs, part) for part in ("total", *PARTS))
    edges = [abs(edge) for each in said for edge in (each.value, each.low, each.high) if edge is not None]
    return max(edges, default=1.0) or 1.0


async def order_page(site: Site, request: Request) -> Response:
    """Show the life of an order."""
    return await _one(site, request.path_params["id"])


async def _one(site: Site, client: str) -> Response:
    found = await site.pool.ask(lambda reader: _found(reader, client))
    if not found:
        raise Missing(f"No order {client[:80]} is stored.")
    story, order = found[0]
    context = {"at": "/orders", "title": f"Order {client[:40]}", "asked": "", "story": story, "order": order}
    return site.page("order.html", context | {"lived": tuple(life(order)), "others": found[1:]})


def _found(reader: Reader, client: str) -> Sequence[tuple[Story, OrderStory]]:
    return [(story, order) for story in reader.find(client) for order in story.orders if order.client_id == client]


def life(order: OrderStory) -> Iterator[Lived]:
    """Yield the states of an order; each is drawn wide enough to be seen."""
    steps: list[tuple[str, float]] = [("sent", 0.0)]
    for update in order.updates:
        if update.after_seconds is not None and not update.duplicate:
            state = str(update.status)
            if state == steps[-1][0]:
                continue
            steps.append((state, update.after_seconds))
    waits: list[float | None] = [late[1] - early[1] for early, late in pairwise(steps)]
    waits.append(None)
    whole = sum(wait for wait in waits if wait) or 1.0
    shares = [max((wait or 0.0) / whole, THINNEST) for wait in waits]
    at = 0.0
    for (state, _), wait, share in zip(steps, waits, shares, strict=True):
        end = at + share / sum(shares)
        yield Lived(state, wait, at, end, COLORS.get(state, "s-soft"))
        at = end
